"""Numbers that a user can get wrong, refused where they enter: what was expected, what came, and what to do."""

from collections.abc import Sequence
from reprlib import repr as brief

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike
from pandas.api.types import is_numeric_dtype

from companion.checks import is_number
from companion.stats.base.shapes import check_is_array, check_is_vector


def as_given(name: str, values: object) -> Float[np.ndarray, "..."]:
    """The numbers that a user's function gave."""
    array = _read(f"what {name} gives", values)  # type: ignore[arg-type]
    if array.dtype.kind not in "biuf":
        raise ValueError(f"expected {name} to give numbers, got dtype {array.dtype}; let it return floats")
    return array.astype(float)


def as_numbers(*, at_least: int = 1, **columns: ArrayLike) -> list[Float[np.ndarray, " examples"]]:
    """The columns as float64 vectors of one length: no NaN, nothing beyond 1e150, whose square overflows."""
    vectors = {}
    for name, values in columns.items():
        vector = as_vector(name, values)
        if vector.dtype.kind not in "biuf":
            raise ValueError(f"expected {name} to be numbers, got dtype {vector.dtype}; convert them with float()")
        refuse_missing(name, np.isnan(vector))
        if (beyond := ~(np.abs(vector.astype(float)) <= 1e150)).any():
            raise ValueError(
                f"expected {name} to be finite, got {vector[beyond.argmax()]} at index {beyond.argmax()}; "
                "drop it, or find out what went wrong there"
            )
        if len(vector) < at_least:
            raise ValueError(f"expected {name} to hold at least {at_least} values, got {len(vector)}; collect more")
        vectors[name] = vector.astype(float)
    return of_one_length(vectors)


def as_ndarray(name: str, values: ArrayLike, *, dtype: type | None = None) -> Shaped[np.ndarray, "..."]:
    """What NumPy makes of the values, several of them; None (but where the type is given) and masked ones are refused.

    Half precision becomes double, since labels and sums beyond 2,048 are not exact in it.
    """
    array = _read(name, values, dtype)
    check_is_array(name, values, array)
    return array.astype(float) if array.dtype == np.float16 else array


def as_vector(name: str, values: ArrayLike) -> Shaped[np.ndarray, " examples"]:
    """One value an example, of whatever kind."""
    vector = as_ndarray(name, values)
    check_is_vector(name, values, vector)
    if not len(vector):
        raise ValueError(f"expected {name} to hold at least one example, got none; check the filter that made it")
    return vector


def of_one_length(vectors: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The vectors in order, refused where they differ in length, or mix numbers with text."""
    if len({len(vector) for vector in vectors.values()}) > 1:
        got = ", ".join(f"{name} has {len(vector):,}" for name, vector in vectors.items())
        raise ValueError(f"expected one value an example in each, got other lengths: {got}; align them by example")
    if len({vector.dtype.kind == "U" for vector in vectors.values()}) > 1:
        got = ", ".join(f"{name} is {vector.dtype}" for name, vector in vectors.items())
        raise ValueError(f"expected labels all numbers or all text, got a mixture: {got}; encode them alike")
    return list(vectors.values())


def refuse_missing(name: str, missing: np.ndarray) -> None:
    """Refuses missing values, with how many there are and the first of them."""
    if missing.any():
        raise ValueError(
            f"expected {name} without missing values, got {missing.sum():,} NaN or None (the first at index "
            f"{missing.argmax()}); drop these examples from all columns, or find out why the model gave none"
        )


def as_bounds(bounds: object, **columns: Float[np.ndarray, " _"]) -> tuple[float, float]:
    """The least and the largest value that there can be, as numbers; values beyond them are refused."""
    is_pair = isinstance(bounds, Sequence) and len(bounds) == 2 and all(map(is_number, bounds))
    if not is_pair or not 0 < float(bounds[1]) - float(bounds[0]) < np.inf:  # type: ignore[index]
        raise ValueError(f"expected bounds as (low, high) with low below high, both finite, got {brief(bounds)}")
    least, most = float(bounds[0]), float(bounds[1])  # type: ignore[index]
    for name, values in columns.items():
        if (outside := (values < least) | (values > most)).any():
            index = outside.argmax()
            raise ValueError(
                f"expected {name} within bounds {bounds}, got {values[index]:g} at index {index}; widen them"
            )
    return least, most


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


def _read(name: str, values: ArrayLike, dtype: type | None = None) -> Shaped[np.ndarray, "..."]:
    if np.ma.is_masked(values):
        mask = np.atleast_1d(np.asarray(np.ma.getmask(values)))
        refuse_missing(name, mask.reshape(len(mask), -1).max(axis=1))
    try:
        array = np.asarray(values, dtype=dtype)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"expected {name} to be an array, or rows of one length, got what NumPy cannot read ({error}); align the "
            "rows, and bring tensors over with x.detach().float().cpu().numpy()"
        ) from error
    if array.dtype.kind == "O" and dtype is None and array.ndim:  # how None and pandas' NA come
        refuse_missing(name, pd.isna(array).reshape(len(array), -1).any(1))
        if isinstance(values, pd.DataFrame) and all(map(is_numeric_dtype, values.dtypes)):
            return values.to_numpy(float)  # of pandas' own types of numbers NumPy makes objects, whole though they are
    return array
