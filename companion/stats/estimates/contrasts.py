"""Differences and ratios: of two independent samples, or of sums over the same examples."""

import math

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.stats import t
from statsmodels.stats.proportion import confint_proportions_2indep

from companion.checks import check_one_of
from companion.stats.base.checks import as_bounds, as_numbers, check_differs, check_unit
from companion.stats.base.frames import check_same_index
from companion.stats.base.intervals import Interval
from companion.stats.base.labels import as_groups
from companion.stats.base.options import check_counts, check_level
from companion.stats.estimates.bounded import are_right_or_wrong, bounded_interval

_METHODS = {"newcombe": ("newcomb", "Newcombe"), "agresti_caffo": ("agresti-caffo", "Agresti-Caffo")}


def difference_ci(
    a: ArrayLike, b: ArrayLike, *, bounds: tuple[float, float] | None = None, level: float = 0.95
) -> Interval:
    r"""The difference of two means, a minus b, of independent samples: Welch's interval, which lets variances differ.

    .. math:: \bar a - \bar b \pm t_\nu \sqrt{\frac{s_a^2}{n_a} + \frac{s_b^2}{n_b}}

    with :math:`\nu` by Satterthwaite. Independent means other examples: two models on the same examples want
    :func:`companion.stats.compare_paired`, or :func:`companion.stats.mean_ci` of the differences. Samples of only 0 and
    1 are right or wrong answers and get :func:`companion.stats.proportion_difference_ci`. Where other values lie
    between known ``bounds``, the two intervals by :func:`companion.stats.mean_ci` are joined in the same way, which is
    Newcombe's.

    Coverage at 95% where b has three times a's standard deviation (4,000 samples each): normal values, 0.949 to 0.954
    from 5 and 10 values on; exponential values, 0.903 with 30 and 10, 0.917 with 10 and 10, 0.954 with 30 and 100.

    Args:
        a: one number an example, at least 2.
        b: the same of other examples; another number of them will do.
        bounds: the least and the largest value that there can be, known beforehand; not those that came.
        level: intended coverage.

    Raises:
        ValueError: for NaN (named by its index), infinity, fewer than 2 values, values outside ``bounds``, a sample
            whose values are all equal (other than 0 or 1, without ``bounds``).

    Source:
        Welch 1938, *Biometrika* 29; Satterthwaite 1946, *Biometrics Bulletin* 2.

    >>> print(difference_ci([5.1, 4.8, 5.6, 5.0], [4.4, 4.9, 4.1, 4.6, 4.3]))
    The estimate is 0.67, with a 95% confidence interval from 0.14 to 1.19 (Welch's t, 6.2 degrees of freedom).
    """
    (sample_a,), (sample_b,) = as_numbers(a=a), as_numbers(b=b)
    check_level(level)
    if bounds is None and are_right_or_wrong(np.concatenate([sample_a, sample_b])):
        counts = int(sample_a.sum()), len(sample_a), int(sample_b.sum()), len(sample_b)
        return proportion_difference_ci(*counts, level=level)
    if bounds is not None:
        limits = as_bounds(bounds, a=sample_a, b=sample_b)
        means = [
            bounded_interval(*as_numbers(at_least=2, **{name: sample}), bounds=limits, level=level)
            for name, sample in (("a", sample_a), ("b", sample_b))
        ]
        return newcombe(*means, method="Newcombe, bounded values", width=limits[1] - limits[0])
    variance_a, variance_b = _variance_of_mean("a", sample_a), _variance_of_mean("b", sample_b)
    degrees = _satterthwaite([variance_a, variance_b], [len(sample_a) - 1, len(sample_b) - 1])
    estimate = float(sample_a.mean() - sample_b.mean())
    half_width = float(t.ppf((1 + level) / 2, degrees) * np.sqrt(variance_a + variance_b))
    method = f"Welch's t, {degrees:.1f} degrees of freedom"
    return Interval(estimate, estimate - half_width, estimate + half_width, level, method)


