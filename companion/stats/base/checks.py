"""Columns that a user can get wrong, refused where they enter: what was expected, what came, and what to do."""

from collections.abc import Iterable
from reprlib import repr as brief

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike

from companion.stats.base.options import LARGEST_COUNT


def as_given(name: str, values: object) -> Float[np.ndarray, "..."]:
    """The numbers that a user's function gave."""
    array = as_ndarray(f"what {name} gives", values)  # type: ignore[arg-type]
    if array.dtype.kind not in "biuf":
        raise ValueError(f"expected {name} to give numbers, got dtype {array.dtype}; let it return floats")
    return array.astype(float)


def as_labels(**columns: ArrayLike) -> list[Shaped[np.ndarray, " examples"]]:
    """The columns as label vectors of one length: whole numbers, booleans or text, none missing."""
    return _of_one_length({name: _as_label_vector(name, values) for name, values in columns.items()})


def as_scores(y_true: ArrayLike, **columns: ArrayLike) -> list[Shaped[np.ndarray, " examples"]]:
    """Binary labels and, for each further column, real scores (higher means more likely 1), none of them NaN."""
    vectors = {"y_true": _as_label_vector("y_true", y_true)}
    for name, values in columns.items():
        vectors[name] = _as_vector(name, values)
        if vectors[name].dtype.kind not in "biuf":
            raise ValueError(f"expected {name} to be numbers, got dtype {vectors[name].dtype}; pass the model's scores")
        _refuse_missing(name, np.isnan(vectors[name]))
    return _of_one_length(vectors)


def distinct(values: Shaped[np.ndarray, " examples"]) -> Shaped[np.ndarray, " distinct"]:
    """The different values in order, found a block at a time, so that memory does not grow with the examples."""
    blocks = range(0, len(values), 2**19)
    return np.unique(np.concatenate([np.unique(values[start : start + 2**19]) for start in blocks]))


def check_binary(metric: str, **columns: Shaped[np.ndarray, " examples"]) -> None:
    """Refuses labels other than 0 and 1 (booleans will do): 1 is the positive class."""
    for name, values in columns.items():
        if others := set(distinct(values).tolist()) - {0, 1}:
            raise ValueError(
                f"expected {name} to hold only 0 and 1 for metric {metric!r} (1 is the positive class), got also "
                f"{_some(others)}; pass y == positive_label, or take 'balanced_accuracy' or 'macro_f1' for many classes"
            )


def check_two_classes(metric: str, y_true: Shaped[np.ndarray, " examples"]) -> None:
    """Refuses true labels of one class only, for which all metrics but accuracy are void."""
    classes = distinct(y_true)
    if len(classes) < 2:
        raise ValueError(
            f"expected y_true to hold at least two classes for metric {metric!r}, got only {classes[0]!r}; "
            "add examples of the other classes, or take 'accuracy'"
        )


def as_numbers(*, at_least: int = 1, **columns: ArrayLike) -> list[Float[np.ndarray, " examples"]]:
    """The columns as float64 vectors of one length: no NaN, nothing beyond 1e150, whose square overflows."""
    vectors = {}
    for name, values in columns.items():
        vector = _as_vector(name, values)
        if vector.dtype.kind not in "biuf":
            raise ValueError(f"expected {name} to be numbers, got dtype {vector.dtype}; convert them with float()")
        _refuse_missing(name, np.isnan(vector))
        if (beyond := ~(np.abs(vector.astype(float)) <= 1e150)).any():
            raise ValueError(
                f"expected {name} to be finite, got {vector[beyond.argmax()]} at index {beyond.argmax()}; "
                "drop it, or find out what went wrong there"
            )
        if len(vector) < at_least:
            raise ValueError(f"expected {name} to hold at least {at_least} values, got {len(vector)}; collect more")
        vectors[name] = vector.astype(float)
    return _of_one_length(vectors)


def as_groups(
    name: str, groups: ArrayLike, n: int
) -> tuple[Int[np.ndarray, " examples"], Shaped[np.ndarray, " groups"]]:
    """Which of the distinct groups, counted from 0, each of ``n`` examples is in, and the groups' names in order."""
    vector = _as_label_vector(name, groups)
    if len(vector) != n:
        raise ValueError(f"expected {name} to hold one value an example, got {len(vector):,} for {n:,} examples")
    names, codes = np.unique(vector, return_inverse=True)
    return codes, names


def check_differs(name: str, values: Float[np.ndarray, " examples"]) -> None:
    """Refuses values that are all alike, to within rounding: they hold no sign of how far the next may lie."""
    if np.ptp(values) <= max(1e-12 * np.abs(values).max(), 1e-150):
        raise ValueError(
            f"expected {name} to hold values that differ, got {len(values):,} times {values[0]:.4g}: no interval "
            "can come from them; collect more, or take companion.stats.proportion_ci where they are 0 or 1"
        )


