"""The critical-difference diagram of Demšar: models on a line of mean ranks, bars over those that do not differ."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes


def draw_ranks(
    names: Sequence[str], mean_ranks: Sequence[float], critical_difference: float, axes: Axes | None = None
) -> Axes:
    """Draws the diagram on ``axes`` or on new ones, high enough for the models.

    Args:
        names: of the models, by mean rank.
        mean_ranks: in the same order, ascending.
        critical_difference: ranks closer than this do not differ.
        axes: where to draw.
    """
    n, bars = len(names), joined(mean_ranks, critical_difference)
    bottom = 0.6 + 0.35 * len(bars)
    depth = bottom + 0.6 * ((n + 1) // 2)
    axes = plt.subplots(figsize=(7, 1.2 + 0.42 * depth), layout="constrained")[1] if axes is None else axes
    axes.hlines(0, 1, n, color="black", linewidth=1)
    for tick in range(1, n + 1):
        axes.plot([tick, tick], [0, 0.15], color="black", linewidth=1)
        axes.text(tick, 0.25, str(tick), ha="center", va="bottom")
    for place, (name, rank) in enumerate(zip(names, mean_ranks, strict=True)):
        _label(axes, name, rank, place, n, bottom)
    for place, (first, last) in enumerate(bars):
        ends = mean_ranks[first] - 0.03, mean_ranks[last] + 0.03
        axes.plot(ends, [-0.35 - 0.35 * place] * 2, color="#D55E00", linewidth=4, solid_capstyle="round")
    axes.plot([1, 1 + critical_difference], [1.3, 1.3], color="#D55E00", marker="|", linewidth=1.5)
    axes.text(1, 1.45, f"critical difference {critical_difference:.2f}", ha="left", va="bottom")
    axes.set(
        xlim=(0.9 - 0.02 * n, 1.1 * n), ylim=(-depth - 0.3, 2.3), xlabel="mean rank (1 is best)", yticks=[], xticks=[]
    )
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return axes


def joined(mean_ranks: Sequence[float], critical_difference: float) -> list[tuple[int, int]]:
    """First and last place of each longest run of models closer than the critical difference."""
    ranks = np.asarray(mean_ranks)
    last = np.searchsorted(ranks, ranks + critical_difference) - 1
    reach = np.maximum.accumulate(np.append(-1, last[:-1]))
    return [(first, int(end)) for first, end in enumerate(last) if end > max(first, reach[first])]


def _label(axes: Axes, name: str, rank: float, place: int, n: int, bottom: float) -> None:
    """A line from the rank down and out to the name: the better half to the left, the others to the right."""
    is_left = place < (n + 1) // 2
    row = place if is_left else n - 1 - place
    height, side = -bottom - 0.6 * row, 0.0 if is_left else 1.0
    edge = axes.get_yaxis_transform()
    axes.plot([rank, rank], [0, height], color="0.4", linewidth=1)
    axes.annotate(
        f"{name} ({rank:.2f})", xy=(rank, height), xytext=(side, height), textcoords=edge, va="center",
        ha="right" if is_left else "left", arrowprops={"arrowstyle": "-", "color": "0.4", "shrinkA": 2, "shrinkB": 0},
    )  # fmt: skip
