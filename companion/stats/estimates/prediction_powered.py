r"""A mean from a few human labels and many of a judge: as narrow as the judge is good, valid whatever it is."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from companion.stats.base.checks import as_numbers, check_differs
from companion.stats.base.frames import same_examples
from companion.stats.base.intervals import Interval
from companion.stats.base.labels import as_groups
from companion.stats.base.options import check_level
from companion.stats.estimates.bounded import are_right_or_wrong

Vector = Float[np.ndarray, " examples"]
Codes = Int[np.ndarray, " examples"]


@dataclass(frozen=True)
class PredictionPowered(Interval):
    """A mean of labels with its interval, narrowed by a judge's.

    Attributes:
        classical: what the labels alone give (Student's interval).
        tuning: weight of the judge, from 0, not used, to 1.
        effective_sample_size: number of labels that would have been needed without the judge.
        n_labeled: number of labels.
        n_unlabeled: number of examples that only the judge saw.
    """

    classical: Interval
    tuning: float
    effective_sample_size: float
    n_labeled: int
    n_unlabeled: int

    @property
    def interval(self) -> Interval:
        """The mean with its interval alone, as results of 0.1.0 held it."""
        return Interval(self.estimate, self.low, self.high, self.level, self.method)

    def __str__(self) -> str:
        return (
            f"The mean is {self.in_words()}; with the judge, {self.n_labeled:,} labels are worth "
            f"{self.effective_sample_size:,.0f}."
        )


@same_examples("labels", "judged_labeled", "clusters")
@same_examples("judged_unlabeled", "clusters_unlabeled")
def prediction_powered_ci(
    labels: ArrayLike,
    judged_labeled: ArrayLike,
    judged_unlabeled: ArrayLike,
    *,
    level: float = 0.95,
    power_tuning: bool = True,
    clusters: ArrayLike | None = None,
    clusters_unlabeled: ArrayLike | None = None,
) -> PredictionPowered:
    r"""The mean of what people would say of all examples, from :math:`n` labels and a judge's verdicts on everything.

    With labels :math:`y_i`, verdicts :math:`f_i` on the same :math:`n` examples and :math:`\tilde f_j` on :math:`N`
    more,

    .. math:: \hat\theta = \bar y + \lambda \, (\bar{\tilde f} - \bar f), \qquad \widehat{\mathrm{var}} =
              \frac{\mathrm{var}(y - \lambda f)}{n} + \lambda^2 \frac{\mathrm{var}(\tilde f)}{N}

    The judge's mean error cancels: the judge may be biased or useless, which costs width, not coverage. With
    ``power_tuning`` :math:`\lambda` is the minimizer of this variance, :math:`\mathrm{cov}(y, f) / (\mathrm{var}(f) +
    \frac{n}{N} \mathrm{var}(\tilde f))`, clipped to [0, 1]; the paper's has the pooled variance of verdicts instead.
    Without, it is 1, and a poor judge makes the interval wider than labels alone would. The interval is Student's with
    :math:`n - 1` degrees of freedom; with tuning, :math:`\mathrm{var}(y - \lambda f)` has the divisor :math:`n - 2`,
    since a slope was fitted. So it is never wider than the classical one by more than :math:`\sqrt{(n - 1)/(n - 2)}`,
    1% for 50 labels. Of labels 0 and 1 both are cut at 0 and 1.

    Coverage at 95%, 30 to 300 labels, as many or 20 times as many verdicts, judges that err in 10% or are useless,
    biased scores, probabilities (2,000 samples each): 0.93 to 0.96, where labels are continuous or proportions lie
    between 0.5 and 0.7. For proportions of 0.9 it is 0.90 to 0.95 below 300 labels: as with every interval of this
    form, 30 labels of either kind are needed.

    Examples must be independent, or in ``clusters``. A cluster, such as a passage with its questions, may have labeled
    examples, unlabeled ones, or both. The variance is then that of sums over clusters, with Student's quantile for the
    :math:`G` clusters that hold labels:

    .. math:: \widehat{\mathrm{var}} = \sum_g \Big(\sqrt{c_n} \sum_{i \in g} \frac{r_i - \bar r}{n} + \lambda
              \sqrt{c_N} \sum_{j \in g} \frac{\tilde f_j - \bar{\tilde f}}{N}\Big)^2, \qquad r = y - \lambda f

    where :math:`c_n = G / (G - 1)`, with tuning :math:`G / (G - 2)`, and :math:`c_N` is the first of them for the
    unlabeled clusters; :math:`\lambda` minimizes it. Clusters of one example each give the formulas above. Coverage at
    95% for clusters of 1 to 9 examples, labels in clusters of their own or of a fifth of each cluster's examples (2,000
    samples each): scores, and proportions up to 0.8 with an intraclass correlation of 0.3, have 0.88 to 0.96 with 20
    clusters that hold labels, 0.91 to 0.96 with 50, 0.92 to 0.96 with 100. Proportions of 0.9 and more have 0.82 to
    0.98: clusters that fail as a whole are few, and a sample may hold none.
    :func:`companion.stats.clustered_proportion_ci` of the labels alone makes up for that.

    The labeled examples must be a random sample of all, for the judge too: not those it was tuned on; of clusters, a
    random sample of whole ones, or some examples of each. Where they were chosen by their labels, take
    :func:`companion.stats.rogan_gladen_ci`. For means only. The difference of two models' accuracies or win rates on
    the same examples is one: pass differences, the first model's verdict less the second's, in all three columns.
    Missing values are refused.

    Args:
        labels: numbers ``[n]``, such as 1 for right and 0 for wrong.
        judged_labeled: the judge's numbers on the same examples ``[n]``: verdicts, or probabilities.
        judged_unlabeled: the judge's numbers on other examples ``[N]``.
        level: intended coverage.
        power_tuning: whether to weigh the judge by its worth.
        clusters: the cluster of each labeled example ``[n]``, as numbers or text.
        clusters_unlabeled: that of each unlabeled one ``[N]``; the same name is the same cluster.

    Raises:
        ValueError: for NaN, other lengths, fewer than 3 labels or 2 unlabeled verdicts, labels all alike (a proportion
            near 0 or 1 needs ``metric_ci``); for ``clusters`` of one side only, fewer than 3 that hold labels or 2 that
            hold none, labels whose clusters do not differ.

    Source:
        Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023, "Prediction-powered inference", *Science* 382; tuning:
        Angelopoulos, Duchi and Zrnic 2023, "PPI++: efficient prediction-powered inference", arXiv:2311.01453.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> right = rng.random(2_200) < 0.8
    >>> judged = np.where(rng.random(2_200) < 0.9, right, ~right)  # the judge errs in 10%
    >>> print(prediction_powered_ci(right[:200], judged[:200], judged[200:]))
    The mean is 0.762, with a 95% confidence interval from 0.720 to 0.805 (prediction-powered); with the judge, 200
    labels are worth 429.
    """
    check_level(level)
    y, f = as_numbers(at_least=3, labels=labels, judged_labeled=judged_labeled)
    (more,) = as_numbers(at_least=2, judged_unlabeled=judged_unlabeled)
    check_differs("labels", y)
    labeled, unlabeled = _codes(len(y), len(more), clusters, clusters_unlabeled)
    n_clusters, n_all = len(np.unique(labeled)), int(max(labeled.max(), unlabeled.max())) + 1
    of_labels, of_judge, of_more = (
        _sums(values, codes, n_all) for values, codes in ((y, labeled), (f, labeled), (more, unlabeled))
    )
    alone = float(of_labels @ of_labels)
    if alone <= 1e-24 * np.ptp(y) ** 2:
        raise ValueError(
            f"expected clusters that differ, got {n_clusters:,} of equal mean labels; collect more of them"
        )
    tuning = _tuning(of_labels, of_judge - of_more) if power_tuning else 1.0
    fitted = np.sqrt((n_clusters - 1) / (n_clusters - 2)) if tuning > 0 and power_tuning else 1.0
    both = fitted * _sums(y - tuning * f, labeled, n_all) + tuning * of_more
    variance = float(both @ both)
    if variance <= 1e-12 * alone:
        raise ValueError(
            "expected a judge that errs somewhere or varies on the unlabeled examples, got neither: no error can be "
            "estimated; check that judged_labeled does not repeat the labels"
        )
    within = (0.0, 1.0) if are_right_or_wrong(y) else (-np.inf, np.inf)
    quantile = float(stdtrit(n_clusters - 1, (1 + level) / 2))
    of_clusters = "" if clusters is None else f", {n_clusters:,} clusters"
    found = _interval(
        float(y.mean() + tuning * (more.mean() - f.mean())),
        quantile * np.sqrt(variance),
        level,
        f"prediction-powered{of_clusters}",
        within,
    )
    return PredictionPowered(
        found.estimate,
        found.low,
        found.high,
        level,
        found.method,
        classical=_interval(float(y.mean()), quantile * np.sqrt(alone), level, f"Student's t{of_clusters}", within),
        tuning=tuning,
        effective_sample_size=len(y) * (alone / variance),
        n_labeled=len(y),
        n_unlabeled=len(more),
    )


def _codes(
    n: int, n_more: int, clusters: ArrayLike | None, clusters_unlabeled: ArrayLike | None
) -> tuple[Codes, Codes]:
    """Which cluster, counted from 0, each labeled and each unlabeled example is in; without names, one of its own."""
    if clusters is None and clusters_unlabeled is None:
        return np.arange(n), n + np.arange(n_more)
    if clusters is None or clusters_unlabeled is None:
        given, missing = ("clusters", "clusters_unlabeled")[:: 1 if clusters_unlabeled is None else -1]
        raise ValueError(f"expected clusters and clusters_unlabeled together, got only {given}; pass {missing} too")
    labeled, names = as_groups("clusters", clusters, n)
    unlabeled, others = as_groups("clusters_unlabeled", clusters_unlabeled, n_more)
    if (names.dtype.kind == "U") != (others.dtype.kind == "U"):
        raise ValueError(
            f"expected clusters and clusters_unlabeled all numbers or all text, got {names.dtype} and {others.dtype}; "
            "name the same cluster alike"
        )
    for name, found, least in (("clusters", names, 3), ("clusters_unlabeled", others, 2)):
        if len(found) < least:
            raise ValueError(f"expected at least {least} clusters in {name}, got {len(found)}; collect more of them")
    codes = np.unique(np.concatenate([names, others]), return_inverse=True)[1]
    return codes[: len(names)][labeled], codes[len(names) :][unlabeled]


def _sums(values: Vector, codes: Codes, n_all: int) -> Float[np.ndarray, " clusters"]:
    """What each cluster adds to the error of the mean; their squares sum to its variance."""
    n_clusters = len(np.unique(codes))
    totals = np.bincount(codes, values - values.mean(), minlength=n_all) / len(values)
    return totals * np.sqrt(n_clusters / (n_clusters - 1))


def _tuning(of_labels: Float[np.ndarray, " clusters"], of_judge: Float[np.ndarray, " clusters"]) -> float:
    """The weight of the judge that leaves the least sum of squares, within 0 and 1."""
    scale = of_judge @ of_judge
    return float(np.clip(of_labels @ of_judge / scale, 0, 1)) if scale > 0 else 0.0


def _interval(estimate: float, half_width: float, level: float, method: str, within: tuple[float, float]) -> Interval:
    """Cut at the bounds of a proportion, beyond which the judge may move even the mean of a few labels."""
    low, estimate, high = np.clip([estimate - half_width, estimate, estimate + half_width], *within).tolist()
    return Interval(estimate, low, high, level, method)
