"""Arrays that a user hands over, refused where they enter: features, predicted probabilities, and classes by number."""

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike

from companion.stats.base.checks import as_ndarray
from companion.stats.base.frames import check_class_columns
from companion.stats.base.labels import as_labels

#: bfloat16, in which a model may have computed its softmax, keeps between two and three digits.
SUM_TOLERANCE = 0.01


def as_array(name: str, values: ArrayLike, *, at_least: int = 1) -> Float[np.ndarray, "examples ..."]:
    """Numbers of any shape, an example along the first axis: finite, and below 1e150, whose square overflows."""
    array = as_ndarray(name, values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"expected {name} to be numbers, got dtype {array.dtype}; encode them as numbers first")
    if array.ndim == 0 or not array.size or len(array) < at_least:
        raise ValueError(
            f"expected {name} to hold at least {at_least} examples along the first axis, got shape {array.shape}; "
            "collect more, or check the filter that made it"
        )
    bad = ~(np.abs(array.astype(float)) <= 1e150).reshape(len(array), -1).all(1)
    if bad.any():
        raise ValueError(
            f"expected {name} to be finite numbers, got NaN or infinity in {bad.sum():,} examples (the first at index "
            f"{bad.argmax()}); drop these examples from all columns, or find out why there is no number"
        )
    return array.astype(float)


def as_probabilities(name: str, values: ArrayLike) -> Float[np.ndarray, "examples ..."]:
    """Probabilities of class 1 ``[examples]``, or of each class ``[examples, classes]``, where rows sum to one."""
    check_class_columns(name, values)
    probabilities = as_array(name, values)
    if probabilities.ndim > 2 or (probabilities.ndim == 2 and probabilities.shape[1] < 2):
        raise ValueError(
            f"expected {name} as [examples], or [examples, classes] with at least 2 classes, got shape "
            f"{probabilities.shape}; for a single column pass {name}[:, 0]"
        )
    rows = probabilities.reshape(len(probabilities), -1)
    if (outside := ((rows < 0) | (rows > 1)).any(1)).any():
        raise ValueError(
            f"expected {name} between 0 and 1, got {_listed(rows[outside.argmax()])} at index {outside.argmax()}; "
            "pass probabilities, not logits: take the softmax or sigmoid first"
        )
    off = np.abs(rows.sum(1) - 1) > SUM_TOLERANCE
    if probabilities.ndim == 2 and off.any():
        raise ValueError(
            f"expected rows of {name} that sum to one, got {_listed(rows[off.argmax()])} with sum "
            f"{rows[off.argmax()].sum():.4g} at index {off.argmax()} (and {off.sum() - 1:,} more rows); "
            "pass probabilities of all classes, or divide each row by its sum"
        )
    return probabilities


def as_classes(
    name: str, values: ArrayLike, *, like: Shaped[np.ndarray, "examples ..."]
) -> Int[np.ndarray, " examples"]:
    """Numbers of classes counted from 0, one a row of ``like``, whose columns are the classes (a vector: two)."""
    (classes,) = as_labels(**{name: values})
    if classes.dtype.kind == "U":
        raise ValueError(f"expected {name} to be numbers of classes from 0, got text such as '{classes[0]}'; encode it")
    check_lengths(**{name: classes, "the predictions": like})
    n_classes = like.shape[1] if like.ndim == 2 else 2
    if (outside := (classes < 0) | (classes >= n_classes)).any():
        raise ValueError(
            f"expected {name} to be numbers of classes from 0 to {n_classes - 1}, got {classes[outside.argmax()]} at "
            f"index {outside.argmax()}; number the classes as the columns of the predictions"
        )
    return classes.astype(int)


def check_lengths(**columns: Shaped[np.ndarray, "examples ..."]) -> None:
    """Refuses arrays of other numbers of examples."""
    if len({len(column) for column in columns.values()}) > 1:
        got = ", ".join(f"{name} has {len(column):,}" for name, column in columns.items())
        raise ValueError(f"expected one row an example in each, got other lengths: {got}; align them by example")


def _listed(row: Float[np.ndarray, " classes"]) -> str:
    return ", ".join(f"{value:.3g}" for value in row[:5]) + (", …" if len(row) > 5 else "")
