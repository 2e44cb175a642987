r"""Average precision, the area under the precision-recall curve as scikit-learn sums it, with its interval.

With :math:`P_i`, the proportion of positives among the :math:`N_i` examples that score at least as high as example
:math:`i`, it is the mean of :math:`P_i` over the :math:`n_1` positives. The influence of example :math:`j` follows by
differentiating in its weight:

.. math:: \psi_j = \frac{n}{n_1} \Big( y_j (P_j - A) + \sum_{i: s_i \le s_j} y_i \frac{y_j - P_i}{N_i} \Big)
"""

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import expit, logit
from scipy.stats import t

from companion.stats.base.intervals import Interval

Scores = Shaped[np.ndarray, " examples"]


def average_precision(y_true: Scores, score: Scores) -> tuple[float, Float[np.ndarray, " examples"]]:
    """Average precision, and each example's influence on it, in :math:`O(n \\log n)`."""
    n, order = len(score), np.argsort(-score.astype(float), kind="stable")
    positive = (y_true == 1)[order].astype(float)
    ranked = score[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), n - 1)  # of each run of equal scores
    run = np.repeat(np.arange(len(last)), np.diff(last, prepend=-1))
    at_least = last[run] + 1
    precision = np.cumsum(positive)[last][run] / at_least
    value = float(positive @ precision / positive.sum())
    first = np.append(0, last[:-1] + 1)[run]  # sums from here on take in equal and lower scores
    for_positive = np.cumsum((positive / at_least)[::-1])[::-1][first]
    for_all = np.cumsum((positive * precision / at_least)[::-1])[::-1][first]
    influence = np.empty(n)
    influence[order] = n / positive.sum() * (positive * (precision - value + for_positive) - for_all)
    return value, influence


def average_precision_interval(y_true: Scores, score: Scores, *, level: float) -> Interval:
    r""":math:`\mathrm{logit}(A) \pm t_{k - 1}\, s / (A (1 - A))`, transformed back, with :math:`s` from influences.

    :math:`k` is the number of examples of the rarer class.

    Where all :math:`n_1` positives score above all negatives the influences are 0 and say nothing. The bound is then
    that of a proportion, the positives that no negative outranks, :math:`(\alpha / 2)^{1 / n_1}` (Clopper and Pearson
    1934).

    Raises:
        ValueError: for fewer than two examples of either class, or scores that are all equal.
    """
    n, n_positive = len(y_true), int((y_true == 1).sum())
    if min(n_positive, n - n_positive) < 2:
        raise ValueError(
            f"expected at least 2 examples of each class for metric 'average_precision', got {n_positive} of class 1 "
            f"and {n - n_positive} of class 0; a variance needs two: add examples"
        )
    if np.all(score == score[0]):
        raise ValueError(f"expected scores that differ, got {score[0]} for every example; the model ranks nothing")
    value, influence = average_precision(y_true, score)
    if value >= 1:
        reach = ((1 - level) / 2) ** (1 / n_positive)
        return Interval(1.0, reach, 1.0, level, "perfect separation: all positives first, as a proportion")
    error = np.sqrt(np.sum(influence**2) / (n * (n - 1)))
    half_width = t.ppf((1 + level) / 2, min(n_positive, n - n_positive) - 1) * error / (value * (1 - value))
    low, high = expit(logit(value) + half_width * np.array([-1, 1]))
    return Interval.around(value, low, high, level, "influence function, logit scale")
