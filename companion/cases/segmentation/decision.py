r"""What a probability is worth to whoever decides by it: net benefit, predictive value, and when to ask a doctor.

Whoever acts from a probability :math:`t` on says by it that one missed case is as bad as :math:`(1-t)/t` needless
actions. Counted in found cases a patient, the net benefit of acting so is (Vickers & Elkin 2006)

.. math:: \mathrm{NB}(t) = \frac{\mathrm{TP}(t)}{n} - \frac{\mathrm{FP}(t)}{n} \cdot \frac{t}{1 - t}.

Acting on nobody has net benefit 0, acting on everybody :math:`\pi - (1 - \pi)\,t/(1-t)` at prevalence :math:`\pi`.

Axes: example; threshold; class.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike
from scipy.stats import beta

from companion.stats.base.arrays import as_probabilities
from companion.stats.base.checks import as_numbers
from companion.stats.base.frames import same_examples
from companion.stats.base.labels import as_binary, as_clusters
from companion.stats.base.options import check_level, check_n_resamples, check_share, generator_of

Curve = Float[np.ndarray, " threshold"]


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefits at each threshold, in found cases an example; bands are pointwise.

    Attributes:
        thresholds: probabilities from which on one acts.
        model: of acting by the model.
        model_low: lower end of the model's band.
        model_high: its upper end.
        all: of acting on everybody; on nobody it is 0.
        gain: the model's beyond the better of all and nobody.
        gain_low: lower end of the gain's band.
        gain_high: its upper end.
    """

    thresholds: Curve
    model: Curve
    model_low: Curve
    model_high: Curve
    all: Curve
    gain: Curve
    gain_low: Curve
    gain_high: Curve


@same_examples("truth", "probabilities", "clusters")
def net_benefit(
    truth: ArrayLike,
    probabilities: ArrayLike,
    thresholds: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    n_resamples: int = 2_000,
    seed: int | None = None,
) -> DecisionCurve:
    """The decision curve with bands from a bootstrap of whole clusters (percentiles, pointwise).

    Args:
        truth: 1 or True for a case ``[example]``.
        probabilities: of being one ``[example]``.
        thresholds: between 0 and 1, both excluded.
        clusters: the patient of each example, where a patient has several; None takes all for independent.
        level: of the bands, at one threshold.
        n_resamples: bootstrap samples.
        seed: of the bootstrap.

    Raises:
        ValueError: for other lengths or indexes, missing values, what is no probability, thresholds of 0 or 1, fewer
            than two clusters.

    Example:
        >>> curve = net_benefit([1, 1, 0, 0], [0.9, 0.4, 0.3, 0.1], [0.2, 0.5], seed=0)
        >>> curve.model.round(4).tolist(), curve.all.round(4).tolist()
        ([0.4375, 0.25], [0.375, 0.0])
    """
    check_level(level)
    check_n_resamples(n_resamples)
    (is_case,), (t,) = as_binary("net benefit", truth=truth), as_numbers(thresholds=thresholds)
    p = as_probabilities("probabilities", probabilities)
    groups = np.arange(len(is_case)) if clusters is None else as_clusters(clusters, len(is_case))
    _check(is_case, p, t)
    odds = t / (1 - t)
    acted = p[:, None] >= t
    gains = np.where(is_case[:, None], acted, -odds * acted)
    of_all = np.where(is_case[:, None], 1.0, -odds)
    n_groups = int(groups.max()) + 1
    sums = np.zeros((n_groups, 1 + 2 * len(t)))
    np.add.at(sums, groups, np.column_stack([np.ones(len(p)), gains, of_all]))
    weights = generator_of(seed).multinomial(n_groups, np.full(n_groups, 1 / n_groups), n_resamples)
    drawn = weights @ sums
    model, everybody = np.split(drawn[:, 1:] / drawn[:, :1], 2, axis=1)
    here, everybody_here = np.split(sums[:, 1:].sum(axis=0) / len(p), 2)
    ends = [50 * (1 - level), 50 * (1 + level)]
    low, high = np.percentile(model, ends, axis=0)
    gain_low, gain_high = np.percentile(model - np.maximum(everybody, 0), ends, axis=0)
    gain = here - np.maximum(everybody_here, 0)
    return DecisionCurve(t, here, low, high, everybody_here, gain, gain_low, gain_high)


