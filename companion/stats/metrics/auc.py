r"""The area under the ROC curve and its covariance, after DeLong, DeLong and Clarke-Pearson (1988).

The area is the probability that a positive example scores above a negative one, ties counted half. With *placements*
:math:`V_i`, the proportion of negatives that positive :math:`i` beats, and :math:`W_j`, the proportion of positives
that beat negative :math:`j`, it is the mean of either, and its variance is

.. math:: \frac{\mathrm{var}(V)}{n_1} + \frac{\mathrm{var}(W)}{n_0}

Ranks give the placements in :math:`O(n \log n)` (Sun and Xu 2014, *IEEE Signal Processing Letters* 21).
"""

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import expit, logit, ndtri
from scipy.stats import rankdata

from companion.stats.base.intervals import Interval

Scores = Shaped[np.ndarray, " examples"]


def delong(y_true: Scores, *scores: Scores) -> tuple[Float[np.ndarray, " models"], Float[np.ndarray, "models models"]]:
    """Areas of one or more models on the same examples, and their covariance matrix.

    Raises:
        ValueError: for fewer than two examples of either class.
    """
    positive = y_true == 1
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if min(n_positive, n_negative) < 2:
        raise ValueError(
            f"expected at least 2 examples of each class for metric 'auc', got {n_positive} of class 1 and "
            f"{n_negative} of class 0; a variance needs two: add examples"
        )
    placements = [_placements(positive, score) for score in scores]
    of_positives, of_negatives = (np.array(side) for side in zip(*placements, strict=True))
    covariance = np.cov(of_positives) / n_positive + np.cov(of_negatives) / n_negative
    return of_positives.mean(1), np.atleast_2d(covariance)


def _placements(
    positive: Scores, score: Scores
) -> tuple[Float[np.ndarray, " positives"], Float[np.ndarray, " negatives"]]:
    """The proportions of negatives below each positive and of positives above each negative, ties counted half."""
    overall = rankdata(score)
    negatives_below = overall[positive] - rankdata(score[positive])
    positives_below = overall[~positive] - rankdata(score[~positive])
    return negatives_below / (~positive).sum(), 1 - positives_below / positive.sum()


def auc_influence(y_true: Scores, score: Scores) -> tuple[float, Float[np.ndarray, " examples"]]:
    """The area, and each example's influence on it: its placement, less the area, over the share of its class."""
    positive = y_true == 1
    sides = _placements(positive, score)
    area, influence = float(sides[0].mean()), np.empty(len(score))
    for members, placements in zip((positive, ~positive), sides, strict=True):
        influence[members] = (placements - area) * len(score) / members.sum()
    return area, influence


def auc_interval(y_true: Scores, score: Scores, *, level: float) -> Interval:
    r"""DeLong's interval on the logit scale: :math:`\mathrm{logit}(A) \pm z\, s / (A (1 - A))`, transformed back.

    Where the scores separate the classes (:math:`A` is 1 or 0) DeLong's variance is 0 and says nothing. Then pair each
    example of the rarer class with one of the other: all :math:`k` independent pairs are in order, so that the bound is
    that of a proportion of :math:`k` successes in :math:`k` trials, :math:`(\alpha / 2)^{1 / k}` (Clopper and Pearson
    1934).

    Raises:
        ValueError: for fewer than two examples of either class, or scores that are all equal.
    """
    if np.all(score == score[0]):
        raise ValueError(f"expected scores that differ, got {score[0]} for every example; the model ranks nothing")
    areas, covariance = delong(y_true, score)
    area = float(areas[0])
    if area in (0.0, 1.0):
        reach = ((1 - level) / 2) ** (1 / min((y_true == 1).sum(), (y_true == 0).sum()))
        low, high = sorted((area, abs(1 - area - reach)))
        return Interval(area, low, high, level, "perfect separation: exact, on disjoint pairs")
    half_width = ndtri((1 + level) / 2) * np.sqrt(covariance[0, 0]) / (area * (1 - area))
    low, high = expit(logit(area) + half_width * np.array([-1, 1]))
    return Interval.around(area, low, high, level, "DeLong, logit scale")
