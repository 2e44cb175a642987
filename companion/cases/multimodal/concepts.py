"""Which pictograms are variants of one: the same outlines, or a name that differs by a color, a number or a person."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from companion.data import Pictogram, draw_pictograms

_SIDE = 32
_INK = 110  # the outlines of OpenMoji are black
_ALIKE = 0.9  # correlation of two drawings' outlines, from which on they are variants
_VARYING = re.compile(
    r"\b(red|orange|yellow|green|blue|purple|brown|black|white|grey|light|pink|dark|large|medium|small|heavy"
    r"|man|woman|person|men|women|people|left|right|up|down|one|two|three|four|five|six|seven|eight|nine|ten|eleven"
    r"|twelve|thirty|o'clock)\b"
)


def concept_groups(pictograms: Sequence[Pictogram]) -> Int[np.ndarray, " pictogram"]:
    """The number of each pictogram's concept: 24 clocks are one, and so are hearts of twelve colors.

    Two belong together where their outlines, blurred a little, correlate by more than 0.9, or where their English names
    are the same without words of color, size, number, direction and sex; and so does whatever a chain of such pairs
    joins. A split that keeps concepts whole leaves no variant of a tested pictogram to train on.

    Example:
        >>> from companion.data import pictograms
        >>> hearts = [each for each in pictograms() if each.english in ("blue heart", "green heart", "pear")]
        >>> concept_groups(hearts).tolist()  # by code point: a pear, then hearts
        [0, 1, 1]
    """
    outlines = _outlines([each.character for each in pictograms])
    first, second = np.nonzero(outlines @ outlines.T > _ALIKE)
    stems = [_stem(each.english) or each.english for each in pictograms]
    same = [stems.index(stem) for stem in stems]
    rows, columns = np.r_[first, np.arange(len(same))], np.r_[second, same]
    joined = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(same), len(same)))
    return connected_components(joined, directed=False)[1].astype(np.int64)


def _stem(name: str) -> str:
    return " ".join(_VARYING.sub("", name.lower().replace("-", " ")).split())


def _outlines(characters: list[str]) -> Float[np.ndarray, "pictogram pixel"]:
    """Black lines, blurred, as vectors of mean 0 and length 1: scalar products are correlations."""
    ink = (draw_pictograms(characters, size=_SIDE).max(axis=1) < _INK).astype(float)
    flat = np.stack([gaussian_filter(each, 1.0) for each in ink]).reshape(len(ink), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)


def split_concepts(
    groups: Int[np.ndarray, " pictogram"], *, held_out: float = 0.2, largest: int = 40, seed: int = 0
) -> Bool[np.ndarray, " pictogram"]:
    """Which pictograms are held out: whole concepts, drawn until their part of all is reached.

    Args:
        groups: the concept of each.
        held_out: their part of all, at most.
        largest: a concept with more pictograms stays in training, or it alone would be the test.
        seed: of the draw.

    Raises:
        ValueError: for a part that is not between 0 and 1.

    Example:
        >>> split_concepts(np.array([0, 0, 1, 2, 3, 3, 4]), held_out=0.5).tolist()
        [False, False, True, True, False, False, True]
    """
    if not 0 < held_out < 1:
        raise ValueError(f"expected held_out between 0 and 1, got {held_out}")
    sizes = np.bincount(groups)
    chosen, room = np.zeros(len(sizes), dtype=bool), held_out * len(groups)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        if sizes[group] <= min(largest, room):
            chosen[group], room = True, room - sizes[group]
    return chosen[groups]
