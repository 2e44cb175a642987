"""Many tests at once: p-values adjusted so that the surprises that chance alone brings are few."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control

from companion.checks import check_one_of
from companion.stats.base.checks import as_numbers
from companion.stats.base.frames import index_of, row_names
from companion.stats.base.options import check_alpha
from companion.stats.base.result import Result
from companion.stats.base.ties import rounding

#: What each method bounds, in words.
_ERRORS = {
    "holm": "the chance of even one false rejection is at most",
    "benjamini_hochberg": "of the rejections, a share is expected to be false of at most",
}


@dataclass(frozen=True, eq=False)
class Adjusted(Result):
    """P-values of many tests, adjusted; ``frame`` has a row for each test, under the index that the p-values had.

    Attributes:
        names: of the tests.
        p_value: as they came, ``[tests]``.
        adjusted: the least ``alpha`` at which each test would be rejected, ``[tests]``.
        rejected: which are rejected at ``alpha``, ``[tests]``.
        alpha: the bound on the error.
        method: ``"holm"`` or ``"benjamini_hochberg"``.
        index: of the p-values: their labels, or numbers from 0.
    """

    names: tuple[str, ...]
    p_value: Float[np.ndarray, " tests"]
    adjusted: Float[np.ndarray, " tests"]
    rejected: Bool[np.ndarray, " tests"]
    alpha: float
    method: str
    index: pd.Index = field(repr=False)

    def __str__(self) -> str:
        before = int(np.sum(self.p_value <= self.alpha))
        return (
            f"Of {len(self.p_value):,} tests {self.rejected.sum():,} are rejected after adjusting ({before:,} before); "
            f"{_ERRORS[self.method]} {self.alpha:g} ({self.method})."
        )

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each test, in the order and under the labels given."""
        columns = {name: value for name, value in self.row.items() if name != "index"} | {"names": list(self.names)}
        return pd.DataFrame(columns, index=self.index).rename(columns={"names": "name"})

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the p-values before and after, the smallest first, and ``alpha``, on ``axes`` or on new ones."""
        axes = plt.subplots()[1] if axes is None else axes
        order, place = np.argsort(self.p_value), np.arange(1, len(self.p_value) + 1)
        axes.plot(place, self.p_value[order], "o", markersize=4, label="as they came")
        axes.plot(place, self.adjusted[order], "D", markersize=4, label=f"adjusted ({self.method})")
        axes.axhline(self.alpha, color="gray", linestyle="--", linewidth=1, label=f"alpha, {self.alpha:g}")
        axes.set(xlabel="tests, by p-value", ylabel="p-value", ylim=(-0.02, 1.02))
        axes.legend()
        return axes


def adjust(
    p_values: ArrayLike, *, method: str = "holm", alpha: float = 0.05, names: Sequence[str] | None = None
) -> Adjusted:
    r"""Adjusts p-values of several tests for their number.

    With p-values in order, :math:`p_{(1)} \le \dots \le p_{(m)}`:

    .. math::

        \text{Holm: } \max_{j \le i} \min\big(1, (m - j + 1) p_{(j)}\big),

        \text{Benjamini-Hochberg: } \min_{j \ge i} \min\big(1, m\, p_{(j)} / j\big)

    ``"holm"`` bounds the chance of any false rejection, whatever the dependence of the tests: take it where one
    rejection is acted on. ``"benjamini_hochberg"`` bounds the expected proportion of false ones among the rejections,
    for independent tests, or positively dependent ones (models against one baseline): take it to screen many. All tests
    that were looked at must be among them, also those that were not worth a mention.

    Args:
        p_values: one number a test, from 0 to 1. NaN is refused: leave out tests that could not be made.
        method: ``"holm"`` or ``"benjamini_hochberg"``.
        alpha: the bound on the error.
        names: of the tests; if None, the labels of a series, or numbers from 0.

    Raises:
        ValueError: for NaN or a p-value outside [0, 1] (named by its index), none at all, an unknown method, ``alpha``
            outside (0, 1), another number of names, names that contradict the labels of a series.

    Source:
        Holm 1979, *Scandinavian Journal of Statistics* 6; Benjamini and Hochberg 1995, *Journal of the Royal
        Statistical Society B* 57.

    >>> result = adjust([0.01, 0.04, 0.03, 0.005])
    >>> result.adjusted.round(3).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    (vector,) = as_numbers(p_values=p_values)
    check_one_of("method", method, _ERRORS)
    check_alpha(alpha)
    if (outside := (vector < 0) | (vector > 1)).any():
        index = outside.argmax()
        raise ValueError(f"expected p_values between 0 and 1, got {vector[index]:g} at index {index}; check that test")
    labels = row_names("p_values", p_values, names, len(vector))
    adjusted = _holm(vector) if method == "holm" else false_discovery_control(vector)
    return Adjusted(
        labels, vector, adjusted, adjusted <= alpha + rounding(alpha), alpha, method, index_of(p_values, len(vector))
    )


def _holm(p_values: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """As statsmodels' ``multipletests``, which collects the process's garbage at each call: it takes long."""
    order = p_values.argsort()
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.maximum.accumulate(np.arange(len(p_values), 0, -1) * p_values[order]).clip(max=1)
    return adjusted
