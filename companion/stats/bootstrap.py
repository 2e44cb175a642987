"""The bootstrap of Efron: what a statistic would have been on other samples, learnt from this one."""

import inspect
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from companion.stats.checks import check_level, check_n_resamples
from companion.stats.intervals import Interval

#: Numbers held at once while resampling: 32 MB in float64.
BLOCK = 2**22

#: The acceleration is a third moment: with this many groups left out in turn its error is 0.0004, too little to see.
MAX_JACKKNIFE_GROUPS = 1_000


def bootstrap_ci(
    data: ArrayLike,
    statistic: Callable[..., float],
    *,
    level: float = 0.95,
    n_resamples: int = 9_999,
    seed: int | None = None,
) -> Interval:
    r"""BCa bootstrap interval of any statistic of independent observations.

    Draws ``n_resamples`` samples of ``n`` observations with replacement and takes quantiles of the statistic over them,
    at levels shifted for bias :math:`z_0` and skewness :math:`a`:

    .. math:: \Phi\Big(z_0 + \frac{z_0 + z}{1 - a (z_0 + z)}\Big), \quad z = \pm\Phi^{-1}\big((1 + \text{level})/2\big)

    Up to 1,000 observations this is ``scipy.stats.bootstrap`` number for number. Beyond, :math:`a` comes from a
    jackknife that leaves out 1,000 random groups in turn (Frangos and Schucany 1990), where SciPy's needs time in
    :math:`n^2`.

    The observations must be independent: where they come in clusters (sentences of a document, scans of a patient), let
    a row be the summary of a cluster. Rates of clusters of unequal size are statistics of such rows::

        bits_per_byte = bootstrap_ci(rows, lambda rows: rows[:, 0].sum() / rows[:, 1].sum())

    Coverage at 95% for the mean of exponential observations, a skewed case, over 3,000 simulated samples: 0.91 for 20
    observations, 0.92 for 50, 0.94 for 100. So read the interval of a small skewed sample as too short.
    Extremes, such as ``np.max``, have no valid bootstrap interval at any size.

    Args:
        data: observations along the first axis: numbers ``[n]``, or rows ``[n, ...]``.
        statistic: maps a sample, shaped as ``data``, to a number. Where it takes ``axis``, it is called on many samples
            at once, ``[resamples, n, ...]`` with ``axis=1``, which is faster.
        level: intended coverage.
        n_resamples: with 9,999 the bounds vary from seed to seed by about 1% of the interval's width.
        seed: of the resampling; ``None`` takes a fresh one.

    Raises:
        ValueError: for fewer than 2 observations, NaN, observations that are all equal, a statistic that gives no
            single finite number, or one that is the same on all resamples.

    Source:
        Efron 1987, "Better bootstrap confidence intervals", *Journal of the American Statistical Association* 82,
        171–185.
    """
    check_level(level)
    check_n_resamples(n_resamples)
    rows = _as_observations(data)
    on_blocks = _on_blocks(statistic)
    rng = np.random.default_rng(seed)
    estimate = on_blocks(rows[None]).item()
    resampled = np.concatenate([on_blocks(rows[index]) for index in _resampled_indices(rows, n_resamples, rng)])
    group = rng.permutation(len(rows)) % MAX_JACKKNIFE_GROUPS
    left_out = np.concatenate([on_blocks(rows[None, group != g]) for g in range(group.max() + 1)])
    low, high = bca_bounds(estimate, resampled, left_out, np.ones(len(left_out)), level=level)
    return Interval(estimate, low, high, level, f"BCa bootstrap, {n_resamples:,} resamples")


