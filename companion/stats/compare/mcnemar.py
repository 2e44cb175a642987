"""Paired accuracies, many comparisons at once: every checkpoint against a baseline, every slice of a test set."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, UInt8
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import binom

from companion.stats.base.checks import as_ndarray
from companion.stats.base.frames import check_same_index
from companion.stats.base.options import check_level
from companion.stats.base.result import Result

Numbers = Float[np.ndarray, " comparisons"]
Counts = Int[np.ndarray, " comparisons"]


@dataclass(frozen=True, eq=False)
class AccuracyComparisons(Result):
    """The differences of many pairs of accuracies; ``frame`` has a row for each comparison.

    Attributes:
        names: of the comparisons: the index of a frame, else numbers from 0.
        difference: accuracy of a minus that of b, ``[comparisons]``.
        low: lower bounds of the intervals.
        high: upper bounds.
        p_value: two-sided, of each comparison by itself: pass them to :func:`companion.stats.adjust`.
        odds_ratio: odds that, where one model alone is right, it is a; above 1 where a is better. Half an example is
            added on each side, so that it is finite.
        level: intended coverage of each interval.
    """

    names: tuple[str, ...]
    difference: Numbers
    low: Numbers
    high: Numbers
    p_value: Numbers
    odds_ratio: Numbers
    level: float

    def __str__(self) -> str:
        return (
            f"Of {len(self.difference):,} comparisons {np.sum(self.p_value <= 1 - self.level):,} have p of at most "
            f"{1 - self.level:.2g}, unadjusted, where {len(self.difference) * (1 - self.level):,.1f} would at most be "
            "expected of equal models (McNemar, exact mid-p)."
        )

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each comparison."""
        return pd.DataFrame({**self.row, "names": list(self.names)}).rename(columns={"names": "name"})

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the differences with their intervals, one below the other, on ``axes`` or on new ones."""
        n = len(self.difference)
        axes = plt.subplots(figsize=(6, 1 + 0.3 * n), layout="constrained")[1] if axes is None else axes
        axes.hlines(np.arange(n), self.low, self.high, color="C0")
        axes.plot(self.difference, np.arange(n), "o", color="C0")
        axes.axvline(0, color="gray", linestyle="--", linewidth=1)
        axes.set(ylabel="comparison", yticks=range(n), yticklabels=self.names, ylim=(n - 0.5, -0.5))
        axes.set_xlabel(f"accuracy of a minus that of b ({100 * self.level:g}% confidence interval)")
        return axes


def compare_accuracies(right_a: ArrayLike, right_b: ArrayLike, *, level: float = 0.95) -> AccuracyComparisons:
    r"""Compares many pairs of models, each on the same examples: :func:`companion.stats.compare_paired` in one call.

    Of :math:`n` examples :math:`n_a` are right in a alone and :math:`n_b` in b alone; were the models equal, each of
    these would be a fair coin. The mid-p value doubles the tail and counts the outcome seen half:

    .. math::

        p = 2 P(X < m) + P(X = m),

        X \sim \mathrm{Binomial}(n_a + n_b, 1/2), \quad m = \min(n_a, n_b)

    and is 1 for a tie. The intervals are Bonett and Price's. Numbers, level and coverage are those of
    :func:`companion.stats.compare_paired`. The effect size is the odds ratio :math:`n_a / n_b`, the one that McNemar's
    test is about: it does not depend on how many examples are easy for both.

    Examples must be independent and none missing: an answer that did not come is wrong, or its example leaves.

    Args:
        right_a: whether model a is right: booleans, or 0 and 1, ``[comparisons, examples]`` or ``[examples]``. The
            index of a frame names the comparisons.
        right_b: the same of model b; ``[examples]`` is one baseline for all.
        level: intended coverage of each interval.

    Raises:
        ValueError: for values other than 0 and 1, NaN among them (named by the index), no example, shapes that do not
            match, frames whose labels differ.

    Source:
        Fagerland, Lydersen and Laake 2013, *BMC Medical Research Methodology* 13:91; Bonett and Price 2012, *Journal of
        Educational and Behavioral Statistics* 37.

    >>> right = np.arange(200) % 10 > 0
    >>> worse = np.arange(200) % np.array([[3], [5], [10]]) > 0
    >>> compare_accuracies(right, worse).frame.round(3)[["difference", "p_value", "odds_ratio"]]
       difference  p_value  odds_ratio
    0       0.235      0.0       4.481
    1       0.100      0.0      41.000
    2       0.000      1.0       1.000
    """
    _check_labels(right_a, right_b)
    a, b = np.atleast_2d(_as_right("right_a", right_a)), np.atleast_2d(_as_right("right_b", right_b))
    check_level(level)
    if a.shape[1] != b.shape[1] or (1 not in (len(a), len(b)) and len(a) != len(b)):
        raise ValueError(
            f"expected as many examples in both, and as many comparisons (or one for all), got {a.shape} and {b.shape}"
        )
    codes_a, codes_b = np.packbits(a, axis=1), np.packbits(b, axis=1)
    only_a, only_b = _only(codes_a, codes_b), _only(codes_b, codes_a)
    difference, low, high = paired_interval(a.shape[1], only_a, only_b, level)
    odds_ratio = (only_a + 0.5) / (only_b + 0.5)
    names = _names(len(difference), right_a, right_b)
    return AccuracyComparisons(names, difference, low, high, mid_p(only_a, only_b), odds_ratio, level)


def mid_p(only_a: Counts, only_b: Counts) -> Numbers:
    """Two-sided mid-p value of a fair coin: outcomes as likely as the one seen count half."""
    flips, fewer = only_a + only_b, np.minimum(only_a, only_b)
    return np.minimum(1.0, 2 * binom.cdf(fewer, flips, 0.5) - binom.pmf(fewer, flips, 0.5))


def paired_interval(n: int, only_a: Counts, only_b: Counts, level: float) -> tuple[Numbers, Numbers, Numbers]:
    """The difference and the bounds of Bonett and Price: Wald's, with an example added where each is right alone."""
    share_a, share_b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    half_width = ndtri((1 + level) / 2) * np.sqrt((share_a + share_b - (share_a - share_b) ** 2) / (n + 2))
    middle, difference = share_a - share_b, (only_a - only_b) / n
    low, high = np.maximum(middle - half_width, -1), np.minimum(middle + half_width, 1)
    return difference, np.minimum(low, difference), np.maximum(high, difference)


