"""Quantiles, such as a median cost or the 95th percentile of latency, with intervals that assume no distribution."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from companion.stats.base.checks import as_numbers
from companion.stats.base.intervals import Interval
from companion.stats.base.options import check_level, check_share


@dataclass(frozen=True)
class QuantileInterval(Interval):
    """An interval between two of the observations.

    Attributes:
        coverage: the exact coverage, at least ``level``: it moves in steps, since bounds are observations.
    """

    coverage: float


def quantile_ci(values: ArrayLike, q: float = 0.5, *, level: float = 0.95) -> QuantileInterval:
    r"""A quantile, with an interval between two order statistics.

    The number of observations below the true quantile is binomial, whatever the distribution. Hence the :math:`r`-th
    and :math:`s`-th smallest of :math:`n` observations enclose it with probability

    .. math:: P(r \le B \le s - 1), \qquad B \sim \text{Binomial}(n, q)

    which is exact for a continuous distribution and a lower bound for others. The largest :math:`r` and least :math:`s`
    are taken that leave :math:`(1 - \text{level}) / 2` at most outside on each side. The price is width: with few
    observations the coverage lies well above ``level``, and the result says how far.

    Args:
        values: independent observations.
        q: which quantile; 0.5 is the median.
        level: least coverage.

    Raises:
        ValueError: for NaN (named by its index), infinity, ``q`` outside (0, 1), and too few observations: the median
            at 95% wants 6, the 95th percentile 72, the 99th 368.

    Source:
        David and Nagaraja 2003, *Order Statistics*, section 7.1.

    >>> print(quantile_ci([0.31, 0.28, 0.45, 0.39, 1.20, 0.33, 0.36, 0.30]))
    The estimate is 0.34, with a 95% confidence interval from 0.28 to 1.20 (order statistics 1 and 8, coverage 99.2%).
    """
    (vector,) = as_numbers(values=values)
    check_share("q", q, "0.5 is the median")
    check_level(level)
    n, tail = len(vector), (1 - level) / 2
    first, last = _last_at_most(tail, n, q), n + 1 - _last_at_most(tail, n, 1 - q)
    if first < 1 or last > n:
        needed = int(np.ceil(np.log(tail) / np.log(max(q, 1 - q))))
        raise ValueError(
            f"expected at least {needed:,} values for quantile {q:g} at level {level:g}, got {n:,}; "
            "collect more, or take a quantile nearer to the median"
        )
    coverage = float(binom.cdf(last - 1, n, q) - binom.cdf(first - 1, n, q))
    low, high = np.sort(vector)[[first - 1, last - 1]].tolist()
    estimate = float(np.quantile(vector, q))
    low, high = min(low, estimate), max(high, estimate)  # interpolation may leave a bound at low levels
    method = f"order statistics {first:,} and {last:,}, coverage {100 * coverage:.1f}%"
    return QuantileInterval(estimate, low, high, level, method, coverage)


def _last_at_most(tail: float, n: int, q: float) -> int:
    """The largest ``r`` with probability ``tail`` at most for fewer than ``r`` observations below the quantile."""
    r = int(binom.ppf(tail, n, q))
    return r + 1 if binom.cdf(r, n, q) <= tail else r
