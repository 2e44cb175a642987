"""Means with their intervals: of independent values, of values in clusters, of a stratified sample."""

from collections.abc import Mapping
from reprlib import repr as brief

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.stats import t

from companion.checks import is_number
from companion.stats.base.checks import as_bounds, as_numbers, check_differs
from companion.stats.base.frames import same_examples
from companion.stats.base.intervals import Interval, wilson
from companion.stats.base.labels import as_clusters, as_groups
from companion.stats.base.options import LARGEST_COUNT, check_level, check_population
from companion.stats.estimates.bounded import are_right_or_wrong, bounded_interval
from companion.stats.estimates.clustered import cluster_error


@same_examples("values", "clusters")
def mean_ci(
    values: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    population: int | None = None,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
) -> Interval:
    r"""A mean with Student's interval; with ``clusters``, one that values of a cluster may agree in.

    .. math:: \bar x \pm t_{n-1} \frac{s}{\sqrt n} \sqrt{1 - \frac{n}{N}}

    The last factor is there for a ``population`` of :math:`N` only. Values must be independent, and the mean close to
    normal. Where questions share a passage, name the passages as ``clusters``: the standard error then comes from the
    sums of residuals of the :math:`G` clusters, with :math:`t_{G-1}`:

    .. math:: \text{SE}^2 = \frac{G}{G - 1} \, \frac{1}{n^2} \sum_{g=1}^{G} \Big(\sum_{i \in g} (x_i - \bar x)\Big)^2

    Coverage at 95% (4,000 samples each), normal and exponential values; with clusters of 1 to 9 values, an intraclass
    correlation of 0.5, and effects of clusters that are normal or exponential:

    ===========  ======  ===========
    n or G       normal  exponential
    ===========  ======  ===========
    10           0.951   0.901
    30           0.951   0.924
    100          0.950   0.935
    10 clusters  0.926   0.908
    30 clusters  0.942   0.916
    50 clusters  0.949   0.939
    ===========  ======  ===========

    So skewed values want 100 of them, or 50 clusters, and 20 clusters are the least.

    Values of only 0 and 1 are right or wrong answers, and get the interval of a proportion:
    :func:`companion.stats.proportion_ci`, or :func:`companion.stats.clustered_proportion_ci`. Where other values lie
    between known ``bounds`` (win rates with ties, pass@k, partial credit), say so: Wilson's interval for as many right
    or wrong answers as they are worth, :math:`\hat p (1 - \hat p) / \text{SE}^2`, stays within the bounds, exists where
    all values are equal, and covers near the bounds, where Student's does not. Coverage at 95% (4,000 samples, none
    of those that the method was chosen by), in brackets Student's:

    ===============================  =============  =============  =============
    n                                10             30             100
    ===============================  =============  =============  =============
    wins 85%, ties 10%               0.980 (0.806)  0.975 (0.910)  0.956 (0.941)
    pass@5 around 0.909, U-shaped    0.981 (0.701)  0.932 (0.882)  0.948 (0.925)
    pass@5 around 0.993              0.973 (0.346)  0.969 (0.536)  0.971 (0.708)
    Beta(8, 1)                       0.999 (0.915)  0.982 (0.935)  0.962 (0.951)
    ===============================  =============  =============  =============

    With a ceiling so near that 300 problems show a single failure (pass@5 around 0.996) it is 0.87 (0.79); the betting
    interval of Waudby-Smith and Ramdas (2024), whose coverage is certain, is twice as wide at 30 values. The formula
    stands in ``companion/stats/estimates/bounded.py``.

    Args:
        values: one number an example, at least 2.
        clusters: the cluster of each example, as numbers or text; whole clusters are drawn independently.
        population: :math:`N`, where the values are a random sample of a finite pool without replacement and the mean in
            question is that pool's. Not together with ``clusters``.
        bounds: the least and the largest value that there can be, known beforehand; not those that came.
        level: intended coverage.

    Raises:
        ValueError: for NaN (named by its index), infinity, values that are all equal (other than 0 or 1, without
            ``bounds``) or outside ``bounds``, fewer than 2 values or clusters, missing clusters, ``clusters`` together
            with ``population``, a population smaller than the sample.

    Source:
        Liang and Zeger 1986, *Biometrika* 73, for the clusters; Cochran 1977, *Sampling Techniques*, chapter 2, for the
        finite population.

    >>> print(mean_ci([2.1, 3.4, 1.9, 2.8, 3.0, 2.2]))
    The estimate is 2.57, with a 95% confidence interval from 1.95 to 3.18 (Student's t, 5 degrees of freedom).
    """
    (vector,) = as_numbers(at_least=2, values=values)
    check_level(level)
    check_population(population, len(vector))
    if population is not None and clusters is not None:
        raise ValueError("expected clusters or population, got both; leave out population, the interval is wider")
    codes = None if clusters is None else as_clusters(clusters, len(vector))
    estimate = float(vector.mean())
    if population == len(vector):
        return Interval(estimate, estimate, estimate, level, "the whole population, counted")
    if bounds is not None or are_right_or_wrong(vector):
        limits = as_bounds((0, 1) if bounds is None else bounds, values=vector)
        return bounded_interval(vector, bounds=limits, clusters=codes, population=population, level=level)
    check_differs("values", vector)
    if codes is not None:
        error, degrees = cluster_error(vector, codes), int(codes.max())
        return _interval(estimate, error, degrees, level, f"cluster-robust, t of {degrees + 1:,} clusters")
    remaining = 1.0 if population is None else 1 - len(vector) / population
    error = float(np.sqrt(vector.var(ddof=1) / len(vector) * remaining))
    of = "" if population is None else f", {len(vector):,} of {population:,}"
    degrees = len(vector) - 1
    return _interval(estimate, error, degrees, level, f"Student's t, {degrees:,} degrees of freedom{of}")


