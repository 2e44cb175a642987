r"""Split conformal prediction: sets of labels, or intervals, that hold the truth as often as promised.

Axis names: ``calibration``, examples held out for it; ``examples`` to predict; ``classes``.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from companion.checks import check_one_of
from companion.stats.base.arrays import as_classes, as_probabilities
from companion.stats.base.checks import as_numbers
from companion.stats.base.frames import same_columns, same_examples
from companion.stats.base.intervals import Interval, wilson
from companion.stats.base.options import check_level, generator_of
from companion.stats.base.result import Result
from companion.stats.base.ties import rounding

PerClass = Float[np.ndarray, "examples classes"]


@dataclass(frozen=True, eq=False)
class ConformalSets(Result):
    """Sets of classes, one for each example.

    Attributes:
        members: whether each class is in the example's set ``[examples, classes]``.
        threshold: largest nonconformity score that is let in, between 0 and 1.
        level: promised coverage.
        n_calibration: number of calibration examples.
        score: nonconformity score.
    """

    members: Bool[np.ndarray, "examples classes"] = field(repr=False)
    threshold: float
    level: float
    n_calibration: int
    score: str

    @property
    def mean_size(self) -> float:
        """Mean number of classes in a set."""
        return float(self.members.sum(1).mean())

    @property
    def row(self) -> dict[str, Any]:
        """The fields by name, with the mean size in place of the sets themselves."""
        return super().row | {"mean_size": self.mean_size}

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws how many sets have how many classes, on ``axes`` or on new ones."""
        axes = plt.subplots()[1] if axes is None else axes
        counts = np.bincount(self.members.sum(1), minlength=self.members.shape[1] + 1)
        axes.bar(np.arange(len(counts)), counts)
        axes.set(xlabel="classes in the set", ylabel="examples", title=f"mean size {self.mean_size:.2f}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return axes

    def coverage(self, labels: ArrayLike, *, level: float = 0.95) -> Interval:
        """How often the sets hold the true class, with Wilson's interval."""
        check_level(level)
        classes = as_classes("labels", labels, like=self.members)
        hits = self.members[np.arange(len(classes)), classes]
        return wilson(int(hits.sum()), len(hits), level=level)

    def __str__(self) -> str:
        return (
            f"Sets of {self.mean_size:.2f} classes on average hold the true class of {100 * self.level:g}% of new "
            f"examples ({self.score}, {self.n_calibration:,} calibration examples)."
        )


@same_examples("calibration_probabilities", "calibration_labels")
@same_columns("calibration_probabilities", "probabilities")
def conformal_sets(
    calibration_probabilities: ArrayLike,
    calibration_labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    level: float = 0.9,
    score: str = "lac",
    seed: int | None = None,
) -> ConformalSets:
    r"""Sets of classes that hold the true one with probability ``level``, whatever the model.

    A score :math:`s(x, y)` says how ill a class fits. Over :math:`n` calibration examples the true classes score
    :math:`s_1, \dots, s_n`; the set of a new example is

    .. math:: \{y : s(x, y) \le s_{(k)}\}, \qquad k = \lceil (n + 1) \, \text{level} \rceil,

    with :math:`s_{(k)}` the :math:`k`-th smallest. Where calibration and new examples are exchangeable and scores have
    no ties, the coverage lies in :math:`[\text{level}, \text{level} + 1 / (n + 1)]`, exactly; with ties it may be more.
    It is an average over calibration sets and examples: for one calibration set it follows :math:`\mathrm{Beta}(k, n +
    1 - k)`, a standard deviation of 0.009 at 1,000 examples and level 0.9, and a class or a group may be covered less.

    - ``lac``: :math:`s = 1 - p_y`, which makes the smallest sets on average, and empty ones for examples unlike all.
    - ``aps``: the probability of the classes that are likelier than :math:`y`, plus a uniform share of its own
      :math:`p_y`. Sets are larger for harder examples. The share is drawn from ``seed``, one for all classes of an
      example; without it coverage would exceed the band.

    Missing values are refused.

    Args:
        calibration_probabilities: of each class, on examples the model was not fitted to ``[calibration, classes]``.
        calibration_labels: numbers of their true classes, counted from 0 ``[calibration]``.
        probabilities: of each class, on the examples to predict ``[examples, classes]``.
        level: promised coverage.
        score: ``"lac"`` or ``"aps"``.
        seed: of the shares of ``aps``; ``None`` takes a fresh one.

    Raises:
        ValueError: for too few calibration examples, :math:`n < \text{level} / (1 - \text{level})`, of which no finite
            threshold comes; rows that do not sum to one, NaN, other lengths or classes, labels that are no class.

    Source:
        Vovk, Gammerman and Shafer 2005, *Algorithmic Learning in a Random World*; ``lac``: Sadinle, Lei and Wasserman
        2019, *Journal of the American Statistical Association* 114; ``aps``: Romano, Sesia and Candès 2020, *NeurIPS*.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> p = rng.dirichlet([0.4] * 5, size=1_500)
    >>> y = (p.cumsum(1) < rng.random((1_500, 1))).sum(1)
    >>> sets = conformal_sets(p[:500], y[:500], p[500:], level=0.9)
    >>> print(sets)
    Sets of 2.39 classes on average hold the true class of 90% of new examples (lac, 500 calibration examples).
    >>> print(sets.coverage(y[500:]))
    The estimate is 0.915, with a 95% confidence interval from 0.896 to 0.931 (Wilson score).
    """
    check_level(level)
    check_one_of("score", score, ("lac", "aps"))
    known, new = (
        _of_classes("calibration_probabilities", calibration_probabilities),
        _of_classes("probabilities", probabilities),
    )
    labels = as_classes("calibration_labels", calibration_labels, like=known)
    if known.shape[1] != new.shape[1]:
        raise ValueError(
            f"expected the same classes in calibration_probabilities and probabilities, got {known.shape[1]} and "
            f"{new.shape[1]} columns; order and number must agree"
        )
    rng = generator_of(seed)
    scores = [_scores(rows, rng.random((len(rows), 1))) if score == "aps" else 1 - rows for rows in (known, new)]
    threshold = _threshold(scores[0][np.arange(len(labels)), labels], level)
    return ConformalSets(scores[1] <= threshold + rounding(1.0), threshold, level, len(labels), score)


@dataclass(frozen=True, eq=False)
class ConformalIntervals(Result):
    """Intervals around predictions of a number.

    Attributes:
        low: lower bounds ``[examples]``, in the unit of the predictions.
        high: upper bounds ``[examples]``.
        half_width: half their width, the same for all.
        level: promised coverage.
        n_calibration: number of calibration examples.
    """

    low: Float[np.ndarray, " examples"] = field(repr=False)
    high: Float[np.ndarray, " examples"] = field(repr=False)
    half_width: float
    level: float
    n_calibration: int

    @property
    def frame(self) -> pd.DataFrame:
        """One row an example, with the bounds of its interval."""
        return pd.DataFrame({"low": self.low, "high": self.high})

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the intervals in the order of their predictions, on ``axes`` or on new ones."""
        axes = plt.subplots()[1] if axes is None else axes
        order, place = np.argsort(self.low), np.arange(len(self.low))
        label = f"{100 * self.level:g}% of new values lie within"
        axes.fill_between(place, self.low[order], self.high[order], alpha=0.3, label=label)
        axes.plot(place, (self.low + self.high)[order] / 2, linewidth=1, label="prediction")
        axes.set(xlabel="examples, by prediction", ylabel="value [unit of the predictions]")
        axes.legend()
        return axes

    def __str__(self) -> str:
        return (
            f"Predictions ± {self.half_width:.4g} hold the value of {100 * self.level:g}% of new examples "
            f"({self.n_calibration:,} calibration examples)."
        )


@same_examples("calibration_predictions", "calibration_values")
def conformal_intervals(
    calibration_predictions: ArrayLike, calibration_values: ArrayLike, predictions: ArrayLike, *, level: float = 0.9
) -> ConformalIntervals:
    r"""Intervals around predictions that hold the true value with probability ``level``, whatever the model.

    With absolute residuals :math:`r_i = |y_i - \hat y_i|` on :math:`n` calibration examples, the interval of a new
    prediction is :math:`\hat y \pm r_{(k)}` with :math:`k = \lceil (n + 1) \, \text{level} \rceil`. Assumptions and
    coverage are those of :func:`companion.stats.conformal_sets`. All intervals are equally wide: too wide where the
    model is good, too narrow where it is poor. Missing values are refused.

    Args:
        calibration_predictions: on examples the model was not fitted to ``[calibration]``.
        calibration_values: their true values ``[calibration]``.
        predictions: of the new examples ``[examples]``.
        level: promised coverage.

    Raises:
        ValueError: for too few calibration examples, :math:`n < \text{level} / (1 - \text{level})`; NaN; other lengths.

    Source:
        Vovk, Gammerman and Shafer 2005, *Algorithmic Learning in a Random World*; Lei, G'Sell, Rinaldo, Tibshirani and
        Wasserman 2018, *Journal of the American Statistical Association* 113.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=1_000)
    >>> print(conformal_intervals(x[:500], x[:500] + rng.normal(size=500), x[500:]))
    Predictions ± 1.636 hold the value of 90% of new examples (500 calibration examples).
    """
    check_level(level)
    predicted, values = as_numbers(
        calibration_predictions=calibration_predictions, calibration_values=calibration_values
    )
    (center,) = as_numbers(predictions=predictions)
    half_width = _threshold(np.abs(values - predicted), level)
    return ConformalIntervals(center - half_width, center + half_width, half_width, level, len(values))


def _threshold(scores: Float[np.ndarray, " calibration"], level: float) -> float:
    """The k-th smallest score."""
    k = math.ceil((len(scores) + 1) * level - 1e-9)  # 20 * 0.95 is a little more than 19 in floating point
    if k > len(scores):
        raise ValueError(
            f"expected at least {math.ceil(level / (1 - level) - 1e-9):,} calibration examples for level {level}, got "
            f"{len(scores):,}: the sets would have to hold everything; lower level, or add examples"
        )
    return float(np.partition(scores, k - 1)[k - 1])


def _scores(rows: PerClass, share: Float[np.ndarray, "examples 1"]) -> PerClass:
    """Probability of the classes likelier than each (ties by their order), and a share of its own."""
    order = np.argsort(-rows, axis=1, kind="stable")
    ranked = np.take_along_axis(rows, order, axis=1)
    scores = np.empty_like(rows)
    np.put_along_axis(scores, order, ranked.cumsum(1) - (1 - share) * ranked, axis=1)
    return scores


def _of_classes(name: str, values: ArrayLike) -> PerClass:
    rows = as_probabilities(name, values)
    return rows if rows.ndim == 2 else np.stack([1 - rows, rows], axis=1)
