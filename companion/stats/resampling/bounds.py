"""From the values of a statistic on resamples to the bounds of an interval."""

import numpy as np
from jaxtyping import Float, Real
from scipy.special import ndtr, ndtri

from companion.stats.base.ties import rounding

#: From which share of resamples on that equal the estimate, and none beyond, it is taken for an extreme.
EXTREME = 0.05

Resampled = Float[np.ndarray, " resamples"]


def check_not_extreme(estimate: float, resampled: Resampled) -> None:
    """Refuses a statistic at the end of its range: resamples equal it often, and never lie beyond it.

    A resample of :math:`n` observations holds the largest of them with probability :math:`1 - (1 - 1/n)^n`, about 63%
    at any size, and never a larger one (Bickel and Freedman 1981, *Annals of Statistics* 9, section 6).
    """
    close = _rounding(resampled)
    equal, above = np.mean(np.abs(resampled - estimate) <= close), (resampled > estimate + close).any()
    if equal >= EXTREME and not (above and (resampled < estimate - close).any()) and np.ptp(resampled) > 0:
        raise ValueError(
            f"expected a statistic that other samples move to both sides, got {estimate:.4g}, which {100 * equal:.0f}% "
            f"of resamples equal and none lies {'below' if above else 'above'}: for an extreme, or an estimate at the "
            "end of its range, no bootstrap interval is valid at any size; take companion.stats.quantile_ci of a high "
            "or low quantile instead of np.max or np.min"
        )


def percentile_bounds(resampled: Resampled, *, level: float) -> tuple[float, float]:
    """The quantiles of ``resampled`` that leave out the same proportion on both sides."""
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return low, high


def bca_bounds(
    estimate: float,
    resampled: Resampled,
    left_out: Float[np.ndarray, " groups"],
    weights: Real[np.ndarray, " groups"],
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
        ValueError: where the resamples do not vary, or lie all on one side of the estimate, or where leaving a part of
            the data out changes nothing.
    """
    check_varies(resampled)
    close = _rounding(resampled)  # equal values that were summed in another order are ties
    below = (np.mean(resampled < estimate - close) + np.mean(resampled <= estimate + close)) / 2
    if not 0 < below < 1:
        raise ValueError(
            f"expected resamples on both sides of the estimate {estimate:.4g}, got all {len(resampled):,} on one; "
            "raise n_resamples, or take a smoother statistic"
        )
    influence = np.average(left_out, weights=weights) - left_out
    if (largest := np.abs(influence).max()) <= close:
        raise ValueError(
            f"expected a statistic that changes when a part of the data is left out, got {left_out[0]:.4g} without any "
            "of them: BCa cannot tell the skewness; take method 'percentile', or a smoother statistic"
        )
    influence = np.ldexp(influence, -np.frexp(largest)[1])  # near 1, so that no power overflows; exact
    acceleration = np.sum(weights * influence**3) / (6 * np.sum(weights * influence**2) ** 1.5)
    shifted = ndtri(below) + ndtri([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(resampled, ndtr(ndtri(below) + shifted / (1 - acceleration * shifted)))
    return float(low), float(high)


def studentized_bounds(
    estimate: float, error: float, resampled: Resampled, errors: Resampled, *, level: float
) -> tuple[float, float]:
    r"""Bounds from quantiles of :math:`t^* = (\hat\theta^* - \hat\theta) / s^*` in place of Student's table.

    A resample without spread has no :math:`t^*`. A few are passed over; where they reach into the tails that the bounds
    are read from, there are no bounds.

    Args:
        estimate: the statistic on the data.
        error: its standard error.
        resampled: the statistic on each resample.
        errors: its standard error from each resample.
        level: intended coverage.

    Raises:
        ValueError: where too many resamples have no spread, or the data themselves.
    """
    check_varies(resampled)
    spread = errors > 1e-9 * error
    if error <= 0 or np.mean(~spread) > (1 - level) / 4:
        raise ValueError(
            f"expected a standard error above 0 on the data and on nearly all resamples, got 0 on "
            f"{np.mean(~spread):.1%} of them; too few observations differ: collect more"
        )
    low, high = percentile_bounds((resampled[spread] - estimate) / errors[spread], level=level)
    return estimate - high * error, estimate - low * error


def check_varies(resampled: Resampled) -> None:
    """Refuses resamples that are all alike: an interval without width would claim certainty that no sample gives."""
    if np.ptp(resampled) <= _rounding(resampled):
        raise ValueError(
            f"expected a statistic that varies between resamples, got {resampled[0]:.4g} in all {len(resampled):,}: "
            "resampling cannot show errors that the sample does not hold; collect more examples"
        )


def _rounding(resampled: Resampled) -> float:
    """Below this, values of one statistic that was summed in another order are the same, whatever its unit."""
    return rounding(float(np.abs(resampled).max()), 2**16)
