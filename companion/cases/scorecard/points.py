"""Points for odds: the scale on which a scorecard is read."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import expit

from companion.stats.base.options import check_between, check_positive


@dataclass(frozen=True)
class PointsScale:
    r"""A scale of points, named by three numbers that people agree on.

    The score is :math:`\text{offset} + \text{factor}\cdot\ln(\text{odds of good})`; ``factor`` is :math:`\text{pdo}/\ln
    2`, ``offset`` is :math:`\text{points} - \text{factor}\cdot\ln\text{odds}`.

    Attributes:
        pdo: points that double the odds.
        points: the score of the odds that are named by ``odds``.
        odds: good to one bad, at ``points``.

    Raises:
        ValueError: where ``pdo`` or ``odds`` is not positive.

    Source:
        Siddiqi, *Credit Risk Scorecards* (2006), chapter 6: 600 points at 50 to 1, 20 to double the odds.

    Example:
        >>> scale = PointsScale()
        >>> round(scale.factor, 4), round(scale.offset, 4)
        (28.8539, 487.1229)
        >>> scale.score([1 / 51, 1 / 101]).round(6)  # 50 to 1, then 100 to 1
        array([600., 620.])
    """

    pdo: float = 20.0
    points: float = 600.0
    odds: float = 50.0

    def __post_init__(self) -> None:
        check_positive("pdo", self.pdo)
        check_positive("odds", self.odds)
        check_between("points", self.points, -np.inf, np.inf)

    @property
    def factor(self) -> float:
        """Points of a nat of log odds."""
        return self.pdo / float(np.log(2))

    @property
    def offset(self) -> float:
        """Points of even odds."""
        return self.points - self.factor * float(np.log(self.odds))

    def score(self, probability: ArrayLike) -> Float[np.ndarray, " applicants"]:
        """The points of probabilities of bad, between 0 and 1 without them."""
        p = np.asarray(probability, float)
        if not ((p > 0) & (p < 1)).all():
            raise ValueError("expected probabilities of bad between 0 and 1, both excluded, got others or NaN")
        return self.offset + self.factor * (np.log1p(-p) - np.log(p))

    def probability(self, score: ArrayLike) -> Float[np.ndarray, " applicants"]:
        """The probability of bad that a score stands for."""
        return expit((self.offset - np.asarray(score, float)) / self.factor)
