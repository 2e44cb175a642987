"""Welch's comparison of two means, whose variances may differ."""

import numpy as np
from jaxtyping import Float
from scipy.stats import t

from companion.stats.base.intervals import Interval


def welch(
    a: Float[np.ndarray, " a"], b: Float[np.ndarray, " b"], *, level: float, method: str = "Welch's t"
) -> tuple[Interval, float]:
    """The difference of two means with its interval, and the p-value, as ``scipy.stats.ttest_ind(equal_var=False)``.

    SciPy's warns where one sample is constant; here that is in order, as long as the other one is not.
    """
    variances = np.array([a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)])
    degrees = variances.sum() ** 2 / np.sum(variances**2 / np.array([len(a) - 1, len(b) - 1]))
    difference, error = float(a.mean() - b.mean()), float(np.sqrt(variances.sum()))
    half_width = float(t.ppf((1 + level) / 2, degrees) * error)
    interval = Interval(difference, difference - half_width, difference + half_width, level, method)
    return interval, float(2 * t.sf(abs(difference) / error, degrees))
