"""Labels and groups that a user can get wrong, refused where they enter: classes, raters' categories, clusters."""

from collections.abc import Iterable
from reprlib import repr as brief

import numpy as np
from jaxtyping import Bool, Int, Shaped
from numpy.typing import ArrayLike

from companion.stats.base.checks import as_vector, of_one_length, refuse_missing
from companion.stats.base.options import LARGEST_COUNT

Labels = Shaped[np.ndarray, " examples"]


def as_labels(**columns: ArrayLike) -> list[Shaped[np.ndarray, " examples"]]:
    """The columns as label vectors of one length: whole numbers, booleans or text, none missing, some in common."""
    vectors = {name: _as_label_vector(name, values) for name, values in columns.items()}
    labels = of_one_length(vectors)
    first, *others = vectors
    for other in others:
        _check_common(first, vectors[first], other, vectors[other])
    return labels


def as_scores(metric: str, y_true: ArrayLike, **columns: ArrayLike) -> list[Shaped[np.ndarray, " examples"]]:
    """Labels 0 and 1, of both, and for each further column real scores (higher means more likely 1), without NaN.

    Scores are ranked as the model gave them, to the last place: a saturated softmax still orders 1 - 1e-16 below 1.
    """
    vectors = {"y_true": _as_label_vector("y_true", y_true)}
    check_two_classes(f"metric {metric!r}", y_true=vectors["y_true"])
    check_binary(f"metric {metric!r}", y_true=vectors["y_true"])
    for name, values in columns.items():
        vectors[name] = as_vector(name, values)
        if vectors[name].dtype.kind not in "biuf":
            raise ValueError(f"expected {name} to be numbers, got dtype {vectors[name].dtype}; pass the model's scores")
        refuse_missing(name, np.isnan(vectors[name]))
    return of_one_length(vectors)


def as_groups(
    name: str, groups: ArrayLike, n: int
) -> tuple[Int[np.ndarray, " examples"], Shaped[np.ndarray, " groups"]]:
    """Which of the distinct groups, counted from 0, each of ``n`` examples is in, and the groups' names in order."""
    vector = _as_label_vector(name, groups)
    check_filled(name, vector, "drop these examples from all columns, or give each a group of its own")
    if len(vector) != n:
        raise ValueError(
            f"expected {name} to hold one value an example, got {len(vector):,} for {n:,} examples; align them"
        )
    names, codes = np.unique(vector, return_inverse=True)
    return codes, names


def as_clusters(clusters: ArrayLike, n: int) -> Int[np.ndarray, " examples"]:
    """Which cluster, counted from 0, each of ``n`` examples is in; fewer than two are refused."""
    codes, names = as_groups("clusters", clusters, n)
    if len(names) < 2:
        raise ValueError("expected at least 2 clusters, got 1; leave out clusters, or collect more of them")
    return codes


def distinct(values: Shaped[np.ndarray, " examples"]) -> Shaped[np.ndarray, " distinct"]:
    """The different values in order, found a block at a time, so that memory does not grow with the examples."""
    blocks = range(0, len(values), 2**19)
    return np.unique(np.concatenate([_distinct_in(values[start : start + 2**19]) for start in blocks]))


def _distinct_in(values: Shaped[np.ndarray, " examples"]) -> Shaped[np.ndarray, " distinct"]:
    """Of whole numbers that lie close together, as classes do, by counting: twice as fast as by hashing."""
    if values.dtype.kind == "i" and int(values.max()) - (low := int(values.min())) < 2**10:
        return (np.flatnonzero(np.bincount(values.astype(np.int64) - low)) + low).astype(values.dtype)
    return np.unique(values)


