"""What results of this package share: they become rows of a table, are drawn, and say p-values alike."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes


class Result:
    """A frozen dataclass whose ``str()`` is one plain sentence, and whose ``frame`` holds numbers and text only.

    The frame is one row, or one row a part where a result is made of many. Fields that are arrays or fits are declared
    with ``repr=False``, and stand neither in the sentence nor in the row.
    """

    @property
    def row(self) -> dict[str, Any]:
        """The fields by name; those of a result within are ``field_name``, of several ``field_1_name`` and so on."""
        row: dict[str, Any] = {}
        for name, value in self._shown():
            parts = _parts(name, value)
            row |= {f"{part}_{inner}": number for part, each in parts.items() for inner, number in each.row.items()}
            if not parts and not (isinstance(value, tuple) and not value):  # such as the lags of order 0
                row[name] = value
        return row

    @property
    def frame(self) -> pd.DataFrame:
        """The result as a table of one row; ``pandas.concat`` puts several together."""
        return pd.DataFrame([self.row])

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the intervals that the result holds, one below the other, on ``axes`` or on new ones.

        Raises:
            ValueError: for a result without an interval.
        """
        intervals = {name: value for name, value in self._shown() if isinstance(value, Result) and "low" in value.row}
        if not intervals:
            raise ValueError(f"expected a result with an interval to draw, got {self!r}; print it instead")
        axes = plt.subplots(figsize=(6, 1 + 0.4 * len(intervals)), layout="constrained")[1] if axes is None else axes
        for place, interval in enumerate(intervals.values()):
            interval.plot(axes, at=place)  # type: ignore[call-arg]  # an Interval's, which lies in a module above
        level = next(iter(intervals.values())).row["level"]
        axes.set(
            yticks=range(len(intervals)),
            yticklabels=[name.replace("_", " ") for name in intervals],
            ylim=(len(intervals) - 0.5, -0.5),
            xlabel=f"estimate and {100 * level:g}% confidence interval",
        )
        return axes

    def _shown(self) -> Iterator[tuple[str, Any]]:
        """The fields that a reader sees, by name."""
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            if field.repr:
                yield field.name, getattr(self, field.name)


def _parts(name: str, value: object) -> "dict[str, Result]":
    """The results that a field holds, by the names that their numbers go under."""
    if isinstance(value, Result):
        return {name: value}
    if isinstance(value, tuple) and value and all(isinstance(each, Result) for each in value):
        return {f"{name}_{number}": each for number, each in enumerate(value, start=1)}
    return {}


def p_in_words(p_value: float) -> str:
    """A p-value as part of a sentence, none below the digits that any of these tests can vouch for."""
    return f"p = {p_value:.2g}" if p_value >= 1e-4 else "p < 0.0001"