@same_examples("values", "strata")
def stratified_mean_ci(
    values: ArrayLike,
    strata: ArrayLike,
    *,
    weights: Mapping[object, float] | None = None,
    population: Mapping[object, int] | None = None,
    level: float = 0.95,
) -> Interval:
    r"""The mean of a population whose strata (languages, sources, difficulties) were sampled separately.

    .. math:: \hat\mu = \sum_h w_h \bar x_h, \qquad \text{SE}^2 = \sum_h w_h^2 \frac{s_h^2}{n_h} \Big(1 -
        \frac{n_h}{N_h}\Big)

    The weights :math:`w_h` are the strata's proportions of the population, not of the sample. Say them, or give the
    sizes :math:`N_h` of a finite population, which the last factor then takes into account. Degrees of freedom by
    Satterthwaite. Coverage at 95% for three strata of standard deviations 1, 2 and 4, normal values: 0.950 with 5 a
    stratum, 0.952 with 20; exponential values: 0.896 and 0.927, 0.941 with 100 (4,000 samples each).

    Right or wrong answers, 0 and 1, get the strata's Wilson intervals :math:`(l_h, u_h)` instead, joined as Newcombe
    (1998) joins two:

    .. math:: \hat\mu - \sqrt{\sum_h w_h^2 (\bar x_h - l_h)^2}, \quad \hat\mu + \sqrt{\sum_h w_h^2 (u_h - \bar x_h)^2}

    Args:
        values: one number an example.
        strata: the stratum of each example, as numbers or text; at least 2 examples in each.
        weights: the proportion of each stratum; they sum to one.
        population: in their place, the size of each stratum in the finite population.
        level: intended coverage.

    Raises:
        ValueError: for NaN, a stratum of one example, strata that are not those of the weights, weights that do not sum
            to one, neither or both of ``weights`` and ``population``, values that are all equal within all strata.

    Source:
        Cochran 1977, *Sampling Techniques*, chapter 5.

    >>> scores, language = [0.9, 0.8, 0.85, 0.4, 0.6, 0.5], ["en", "en", "en", "zh", "zh", "zh"]
    >>> print(stratified_mean_ci(scores, language, weights={"en": 0.3, "zh": 0.7}))
    The estimate is 0.60, with a 95% confidence interval from 0.44 to 0.77 (stratified, Satterthwaite's t).
    """
    (vector,) = as_numbers(at_least=2, values=values)
    codes, names = as_groups("strata", strata, len(vector))
    check_level(level)
    shares, sizes = _shares(names.tolist(), weights, population)
    counts = np.bincount(codes)
    if (counts < 2).any() or (counts > sizes).any():
        first = int(((counts < 2) | (counts > sizes)).argmax())
        raise ValueError(
            f"expected at least 2 examples in each stratum and no more than its population, got {counts[first]:,} in "
            f"{names[first].item()!r}; collect more, merge it with its neighbor, or correct the size"
        )
    means = np.bincount(codes, vector) / counts
    variances = np.bincount(codes, (vector - means[codes]) ** 2) / (counts - 1)
    parts = shares**2 * variances / counts * (1 - counts / sizes)
    estimate = float(shares @ means)
    if (counts == sizes).all():
        return Interval(estimate, estimate, estimate, level, "the whole population, counted")
    if are_right_or_wrong(vector):
        return _joined_wilson(means, counts, shares, sizes, level)
    check_differs("each stratum, less its mean,", np.append(vector - means[codes], 0.0))
    if not parts.sum() > 0:
        raise ValueError("expected a stratum with weight whose values differ, got none; collect more examples")
    degrees = 1 / np.sum((parts / parts.sum()) ** 2 / (counts - 1))
    return _interval(estimate, float(np.sqrt(parts.sum())), degrees, level, "stratified, Satterthwaite's t")