def _check(is_case: Bool[np.ndarray, " example"], p: np.ndarray, t: Curve) -> None:
    if is_case.shape != p.shape:
        raise ValueError(f"expected truth and probabilities of one length, got shapes {is_case.shape} and {p.shape}")
    if not ((t > 0) & (t < 1)).all():
        raise ValueError(f"expected thresholds between 0 and 1, both excluded, got {t.tolist()}")
    if len(is_case) < 2:
        raise ValueError("expected two examples or clusters at least, got fewer: no band can be drawn")


def predictive_value(sensitivity: float, specificity: float, prevalence: float) -> float:
    r"""The probability of disease after a positive finding, by Bayes' rule.

    .. math:: \mathrm{PPV} = \frac{s \pi}{s \pi + (1 - c)(1 - \pi)}

    with sensitivity :math:`s`, specificity :math:`c` and prevalence :math:`\pi`. Sensitivity and specificity are taken
    to be the same at any prevalence, which they are not where milder cases come along with more screening.

    Raises:
        ValueError: for what is no proportion, or where nothing would be positive.

    Example:
        >>> round(predictive_value(0.8, 0.904, 0.01), 3)
        0.078
    """
    for name, value in (("sensitivity", sensitivity), ("specificity", specificity), ("prevalence", prevalence)):
        if not 0 <= value <= 1:
            raise ValueError(f"expected {name} from 0 to 1, got {value}")
    true, false = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    if true + false == 0:
        raise ValueError("expected some positive findings, got a test that finds none")
    return true / (true + false)


@same_examples("confidence", "right")
def deferral_threshold(
    confidence: ArrayLike,
    right: ArrayLike,
    *,
    risk: float = 0.05,
    level: float = 0.95,
    candidates: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98),
) -> float:
    """The lowest confidence at which to answer, so that of all answers at most ``risk`` are wrong.

    For each candidate the upper Clopper-Pearson bound of the error among what is answered is held against ``risk``, at
    ``1 - level`` divided by the number of candidates (Bonferroni), so that with probability ``level`` over calibration
    examples no candidate that passes has a larger error. Where none passes it is infinity: everything goes to a doctor.
    Examples must be independent, one a patient, and of the kind that will come: another scanner voids the promise.

    Args:
        confidence: the probability of the answer that would be given ``[example]``.
        right: whether that answer is right ``[example]``.
        risk: error allowed among the answers.
        level: probability with which the promise holds.
        candidates: fixed before the data are seen.

    Raises:
        ValueError: for other lengths or indexes, missing values, a risk or a level outside (0, 1).

    Source:
        Geifman & El-Yaniv 2017, "Selective classification for deep neural networks", *NeurIPS*, whose bound and
        Bonferroni correction these are, over a fixed list in place of a search.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> confidence = rng.uniform(0.5, 1, 4_000)
        >>> deferral_threshold(confidence, rng.random(4_000) < confidence)
        0.95
    """
    check_share("risk", risk, "write 0.05 for 5%")
    check_level(level)
    (sure,), (is_right,) = as_numbers(confidence=confidence), as_binary("a promise about errors", right=right)
    if sure.shape != is_right.shape:
        raise ValueError(f"expected confidence and right of one length, got {sure.shape} and {is_right.shape}")
    passed = [float("inf")]
    for threshold in candidates:
        answered = sure >= threshold
        n, wrong = int(answered.sum()), int((answered & ~is_right).sum())
        if n > wrong and beta.ppf(1 - (1 - level) / len(candidates), wrong + 1, n - wrong) <= risk:
            passed.append(threshold)
    return min(passed)