def check_unit(name: str, values: Float[np.ndarray, "examples ..."]) -> None:
    """Refuses numbers so large, or all so small, that fourth powers of their differences leave the range of a float."""
    if (largest := np.abs(values).max()) and not 1e-60 <= largest <= 1e60:
        raise ValueError(
            f"expected {name} in a unit in which the largest is between 1e-60 and 1e60, got {largest:.3g}; change it"
        )


def as_ndarray(name: str, values: ArrayLike, *, dtype: type | None = None) -> Shaped[np.ndarray, "..."]:
    """What NumPy makes of the values; None and masked ones are refused, but None where the type is given."""
    if np.ma.is_masked(values):
        mask = np.atleast_1d(np.asarray(np.ma.getmask(values)))
        _refuse_missing(name, mask.reshape(len(mask), -1).max(axis=1))
    try:
        array = np.asarray(values, dtype=dtype)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"expected {name} to be an array, or rows of one length, got what NumPy cannot read ({error}); align the "
            "rows, and bring tensors over with x.detach().float().cpu().numpy()"
        ) from error
    if array.dtype.kind == "O" and dtype is None and array.ndim:  # how None and pandas' NA come
        _refuse_missing(name, pd.isna(array).reshape(len(array), -1).any(1))
    return array


def _as_vector(name: str, values: ArrayLike) -> Shaped[np.ndarray, " examples"]:
    vector = as_ndarray(name, values)
    if vector.ndim != 1:
        raise ValueError(
            f"expected {name} to be one value an example, got shape {vector.shape}; "
            "pick one column, such as probabilities[:, 1], or the most likely class, probabilities.argmax(1)"
        )
    if not len(vector):
        raise ValueError(f"expected {name} to hold at least one example, got none; check the filter that made it")
    return vector


def _as_label_vector(name: str, values: ArrayLike) -> Shaped[np.ndarray, " examples"]:
    vector = _as_vector(name, values)
    if vector.dtype.kind == "U" and not isinstance(values, np.ndarray):  # NumPy turns a NaN among text into text
        vector = _as_vector(name, np.array(values, dtype=object))
    if vector.dtype.kind == "O":
        vector = _of_one_kind(name, vector.tolist())
    if vector.dtype.kind == "f":
        _refuse_missing(name, np.isnan(vector))
        if len(beyond := vector[np.abs(vector) > LARGEST_COUNT]):
            raise ValueError(
                f"expected {name} to hold class labels, got {beyond[0]:g}, where floats are no longer whole; "
                "number the classes from 0"
            )
        if len(fractions := vector[vector != np.floor(vector)]):
            raise ValueError(
                f"expected {name} to hold class labels, got fractions such as {fractions[0]:.3g}; "
                "compare scores with a threshold first (scores >= 0.5), or take metric 'auc', which wants scores"
            )
    elif vector.dtype.kind not in "biuU":
        raise ValueError(f"expected {name} to hold whole numbers, booleans or text, got dtype {vector.dtype}")
    return vector


def _of_one_kind(name: str, values: list[object]) -> Shaped[np.ndarray, " examples"]:
    if len({isinstance(value, str) for value in values}) > 1 or not all(map(np.isscalar, values)):
        raise ValueError(f"expected {name} to be all numbers or all text, got {brief(values)}; encode them alike")
    return np.array(values)


def _of_one_length(vectors: dict[str, np.ndarray]) -> list[np.ndarray]:
    if len({len(vector) for vector in vectors.values()}) > 1:
        got = ", ".join(f"{name} has {len(vector):,}" for name, vector in vectors.items())
        raise ValueError(f"expected one value an example in each, got other lengths: {got}; align them by example")
    if len({vector.dtype.kind == "U" for vector in vectors.values()}) > 1:
        got = ", ".join(f"{name} is {vector.dtype}" for name, vector in vectors.items())
        raise ValueError(f"expected labels all numbers or all text, got a mixture: {got}; encode them alike")
    return list(vectors.values())


def _refuse_missing(name: str, missing: np.ndarray) -> None:
    if missing.any():
        raise ValueError(
            f"expected {name} without missing values, got {missing.sum():,} NaN or None (the first at index "
            f"{missing.argmax()}); drop these examples from all columns, or find out why the model gave none"
        )


def _some(values: Iterable[object]) -> str:
    listed = sorted(map(repr, values))
    return ", ".join(listed[:3]) + (", …" if len(listed) > 3 else "")