def _check_labels(right_a: ArrayLike, right_b: ArrayLike) -> None:
    """Examples are the index of a vector and the columns of a frame, whose index holds the comparisons."""
    given = {"right_a": right_a, "right_b": right_b}
    check_same_index(**{name: right.T if isinstance(right, pd.DataFrame) else right for name, right in given.items()})
    check_same_index(**{name: right for name, right in given.items() if isinstance(right, pd.DataFrame)})


def _names(n: int, *given: ArrayLike) -> tuple[str, ...]:
    labels = next((right.index for right in given if isinstance(right, pd.DataFrame) and len(right) == n), range(n))
    return tuple(map(str, labels))


def _only(a: UInt8[np.ndarray, "#comparisons bytes"], b: UInt8[np.ndarray, "#comparisons bytes"]) -> Counts:
    """In how many examples, packed into bits, model a alone is right."""
    return np.bitwise_count(a & ~b).sum(1, dtype=int)


def _as_right(name: str, values: ArrayLike) -> Bool[np.ndarray, "..."]:
    array = as_ndarray(name, values)
    if array.ndim not in (1, 2) or not array.size:
        raise ValueError(f"expected {name} as [examples] or [comparisons, examples], got shape {array.shape}")
    if array.ndim == 2 and array.shape[1] == 1 < len(array):
        raise ValueError(
            f"expected {name} as [comparisons, examples], got shape {array.shape}, one example each; take {name}[:, 0]"
        )
    if array.dtype.kind not in "biuf":
        raise ValueError(f"expected {name} to be booleans, got dtype {array.dtype}; pass predictions == y_true")
    if array.dtype == bool:
        return array
    other = (array != 0) & (array != 1)  # NaN is neither
    if other.any():
        index = tuple(int(place[0]) for place in np.nonzero(other))
        raise ValueError(
            f"expected {name} to hold only 0 and 1, or booleans, got {array[index]} at index "
            f"{', '.join(map(str, index))}; pass predictions == y_true"
        )
    return array == 1
