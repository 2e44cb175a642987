"""Several estimates in one picture."""

import math
from collections.abc import Sequence
from reprlib import repr as brief

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from companion.stats.base.intervals import interval_of
from companion.stats.base.options import as_names, check_between
from companion.stats.base.result import Result


def forest(
    results: Sequence[Result],
    labels: Sequence[str],
    *,
    quantity: str = "estimate",
    reference: float | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draws intervals one below the other, the first on top.

    Args:
        results: intervals, or results that hold one, such as a :class:`companion.stats.Comparison`; all of one level.
        labels: their names, in the same order.
        quantity: what is estimated, with its unit: the name of the horizontal axis.
        reference: where to draw a dashed line, such as 0 for differences and 1 for ratios.
        axes: where to draw; None makes new ones.

    Raises:
        ValueError: for no result, labels of another number, a result without exactly one interval, several levels.

    >>> from companion.stats.base.intervals import proportion_ci
    >>> axes = forest([proportion_ci(81, 90), proportion_ci(40, 50)], ["large", "small"], quantity="accuracy")
    >>> axes.get_xlabel()
    'accuracy (95% confidence interval)'
    """
    if not isinstance(results, Sequence):
        raise ValueError(f"expected results in a list, got {brief(results)}; put a single one into a list")
    names = as_names(labels)
    if reference is not None:
        check_between("reference", reference, -math.inf, math.inf)
    if not results or len(results) != len(names):
        raise ValueError(f"expected a label for each result, one at least, got {len(results)} and {len(names)}")
    intervals = [interval_of(result) for result in results]
    levels = sorted({interval.level for interval in intervals})
    if len(levels) > 1:
        raise ValueError(f"expected intervals of one level, got {levels}; make them alike, or draw two pictures")
    axes = plt.subplots(figsize=(6, 1 + 0.3 * len(intervals)))[1] if axes is None else axes
    for row, interval in enumerate(intervals):
        interval.plot(axes, at=row)
    if reference is not None:
        axes.axvline(reference, color="gray", linestyle="--", linewidth=1)
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    axes.set_xlabel(f"{quantity} ({100 * levels[0]:g}% confidence interval)")
    return axes
