"""A scorecard: whole points for each bin of each column, which are added up."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from companion.cases.scorecard.binning import Binning, as_bad
from companion.cases.scorecard.column import ColumnBins
from companion.cases.scorecard.points import PointsScale


@dataclass(frozen=True)
class Card:
    """What a fitted scorecard is: it fits on a sheet of paper, and every score can be added up by hand.

    Attributes:
        scale: of the points.
        base: points that everybody starts with.
        columns: their bins.
        points: of each bin of each column, whole numbers, the missing last; a category never seen earns 0.
    """

    scale: PointsScale
    base: int
    columns: tuple[ColumnBins, ...]
    points: tuple[tuple[int, ...], ...]

    def parts(self, table: pd.DataFrame) -> Int[np.ndarray, "applicants columns"]:
        """The points of every applicant from every column, without the base."""
        index = _binning(self.columns).index(table)
        return np.stack([np.append(p, 0)[index[:, i]] for i, p in enumerate(self.points)], axis=1)

    def score(self, table: pd.DataFrame) -> Int[np.ndarray, " applicants"]:
        """The sum of base and points, a whole number an applicant."""
        return self.base + self.parts(table).sum(1)

    def average(self) -> Float[np.ndarray, " columns"]:
        """The points that the applicants of the training table earned on average, a column each."""
        sizes = [np.add(column.good, column.bad) for column in self.columns]
        return np.array([np.average(p, weights=n) for p, n in zip(self.points, sizes, strict=True)])

    def table(self) -> pd.DataFrame:
        """The card as it is printed: a row a bin, with its rows, proportion of bad, weight of evidence and points."""
        rows = [
            (column.name, label, good + bad, bad / (good + bad) if good + bad else np.nan, weight, points)
            for column, of_column in zip(self.columns, self.points, strict=True)
            for label, good, bad, weight, points in zip(
                column.labels, column.good, column.bad, column.woe, of_column, strict=True
            )
        ]
        return pd.DataFrame(rows, columns=["column", "bin", "rows", "bad", "woe", "points"])


class Scorecard(ClassifierMixin, BaseEstimator):
    r"""Bins, weights of evidence, a logistic regression on them, and points, as one estimator.

    It sees the rows that ``fit`` gets and no others. With :math:`w_{ic}` the weight of evidence of applicant i in
    column c, the log odds of good are :math:`a + \sum_c \beta_c w_{ic}`, and the points of a bin are
    :math:`\text{factor}\cdot\beta_c w` rounded to a whole number. Columns whose information value is below ``min_iv``,
    or whose :math:`\beta_c` comes out negative, are left out: their points would contradict their own bins.
    Probabilities are those of the rounded score.

    Args:
        max_bins: of a column, as for :class:`Binning`.
        min_share: of rows in a bin.
        monotone: whether the proportion of bad may only rise or only fall with a number.
        min_iv: information value that a column needs, in nats.
        penalty: of the squared :math:`\beta_c`, as ``1 / C`` of scikit-learn's ``LogisticRegression``.
        scale: of the points.

    Raises:
        ValueError: in ``fit``: as for :class:`Binning`, and where no column is left.

    Source:
        Siddiqi, *Credit Risk Scorecards* (2006), chapter 6.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"months": [6, 12, 24, 36] * 25, "home": ["own", "rent"] * 50})
        >>> bad = [0, 0, 0, 1] * 20 + [1, 1, 0, 0] * 5
        >>> model = Scorecard().fit(table, bad)
        >>> model.card_.score(table.head(2)).tolist() == model.score_points(table.head(2)).tolist()
        True
    """

    card_: Card

    def __init__(
        self,
        *,
        max_bins: int = 5,
        min_share: float = 0.05,
        monotone: bool = True,
        min_iv: float = 0.02,
        penalty: float = 1e-6,
        scale: PointsScale | None = None,
    ) -> None:
        self.max_bins, self.min_share, self.monotone = max_bins, min_share, monotone
        self.min_iv, self.penalty, self.scale = min_iv, penalty, scale

    def fit(self, table: pd.DataFrame, bad: ArrayLike) -> Self:
        """Learns bins, coefficients and points; ``bad`` is 1 for those who did not pay back, else 0, a number a row."""
        binning = Binning(max_bins=self.max_bins, min_share=self.min_share, monotone=self.monotone).fit(table, bad)
        weights = binning.transform(table)
        names = [column.name for column in binning.columns_ if column.information_value >= self.min_iv]
        model = self._regression(weights, as_bad(table, bad), names)
        scale = self.scale or PointsScale()
        kept = [column for column in binning.columns_ if column.name in model.feature_names_in_]
        points = [
            np.rint(-scale.factor * beta * column.woe).astype(int)
            for beta, column in zip(model.coef_[0], kept, strict=True)
        ]
        base = round(scale.offset - scale.factor * float(model.intercept_[0]))
        self.card_ = Card(scale, base, tuple(kept), tuple(tuple(p.tolist()) for p in points))
        self.classes_ = np.array([0, 1])
        return self

    def _regression(self, weights: pd.DataFrame, bad: Int[np.ndarray, " rows"], names: list[str]) -> LogisticRegression:
        """Of bad on the weights of evidence; columns whose coefficient has the wrong sign leave, the worst first."""
        while names:
            model = LogisticRegression(C=1 / self.penalty, max_iter=1_000).fit(weights[names], bad)
            worst = int(model.coef_[0].argmax())
            if model.coef_[0][worst] < 0:
                return model
            names = [name for i, name in enumerate(names) if i != worst]
        raise ValueError(
            f"expected a column whose bins part good from bad (information value of at least {self.min_iv}), got none: "
            "take more rows or other columns"
        )

    def score_points(self, table: pd.DataFrame) -> Int[np.ndarray, " applicants"]:
        """The score in points."""
        return self.card_.score(table)

    def predict_proba(self, table: pd.DataFrame) -> Float[np.ndarray, "applicants 2"]:
        """The probabilities of good and of bad that the scores stand for."""
        p = self.card_.scale.probability(self.card_.score(table))
        return np.stack([1 - p, p], axis=1)

    def predict(self, table: pd.DataFrame) -> Int[np.ndarray, " applicants"]:
        """1 where bad is more probable than good. For a decision use :func:`cost_threshold`."""
        return (self.predict_proba(table)[:, 1] > 0.5).astype(int)


def _binning(columns: tuple[ColumnBins, ...]) -> Binning:
    binning = Binning()
    binning.columns_ = list(columns)
    return binning
