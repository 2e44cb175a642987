"""What pandas says of its rows and columns, used or refused: an index that differs, columns in another order."""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from reprlib import repr as brief
from typing import ParamSpec, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from companion.stats.base.options import as_names

P = ParamSpec("P")
R = TypeVar("R")


def same_examples(*arguments: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a function whose ``arguments`` hold one row an example each: indexes that differ are refused."""
    return _checked_at_entry(check_same_index, arguments)


def same_columns(*arguments: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a function whose ``arguments`` have the same columns: names in another order are refused."""
    return _checked_at_entry(check_same_columns, arguments)


def check_same_index(**columns: object) -> None:
    """Refuses pandas objects of one length whose indexes differ: by position, rows would be paired wrongly.

    Anything without an index goes by position, and so do indexes that agree, with labels that recur too. Lengths that
    differ are refused where the numbers are read.
    """
    indexed = {name: values.index for name, values in columns.items() if isinstance(values, pd.Series | pd.DataFrame)}
    for name, index in indexed.items():
        first_name, first = next(iter(indexed.items()))
        if len(index) != len(first) or index.equals(first):
            continue
        row = next((i for i, pair in enumerate(zip(index, first, strict=True)) if str(pair[0]) != str(pair[1])), 0)
        label, other = first[row : row + 1].tolist()[0], index[row : row + 1].tolist()[0]
        by_label = f"{name}.loc[{first_name}.index]" if _matches(index, first) else "labels that match"
        raise ValueError(
            f"expected {first_name} and {name} with the same index, got {label!r} and {other!r} in row "
            f"{row}; take {by_label} to pair them by label, or reset_index(drop=True) of both where they already are "
            "in the same order"
        )


def check_same_columns(**frames: object) -> None:
    """Refuses frames of as many columns whose names differ, or stand in another order."""
    named = {name: frame.columns for name, frame in frames.items() if isinstance(frame, pd.DataFrame)}
    for name, columns in named.items():
        first_name, first = next(iter(named.items()))
        if len(columns) == len(first) and not columns.equals(first):
            raise ValueError(
                f"expected {first_name} and {name} with the same columns in the same order, got {list(first)} and "
                f"{list(columns)}; take {name}[{first_name}.columns], or pass arrays"
            )


def column_names(values: object, names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the columns: those of a frame, which ``names`` may repeat but not contradict, or ``names``.

    Raises:
        ValueError: where there are none, or two that differ.
    """
    own = _names_of(values)
    given = own if names is None else as_names(names)
    if given is None:
        raise ValueError("expected names for the columns, got none; pass names=['a', 'b'], or a pandas DataFrame")
    if isinstance(values, pd.DataFrame) and not _is_numbered(values.columns) and given != own:
        raise ValueError(
            f"expected names as the columns of the frame, {list(own or ())}, got {list(given)}; omit names, or "
            "rename the columns"
        )
    return given


def by_name(values: ArrayLike, names: Sequence[str]) -> ArrayLike:
    """The columns of a frame in the order of ``names``; what has no names of columns is left as it is.

    Raises:
        ValueError: for columns that are missing, unknown, or there twice.
    """
    if not isinstance(values, pd.DataFrame) or (own := _names_of(values)) is None:
        return values
    if sorted(own) != sorted(names):
        missing, unknown = [name for name in names if name not in own], [name for name in own if name not in names]
        raise ValueError(
            f"expected the columns {list(names)}, got {list(own)} (missing: {', '.join(missing) or 'none'}; unknown: "
            f"{', '.join(unknown) or 'none'}); select and name the columns as in the fit"
        )
    return values.iloc[:, [own.index(name) for name in names]]


def row_names(name: str, values: object, names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    """The labels of a series' rows, which ``names`` may repeat but not contradict, or ``names``, or numbers from 0.

    Raises:
        ValueError: for names that differ from the labels, or are of another number.
    """
    index = index_of(values, n)
    given = as_names(index if names is None else names)
    if len(given) != n:
        raise ValueError(f"expected a name for each of {n:,} {name}, got {len(given):,} names; pass one for each")
    if not _is_numbered(index) and given != as_names(index):
        raise ValueError(
            f"expected names as the index of {name}, {brief(list(index))}, got {brief(list(given))}; omit names, "
            f"or pass {name}.to_numpy()"
        )
    return given


def check_class_columns(name: str, values: object) -> None:
    """Refuses a frame whose columns are numbers of classes in another order than 0, 1, 2."""
    if not isinstance(values, pd.DataFrame) or values.columns.dtype.kind not in "iu":
        return
    if list(values.columns) != list(range(values.shape[1])):
        raise ValueError(
            f"expected the columns of {name} to be the classes from 0 in order, got {list(values.columns)}; take "
            f"{name}[sorted({name}.columns)], and number the classes from 0"
        )


def index_of(values: object, n: int) -> pd.Index:
    """The labels of the rows, or their numbers where there are none."""
    return values.index if isinstance(values, pd.Series | pd.DataFrame) else pd.RangeIndex(n)


def _checked_at_entry(
    check: Callable[..., None], arguments: tuple[str, ...]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        assert set(arguments) <= set(signature.parameters)

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            given = signature.bind(*args, **kwargs).arguments
            check(**{name: given[name] for name in arguments if name in given})
            return function(*args, **kwargs)

        return checked

    return decorate


def _names_of(values: object) -> tuple[str, ...] | None:
    """The names of the columns as text; None where nobody gave any, which pandas marks by a range."""
    if isinstance(values, pd.Series):
        return None if values.name is None else (str(values.name),)
    if not isinstance(values, pd.DataFrame) or isinstance(values.columns, pd.RangeIndex):
        return None
    return tuple(map(str, values.columns))


def _is_numbered(labels: pd.Index) -> bool:
    """Whether the labels are numbers, which name nothing."""
    return labels.dtype.kind in "iu"


def _matches(index: pd.Index, other: pd.Index) -> bool:
    """Whether each label of one has exactly one partner in the other."""
    return index.is_unique and bool(np.all(other.isin(index)))
