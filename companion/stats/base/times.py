"""Series whose index says when: in order, at equal steps, and what comes after them."""

from typing import Any, TypeAlias

import pandas as pd

#: Indexes that are points in time.
Times: TypeAlias = pd.DatetimeIndex | pd.PeriodIndex | pd.TimedeltaIndex


def check_sorted(name: str, values: object) -> None:
    """Refuses a series whose index falls somewhere, of times or of numbers: the latest must come last."""
    if not isinstance(values, pd.Series) or not (isinstance(values.index, Times) or _is_numeric(values.index)):
        return
    if values.index.is_monotonic_increasing:
        return
    row = next(row for row in range(1, len(values)) if not values.index[row] >= values.index[row - 1])
    raise ValueError(
        f"expected {name} with the latest last, got {values.index[row]} after {values.index[row - 1]} in row {row}; "
        f"take {name}.sort_index()"
    )


def check_equal_steps(name: str, values: object) -> None:
    """Refuses a series over time that skips or repeats a step."""
    check_sorted(name, values)
    if not isinstance(values, pd.Series) or not isinstance(index := values.index, Times) or len(index) < 3:
        return
    if frequency_of(index) is not None:
        return
    gaps = pd.Series(index[1:].asi8 - index[:-1].asi8)
    row = int((gaps != gaps.mode()[0]).argmax())
    raise ValueError(
        f"expected {name} at equal steps, got {index[row + 1]} after {index[row]} in row {row + 1}; average what "
        f"recurs, then {name}.asfreq('D'), or another step, and interpolate() what is missing"
    )


def frequency_of(index: Times) -> Any:  # an offset of pandas, whose types do not say that it multiplies
    """The step between times in order; None where steps differ."""
    if isinstance(index, pd.PeriodIndex):
        is_whole = index.equals(pd.period_range(index[0], periods=len(index), freq=index.freq))
        return index.freq if is_whole else None
    return index.freq if index.freq is not None else type(index)(index, freq="infer").freq


def index_after(index: pd.Index, steps: int) -> pd.Index:
    """The next times; numbers from 1 where the index holds none."""
    if not isinstance(index, Times):
        return pd.RangeIndex(1, steps + 1, name="step")
    frequency = frequency_of(index)
    following = [index[-1] + (step + 1) * frequency for step in range(steps)]
    return type(index)(following, freq=frequency, name=index.name)


def _is_numeric(index: pd.Index) -> bool:
    return bool(pd.api.types.is_numeric_dtype(index.dtype))
