"""When two numbers are the same: the one rule by which all of these statistics tie what rounding alone tells apart.

0.89 - 0.87 and 0.60 - 0.58 differ in floating point, as 89 - 87 and 60 - 58 do not. Ranks, signs and counts of what is
at least as large must not depend on that: percent and proportions have the same p-value.
"""

import numpy as np
from jaxtyping import Float, Int, Shaped

#: Numbers this many units of the last place apart are tied: reading one, changing its unit and subtracting take four.
ULPS = 16


def rounding(magnitude: float, terms: int = 1) -> float:
    """How far rounding may move a sum of ``terms`` numbers of this magnitude, as a random walk of last places does."""
    return float(ULPS * np.finfo(float).eps * np.sqrt(terms) * magnitude)


def tied(values: Shaped[np.ndarray, "*any"]) -> Shaped[np.ndarray, "*any"]:
    """The values, of which those that differ by rounding, each relative to its own size, are made equal."""
    if values.dtype.kind != "f" or not values.size:
        return values
    ordered = np.sort(values, axis=None).astype(float)
    return _merged(values, ordered, rounding(1.0) * np.abs(ordered[1:]))


def differences(a: Float[np.ndarray, "*any"], b: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """a - b, with ties in size, and with 0, to within the rounding of the largest number that was subtracted."""
    gaps = a - b
    sizes = np.append(np.abs(gaps), 0.0)
    ordered = np.sort(sizes)
    width = rounding(max(np.abs(a).max(), np.abs(b).max()))
    return np.sign(gaps) * _merged(sizes, ordered, np.full(len(ordered) - 1, width))[:-1].reshape(gaps.shape)


def between(edges: Float[np.ndarray, " edges"], values: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Between which edges, in order, each value lies; one that is tied with an edge lies below it."""
    together = tied(np.concatenate([edges, values]))
    return np.searchsorted(together[: len(edges)], together[len(edges) :])


def _merged(
    values: Shaped[np.ndarray, "*any"], ordered: Float[np.ndarray, " n"], widths: Float[np.ndarray, " n-1"]
) -> Float[np.ndarray, "*any"]:
    """Each value replaced by the least of its run, in which neighbors lie no further apart than ``widths``."""
    steps = np.diff(ordered)
    if not ((steps > 0) & (steps <= widths)).any():
        return values
    least = ordered[np.append(True, steps > widths)]
    return least[np.searchsorted(least, values, side="right") - 1]