def newcombe(a: Interval, b: Interval, *, method: str, width: float) -> Interval:
    """The difference of two independent estimates from their intervals, each on a range of this width."""
    difference = a.estimate - b.estimate
    low = difference - math.hypot(a.estimate - a.low, b.high - b.estimate)
    high = difference + math.hypot(a.high - a.estimate, b.estimate - b.low)
    return Interval.around(difference, low, high, a.level, method, within=(-width, width))


def proportion_difference_ci(
    successes_a: int,
    trials_a: int,
    successes_b: int,
    trials_b: int,
    *,
    method: str = "newcombe",
    level: float = 0.95,
) -> Interval:
    r"""The difference of two proportions, a minus b, of two independent samples.

    ``"newcombe"`` joins the two Wilson intervals :math:`(l, u)`, so that it stays within -1 and 1:

    .. math:: \hat d - \sqrt{(\hat p_a - l_a)^2 + (u_b - \hat p_b)^2}, \quad
        \hat d + \sqrt{(u_a - \hat p_a)^2 + (\hat p_b - l_b)^2}

    ``"agresti_caffo"`` adds a success and a failure to each sample and takes the textbook's interval, cut at -1 and 1.

    Exact coverage at 95% over all pairs of 91 proportions from 0.05 to 0.95, mean and least: Newcombe 0.951 and 0.884
    with 10 trials each, 0.950 and 0.913 with 20, 0.950 and 0.937 with 100; Agresti-Caffo 0.959 and 0.929, 0.955 and
    0.938, 0.951 and 0.942.

    Args:
        successes_a: right answers of a.
        trials_a: answers of a, at least 1.
        successes_b: right answers of b, on other examples.
        trials_b: answers of b, at least 1.
        method: ``"newcombe"`` or ``"agresti_caffo"``.
        level: intended coverage.

    Raises:
        ValueError: for counts that are no whole numbers, no trial, more successes than trials, an unknown method.

    Source:
        Newcombe 1998, *Statistics in Medicine* 17, 873-890, method 10; Agresti and Caffo 2000, *The American
        Statistician* 54.

    >>> print(proportion_difference_ci(56, 70, 48, 80))
    The estimate is 0.20, with a 95% confidence interval from 0.05 to 0.33 (Newcombe).
    """
    check_counts(successes_a, trials_a)
    check_counts(successes_b, trials_b)
    check_level(level)
    check_one_of("method", method, _METHODS)
    theirs, ours = _METHODS[method]
    low, high = confint_proportions_2indep(successes_a, trials_a, successes_b, trials_b, method=theirs, alpha=1 - level)
    difference = successes_a / trials_a - successes_b / trials_b
    return Interval.around(difference, low, high, level, ours, within=(-1, 1))