def check_binary(purpose: str, instead: str = "", **columns: Shaped[np.ndarray, " examples"]) -> None:
    """Refuses labels other than 0 and 1 (booleans will do): 1 is the positive class; ``instead`` ends the advice."""
    for name, values in columns.items():
        if not (others := set(distinct(values).tolist()) - {0, 1}):
            continue
        if fractions := [other for other in others if isinstance(other, float) and not other.is_integer()]:
            advice = f"compare it with a threshold first, such as {name} >= {fractions[0]:.3g}"
        else:
            advice = f"pass {name} == {sorted(others)[-1]!r}, with your positive label"
        raise ValueError(
            f"expected {name} to hold only 0 and 1 for {purpose} (1 is the positive class), got also {_some(others)}; "
            f"{advice}{instead}"
        )


def as_binary(purpose: str, **columns: ArrayLike) -> list[Bool[np.ndarray, " examples"]]:
    """The columns, each of 0 and 1 or booleans, as booleans of one length; missing and other values are refused."""
    labels = dict(zip(columns, as_labels(**columns), strict=True))
    check_binary(purpose, "", **labels)
    return [values == 1 for values in labels.values()]


def check_two_classes(purpose: str, instead: str = "", **columns: Shaped[np.ndarray, " examples"]) -> None:
    """Refuses labels of one class only; ``instead`` ends the advice."""
    for name, values in columns.items():
        if len(classes := distinct(values)) < 2:
            raise ValueError(
                f"expected {name} to hold at least two classes for {purpose}, got only {classes[0].item()!r}; add "
                f"examples of the other class{instead}"
            )


def check_filled(name: str, values: Shaped[np.ndarray, "examples ..."], advice: str) -> None:
    """Refuses text without a letter, which is how a missing value comes out of a file."""
    if values.dtype.kind == "U" and (empty := np.strings.str_len(np.strings.strip(values)) == 0).any():
        rows = empty.reshape(len(values), -1).any(1)
        raise ValueError(
            f"expected {name} without empty text, got {rows.sum():,} (the first at index {rows.argmax()}); {advice}"
        )


def _check_common(name: str, labels: Labels, other_name: str, others: Labels) -> None:
    """Refuses two columns without any label in common, which were encoded in two ways; 0 and 1 are one way."""
    if (labels == others).any():
        return
    of_first, of_other = set(distinct(labels).tolist()), set(distinct(others).tolist())
    if of_first & of_other or of_first | of_other <= {0, 1}:
        return
    raise ValueError(
        f"expected {name} and {other_name} to have labels in common, got {_some(of_first)} against {_some(of_other)}; "
        "encode them alike, or where each answer is wrong indeed count them: proportion_ci(0, n)"
    )


def _as_label_vector(name: str, values: ArrayLike) -> Shaped[np.ndarray, " examples"]:
    vector = as_vector(name, values)
    if vector.dtype.kind == "U" and not isinstance(values, np.ndarray):  # NumPy turns a NaN among text into text
        vector = as_vector(name, np.array(values, dtype=object))
    if vector.dtype.kind == "O":
        vector = _of_one_kind(name, vector.tolist())
    if vector.dtype.kind == "f":
        refuse_missing(name, np.isnan(vector))
        if len(beyond := vector[np.abs(vector) > LARGEST_COUNT]):
            raise ValueError(
                f"expected {name} to hold class labels, got {beyond[0]:g}, where floats are no longer whole; "
                "number the classes from 0"
            )
        if len(fractions := vector[vector != np.floor(vector)]):
            raise ValueError(
                f"expected {name} to hold class labels, got fractions such as {fractions[0]:.3g}; "
                f"compare scores with a threshold first ({name} >= 0.5), round ratings, or take metric 'auc'"
            )
    elif vector.dtype.kind not in "biuU":
        raise ValueError(f"expected {name} to hold whole numbers, booleans or text, got dtype {vector.dtype}")
    return vector


def _of_one_kind(name: str, values: list[object]) -> Shaped[np.ndarray, " examples"]:
    if len({isinstance(value, str) for value in values}) > 1 or not all(map(np.isscalar, values)):
        raise ValueError(f"expected {name} to be all numbers or all text, got {brief(values)}; encode them alike")
    return np.array(values)


def _some(values: Iterable[object]) -> str:
    listed = sorted(map(repr, values))
    return ", ".join(listed[:3]) + (", …" if len(listed) > 3 else "")