def _joined_wilson(
    means: Float[np.ndarray, " strata"],
    counts: Int[np.ndarray, " strata"],
    shares: Float[np.ndarray, " strata"],
    sizes: Float[np.ndarray, " strata"],
    level: float,
) -> Interval:
    """The weighted proportion with what the strata's Wilson intervals leave on each side, added as errors are."""
    each = [
        wilson(mean * n, n, population=None if np.isinf(size) else int(size), level=level)
        if n < size
        else Interval(mean, mean, mean, level, "counted")
        for mean, n, size in zip(means.tolist(), counts.tolist(), sizes.tolist(), strict=True)
    ]
    below, above = (
        float(np.sqrt(np.sum((shares * (means - np.array([getattr(interval, side) for interval in each]))) ** 2)))
        for side in ("low", "high")
    )
    estimate = float(shares @ means)
    return Interval.around(estimate, estimate - below, estimate + above, level, "stratified, Wilson", within=(0, 1))


def _shares(
    names: list[object], weights: Mapping[object, float] | None, population: Mapping[object, int] | None
) -> tuple[Float[np.ndarray, " strata"], Float[np.ndarray, " strata"]]:
    """Each stratum's share and size; sizes are infinite where proportions were given."""
    given = weights if population is None else population
    if given is None or (weights is not None and population is not None):
        raise ValueError(
            "expected either weights (shares) or population (sizes) of the strata, got "
            f"{'neither' if given is None else 'both'}; give exactly one"
        )
    if not isinstance(given, Mapping) or set(given) != set(names):
        raise ValueError(f"expected a weight for each of the strata {brief(names)}, got {brief(given)}; pass a dict")
    if not all(is_number(given[name]) and 0 <= given[name] <= LARGEST_COUNT for name in names):
        raise ValueError(f"expected shares or sizes of the strata as numbers from 0 on, got {brief(given)}")
    sizes = np.array([given[name] for name in names], dtype=float)
    if population is None and abs(sizes.sum() - 1) > 1e-6:
        raise ValueError(
            f"expected shares that sum to one, got {brief(given)}; divide by their sum, or pass sizes as population"
        )
    if not sizes.any():
        raise ValueError(f"expected a stratum with weight, got only 0 in {brief(given)}; pass their shares or sizes")
    return sizes / sizes.sum(), np.full(len(names), np.inf) if population is None else sizes


def _interval(estimate: float, error: float, degrees: float, level: float, method: str) -> Interval:
    half_width = float(t.ppf((1 + level) / 2, degrees)) * error
    return Interval(estimate, estimate - half_width, estimate + half_width, level, method)