def ratio_ci(
    numerators: ArrayLike,
    denominators: ArrayLike,
    *,
    paired: bool,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> Interval:
    r"""A ratio of means, :math:`\bar y / \bar x`, with Fieller's interval.

    It holds all :math:`R` for which Student's test does not refuse :math:`\bar y = R \bar x`:

    .. math:: (\bar y - R \bar x)^2 \le t^2 \, (v_{yy} - 2 R v_{xy} + R^2 v_{xx})

    with the variances :math:`v` of the means. ``paired=True``: both stand in one row for each example, such as bits and
    bytes of a document, and the ratio is that of the sums. ``paired=False``: two independent samples, such as run times
    of two programs; :math:`v_{xy} = 0`, and degrees of freedom by Satterthwaite. Rows of a cluster are summed first,
    which makes a cluster a row.

    Coverage at 95% (4,000 samples each), in brackets that of the delta method, which is why this is Fieller's:

    ====  ==============  ================  ===================  ========================
    n     paired, normal  paired lognormal  independent, normal  independent, exponential
    ====  ==============  ================  ===================  ========================
    10    0.951 (0.963)   0.953 (0.848)     0.953 (0.944)        0.959 (0.910)
    30    0.954 (0.952)   0.943 (0.881)     0.946 (0.946)        0.955 (0.942)
    100   0.953 (0.948)   0.940 (0.930)     0.953 (0.947)        0.957 (0.943)
    ====  ==============  ================  ===================  ========================

    The price: rows of very unequal size give no interval where they are few (lognormal, n = 10: in 10% of samples),
    where the delta method would give one that is too short.

    Args:
        numerators: one number an example, at least 2.
        denominators: the same, whose mean is well away from zero.
        paired: whether a row of both belongs to one example.
        clusters: the cluster of each row, where ``paired``; whole clusters are drawn independently.
        level: intended coverage.

    Raises:
        ValueError: for NaN (named by its index), infinity, fewer than 2 rows or clusters, columns of other lengths
            where paired, a unit beyond 1e±60, rows of all one ratio, and where the mean of the denominators may be zero
            at this level: the ratio then has no bounds.

    Source:
        Fieller 1954, *Journal of the Royal Statistical Society* B 16.

    >>> bits, n_bytes = [410, 388, 640, 495, 530], [512, 430, 790, 628, 611]
    >>> print(ratio_ci(bits, n_bytes, paired=True))
    The estimate is 0.829, with a 95% confidence interval from 0.781 to 0.894 (Fieller, 4 degrees of freedom).
    """
    check_level(level)
    if paired:
        check_same_index(numerators=numerators, denominators=denominators, clusters=clusters)
        y, x = as_numbers(at_least=2, numerators=numerators, denominators=denominators)
        if clusters is not None:
            codes, _ = as_groups("clusters", clusters, len(y))
            y, x = np.bincount(codes, y), np.bincount(codes, x)
            as_numbers(at_least=2, clusters=y)
    else:
        if clusters is not None:
            raise ValueError(
                "expected clusters with paired=True only, got paired=False; average each cluster and pass the averages"
            )
        (y,), (x,) = as_numbers(at_least=2, numerators=numerators), as_numbers(at_least=2, denominators=denominators)
    check_unit("numerators", y)
    check_unit("denominators", x)
    estimate, low, high, degrees = _fieller(y, x, paired, level)
    return Interval.around(estimate, low, high, level, f"Fieller, {degrees:.3g} degrees of freedom")


def _fieller(
    y: Float[np.ndarray, " n"], x: Float[np.ndarray, " m"], paired: bool, level: float
) -> tuple[float, float, float, float]:
    """Estimate, bounds and degrees of freedom; the bounds are the roots of a quadratic in the ratio."""
    mean_y, mean_x = float(y.mean()), float(x.mean())
    if paired:
        (v_yy, v_xy), (_, v_xx) = (np.cov(y, x) / len(y)).tolist()
        degrees = len(y) - 1.0
    else:
        v_yy, v_xy, v_xx = _variance_of_mean("numerators", y), 0.0, _variance_of_mean("denominators", x)
        squared = (mean_y / mean_x) ** 2 if mean_x else 0.0
        degrees = _satterthwaite([v_yy, squared * v_xx], [len(y) - 1, len(x) - 1])
    t_squared = float(t.ppf((1 + level) / 2, degrees)) ** 2
    leading = mean_x**2 - t_squared * v_xx
    if leading <= 1e-12 * mean_x**2:
        raise ValueError(
            f"expected denominators whose mean is away from zero, got one that may be zero at level {level:g}: the "
            "ratio has no bounds; collect more, or compare differences"
        )
    middle = mean_y * mean_x - t_squared * v_xy
    root = np.sqrt(max(0.0, middle**2 - (mean_y**2 - t_squared * v_yy) * leading))
    if root <= 1e-7 * abs(middle):
        raise ValueError(
            f"expected rows whose ratios differ, got {len(y):,} of one ratio; collect more, or check the data"
        )
    return mean_y / mean_x, float((middle - root) / leading), float((middle + root) / leading), degrees


def _variance_of_mean(name: str, sample: Float[np.ndarray, " n"]) -> float:
    as_numbers(at_least=2, **{name: sample})
    check_differs(name, sample)
    return float(sample.var(ddof=1)) / len(sample)


def _satterthwaite(variances: list[float], degrees: list[int]) -> float:
    parts = np.array(variances) / sum(variances)
    return float(1 / np.sum(parts**2 / degrees))