def bca_bounds(
    estimate: float,
    resampled: Float[np.ndarray, " resamples"],
    left_out: Float[np.ndarray, " groups"],
    weights: Float[np.ndarray, " groups"],
    *,
    level: float,
) -> tuple[float, float]:
    """Bias-corrected and accelerated quantiles of ``resampled`` (Efron 1987).

    Args:
        estimate: the statistic on the data.
        resampled: the statistic on each resample.
        left_out: the statistic with one observation (or group) left out.
        weights: how many observations each value of ``left_out`` stands for.
        level: intended coverage.

    Raises:
        ValueError: where the resamples do not vary, or lie all on one side of the estimate.
    """
    check_varies(resampled)
    close = 1e-12 * max(1.0, abs(estimate))  # equal values that were summed in another order are ties
    below = (np.mean(resampled < estimate - close) + np.mean(resampled <= estimate + close)) / 2
    if not 0 < below < 1:
        raise ValueError(
            f"expected resamples on both sides of the estimate {estimate:.4g}, got all {len(resampled):,} on one; "
            "raise n_resamples, or take a smoother statistic"
        )
    influence = np.average(left_out, weights=weights) - left_out
    acceleration = np.sum(weights * influence**3) / (6 * np.sum(weights * influence**2) ** 1.5)
    shifted = ndtri(below) + ndtri([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(resampled, ndtr(ndtri(below) + shifted / (1 - acceleration * shifted)))
    return float(low), float(high)


def check_varies(resampled: Float[np.ndarray, " resamples"]) -> None:
    """Refuses resamples that are all alike: an interval without width would claim certainty that no sample gives."""
    if np.ptp(resampled) <= 1e-12 * max(1.0, abs(resampled[0])):
        raise ValueError(
            f"expected a statistic that varies between resamples, got {resampled[0]:.4g} in all {len(resampled):,}: "
            "resampling cannot show errors that the sample does not hold; collect more examples, or take 'accuracy'"
        )


def blocks(n_resamples: int, numbers_each: int) -> Iterator[int]:
    """Splits ``n_resamples`` into blocks that hold at most ``BLOCK`` numbers (one resample at least)."""
    size = max(1, BLOCK // numbers_each)
    for start in range(0, n_resamples, size):
        yield min(size, n_resamples - start)


def _as_observations(data: ArrayLike) -> Shaped[np.ndarray, "n ..."]:
    rows = np.asarray(data)
    if rows.ndim == 0 or len(rows) < 2:
        raise ValueError(f"expected at least 2 observations along the first axis, got shape {rows.shape}; collect more")
    if rows.dtype.kind not in "biuf":
        raise ValueError(f"expected numbers, got dtype {rows.dtype}; turn each observation into numbers first")
    if missing := int(np.isnan(rows).sum()):
        raise ValueError(f"expected data without NaN, got {missing:,} of {rows.size:,}; drop or impute them first")
    if (rows == rows[0]).all():
        raise ValueError(f"expected observations that differ, got {len(rows):,} equal ones; check the data")
    return rows


def _on_blocks(statistic: Callable[..., float]) -> Callable[[np.ndarray], Float[np.ndarray, " resamples"]]:
    """The statistic as a function of a block of samples ``[resamples, n, ...]``, whether or not it takes ``axis``."""
    try:
        vectorised = "axis" in inspect.signature(statistic).parameters
    except ValueError:  # some compiled functions do not tell their parameters
        vectorised = False

    def on_blocks(samples: np.ndarray) -> np.ndarray:
        values = np.asarray(
            statistic(samples, axis=1) if vectorised else [statistic(sample) for sample in samples], dtype=float
        )
        if values.shape != samples.shape[:1]:
            raise ValueError(f"expected statistic to give one number a sample, got shape {values.shape[1:]} for each")
        if not np.isfinite(values).all():
            raise ValueError("expected statistic to give finite numbers, got NaN or infinity on some resample")
        return values

    return on_blocks


def _resampled_indices(
    rows: Shaped[np.ndarray, "n ..."], n_resamples: int, rng: np.random.Generator
) -> Iterator[Int[np.ndarray, "block n"]]:
    for size in blocks(n_resamples, rows.size):
        yield rng.integers(0, len(rows), size=(size, len(rows)))
