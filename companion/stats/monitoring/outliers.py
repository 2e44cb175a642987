r"""Values that lie far from the others, by measures that the outliers themselves cannot move."""

from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from sklearn.neighbors import LocalOutlierFactor

from companion.checks import check_whole
from companion.stats.base.arrays import as_array
from companion.stats.base.checks import as_numbers
from companion.stats.base.options import check_between
from companion.stats.base.result import Result
from companion.stats.base.ties import rounding

#: Makes the median absolute deviation of normal values estimate their standard deviation: 1 / 0.6745.
MAD_TO_SD = 1.4826

#: Normal numbers drawn to find how often values without outliers are flagged.
DRAWN = 2**20

#: Normal points drawn to find a threshold of the local outlier factor, a whole sample at least.
POINTS = 10_000

Scores = Float[np.ndarray, " examples"]


@dataclass(frozen=True, eq=False)
class Outliers(Result):
    """Scores of all examples and those beyond a threshold; ``frame`` has a row for each example.

    Attributes:
        scores: how far out each example is, in the unit of ``measure``.
        flagged: whether the score is beyond the threshold.
        threshold: in the unit of the scores.
        false_alarm_rate: the proportion of examples that would be flagged in normal data of this size without any
            outlier.
        measure: what the scores are, in words.
    """

    scores: Scores = field(repr=False)
    flagged: Bool[np.ndarray, " examples"] = field(repr=False)
    threshold: float
    false_alarm_rate: float
    measure: str

    def __str__(self) -> str:
        return f"{self._found()}."

    @property
    def frame(self) -> pd.DataFrame:
        """The score of each example and whether it is flagged."""
        return pd.DataFrame({"score": self.scores, "flagged": self.flagged})

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the scores by row, the threshold, and the flagged rows in another color and shape."""
        axes = plt.subplots()[1] if axes is None else axes
        rows = np.arange(len(self.scores))
        axes.plot(rows[~self.flagged], self.scores[~self.flagged], "o", color="C0", markersize=3, label="inside")
        axes.plot(rows[self.flagged], self.scores[self.flagged], "D", color="C1", markersize=5, label="flagged")
        for limit in (-self.threshold, self.threshold) if self.scores.min() < 0 else (self.threshold,):
            axes.axhline(limit, color="gray", linestyle="--", linewidth=1)
        axes.set(xlabel="row", ylabel=self.measure)
        axes.legend()
        return axes

    def _found(self) -> str:
        rows = np.flatnonzero(self.flagged)
        listed = f" (rows {', '.join(map(str, rows[:5]))}{', …' if len(rows) > 5 else ''})" if len(rows) else ""
        return (
            f"{len(rows):,} of {len(self.scores):,} examples{listed} have a {self.measure} beyond "
            f"{self.threshold:.3g}, where normal data without outliers have {100 * self.false_alarm_rate:.2g}%"
        )


@dataclass(frozen=True, eq=False)
class RobustZ(Outliers):
    """Robust z-scores beside the ordinary ones, which outliers pull toward themselves.

    Attributes:
        ordinary: distance from the mean in standard deviations.
    """

    ordinary: Scores = field(repr=False)

    def __str__(self) -> str:
        masked = int((self.flagged & (np.abs(self.ordinary) <= self.threshold)).sum())
        return f"{self._found()}; the ordinary z-score would have missed {masked:,} of them."

    @property
    def frame(self) -> pd.DataFrame:
        """Robust and ordinary score of each example, and whether the robust one is flagged."""
        return super().frame.assign(ordinary=self.ordinary)


def robust_z(x: ArrayLike, *, threshold: float = 3.5) -> RobustZ:
    r"""Distance from the median in robust standard deviations.

    .. math:: z_i = \frac{x_i - \operatorname{med}(x)}{1.4826 \, \operatorname{med}_j |x_j - \operatorname{med}(x)|}

    Half of the values may be outliers before the scores break down. The ordinary z-score can break down at one: it
    never exceeds :math:`(n - 1) / \sqrt n`, so that below 15 values nothing is ever 3.5 standard deviations out.

    The false alarm rate is simulated for the size at hand. At a threshold of 3.5, with the proportion of normal samples
    that have a false alarm at all (200,000 values each):

    =====  =========  ============
    n      of values  some in n
    =====  =========  ============
    10     1.7%       12%
    20     0.64%      10%
    50     0.23%      9%
    100    0.11%      9%
    1,000  0.044%     36%
    =====  =========  ============

    Values of a skewed or heavy-tailed distribution are flagged more often without being wrong: take logarithms first
    where they span powers of ten. A flag is a reason to look, none to delete.

    Args:
        x: numbers ``[examples]``, 5 at least.
        threshold: beyond which a score counts as an outlier.

    Raises:
        ValueError: for NaN (named by its index), fewer than 5 values, a threshold that is not positive, and where more
            than half of the values are equal, so that the median deviation is 0.

    Source:
        Iglewicz and Hoaglin 1993, *How to Detect and Handle Outliers*, who recommend 3.5; Hampel 1974, *Journal of the
        American Statistical Association* 69, for the median deviation.

    >>> print(robust_z([9.8, 10.1, 10.0, 9.9, 10.2, 10.1, 14.0, 13.8]))
    2 of 8 examples (rows 6, 7) have a robust z-score beyond 3.5, where normal data without outliers have 2.2%; the
    ordinary z-score would have missed 2 of them.
    """
    (values,) = as_numbers(x=x, at_least=5)
    check_between("threshold", threshold, 0, np.inf)
    size = min(len(values), DRAWN)
    normal = np.random.default_rng(0).normal(size=(DRAWN // size, size))
    scores = _robust_scores("x", values)
    deviations = values - values.mean()
    largest = np.abs(deviations).max()  # divided by first: the square of a small number may be none
    return RobustZ(
        scores=scores,
        flagged=np.abs(scores) > threshold,
        threshold=threshold,
        false_alarm_rate=float(np.mean(np.abs(_scaled(normal)) > threshold)),
        measure="robust z-score",
        ordinary=deviations / largest / (deviations / largest).std(ddof=1),
    )


def local_outlier_factor(x: ArrayLike, *, neighbors: int = 20, false_alarm_rate: float = 0.01) -> Outliers:
    r"""How much thinner the data are around an example than around its neighbors.

    .. math:: \text{LOF}(i) = \frac{1}{k} \sum_{j \in N_k(i)} \frac{\text{lrd}(j)}{\text{lrd}(i)}

    with the local reachability density lrd, as scikit-learn computes it (``novelty=False``: the examples are judged
    among themselves). Columns are first divided by their median deviation, since distances mix their units.

    1 is the score of an example amid its likes. There is no threshold that fits all: beyond scikit-learn's 1.5 lie 8%
    of 50 normal points in the plane (10 neighbors), but 0.2% of 2,000 in ten dimensions (20 neighbors). So the
    threshold is the quantile that leaves ``false_alarm_rate`` of the points in normal samples of the same shape
    (10,000 points or more), with independent columns. With columns correlated at 0.9, between 0.7% and 2% are flagged
    where 1% was asked for.

    Args:
        x: rows ``[examples, columns]``, or one column.
        neighbors: :math:`k`: at least as many as a cluster must have not to be an outlier; fewer than the examples.
        false_alarm_rate: the proportion of examples to be flagged where there is no outlier.

    Raises:
        ValueError: for NaN, columns more than half of whose values are equal (named by number), more neighbors than
            other examples, as many equal rows as neighbors, whose density would be infinite, and rows so close that
            scikit-learn's density is wrong.

    Source:
        Breunig, Kriegel, Ng and Sander 2000, "LOF: Identifying density-based local outliers", *SIGMOD*.

    >>> rng = np.random.default_rng(0)
    >>> print(local_outlier_factor(np.vstack([rng.normal(size=(99, 2)), [[6, 6]]])))
    1 of 100 examples (rows 99) have a local outlier factor beyond 1.98, where normal data without outliers have 1%.
    """
    rows = as_array("x", x, at_least=5)
    rows = rows[:, None] if rows.ndim == 1 else rows
    check_between("false_alarm_rate", false_alarm_rate, 0, 1)
    _check_neighbors(rows, neighbors)
    scores = _factors(np.column_stack([_robust_scores(f"column {j}", c) for j, c in enumerate(rows.T)]), neighbors)
    rng = np.random.default_rng(0)
    samples = (rng.normal(size=rows.shape) for _ in range(-(-POINTS // len(rows))))
    threshold = float(np.quantile([_factors(sample, neighbors) for sample in samples], 1 - false_alarm_rate))
    return Outliers(scores, scores > threshold, threshold, false_alarm_rate, "local outlier factor")


def _scaled(values: Float[np.ndarray, "... examples"]) -> Float[np.ndarray, "... examples"]:
    deviations = values - np.median(values, axis=-1, keepdims=True)
    return deviations / np.median(np.abs(deviations), axis=-1, keepdims=True) / MAD_TO_SD


def _robust_scores(name: str, values: Scores) -> Scores:
    middle = np.median(values)
    away = np.abs(values - middle) > rounding(np.abs(values).max())
    if 2 * away.sum() <= len(values):
        raise ValueError(
            f"expected {name} to differ from its median {middle:.4g} in more than half of the examples, got "
            f"{away.sum():,} of {len(values):,}: the median deviation is 0 and measures nothing; look at those that "
            "differ by themselves, or measure more finely"
        )
    return _scaled(values)


def _check_neighbors(rows: Float[np.ndarray, "examples columns"], neighbors: int) -> None:
    check_whole("neighbors", neighbors, at_least=1, advice="20 is usual")
    if rows.ndim != 2 or neighbors >= len(rows):
        raise ValueError(
            f"expected x as [examples, columns] with more examples than the {neighbors} neighbors (1 at least), got "
            f"shape {rows.shape}; lower neighbors, or collect more"
        )
    _, first, counts = np.unique(rows, axis=0, return_index=True, return_counts=True)
    if counts.max() > neighbors:
        raise ValueError(
            f"expected fewer equal rows than the {neighbors} neighbors, got {counts.max():,} like row "
            f"{first[counts.argmax()]}: their density is infinite; drop duplicates, or raise neighbors"
        )


def _factors(rows: Float[np.ndarray, "examples columns"], neighbors: int) -> Scores:
    scores = -LocalOutlierFactor(n_neighbors=neighbors, novelty=True).fit(rows).negative_outlier_factor_
    if (largest := scores.max()) > 1e7:  # scikit-learn adds 1e-10 to distances
        raise ValueError(
            f"expected neighbors that differ beyond rounding, got a local outlier factor of {largest:.3g} at row "
            f"{scores.argmax()}, whose neighbors nearly agree with theirs; round x and drop duplicates, or raise "
            "neighbors"
        )
    return scores
