"""Synthetic images of colored shapes with captions that are true of them; no photographs, no language but this.

A caption names one shape, as in "a red circle", or two and how they stand, as in "a red circle above a blue square" or
"a red circle left of a blue square". Positions and sizes, of which captions say nothing, are drawn for every image.

Axes: caption; color (red, green, blue: from 0 to 1); height, width (pixels, from the top and from the left); word.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import permutations, product
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from companion.data.checks import refuse_bare_text
from companion.data.fingerprint import digest_items
from companion.data.order import shuffled_items

COLORS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0)}
SHAPES = ("circle", "square", "triangle")
RELATIONS = ("above", "left of")
#: The words of captions by number; 0 is padding.
CAPTION_WORDS = ("", "a", *COLORS, *SHAPES, "above", "left", "of")
#: Words of the longest caption.
CAPTION_LENGTH = 8

Images = Float[np.ndarray, "caption 3 height width"]


@cache
def all_captions() -> tuple[str, ...]:
    """Every caption: 12 of one shape, 264 of two that differ.

    Example:
        >>> len(all_captions()), all_captions()[-1]
        (276, 'a yellow triangle left of a yellow square')
    """
    things = [f"a {color} {shape}" for color, shape in product(COLORS, SHAPES)]
    pairs = product(permutations(things, 2), RELATIONS)
    return (*things, *(f"{first} {relation} {second}" for (first, second), relation in pairs))


def encode_captions(captions: Sequence[str]) -> Int[Tensor, "caption 8"]:
    """The words of captions as numbers, padded with 0.

    Raises:
        ValueError: for no caption, one that is too long or empty, or an unknown word.

    Example:
        >>> encode_captions(["a red circle"]).shape
        torch.Size([1, 8])
    """
    refuse_bare_text("captions", captions)
    rows = [caption.split() for caption in captions]
    unknown = sorted({word for row in rows for word in row} - set(CAPTION_WORDS))
    if unknown or not rows or not all(0 < len(row) <= CAPTION_LENGTH for row in rows):
        raise ValueError(
            f"expected captions of 1 to {CAPTION_LENGTH} words out of {CAPTION_WORDS[1:]}, "
            f"got unknown words {unknown} and lengths {sorted({len(row) for row in rows})}"
        )
    numbers = [[CAPTION_WORDS.index(word) for word in row] + [0] * (CAPTION_LENGTH - len(row)) for row in rows]
    return torch.tensor(numbers)


def draw_captions(captions: Sequence[str], rng: np.random.Generator, *, size: int = 32) -> Images:
    """One image of each caption on black, as float32; shapes never overlap.

    Args:
        captions: some of :func:`all_captions`.
        rng: draws positions and sizes.
        size: pixels a side.

    Raises:
        ValueError: for no caption, or something else.

    Example:
        >>> images = draw_captions(["a red circle", "a blue square left of a red circle"], np.random.default_rng(0))
        >>> images.shape
        (2, 3, 32, 32)
    """
    refuse_bare_text("captions", captions)
    unknown = sorted(set(captions) - set(all_captions()))
    if unknown or not captions:
        raise ValueError(f"expected captions such as {all_captions()[0]!r} and {all_captions()[-1]!r}, got {unknown}")
    return np.stack([_draw(caption.split(), rng, size) for caption in captions])


def _draw(words: list[str], rng: np.random.Generator, size: int) -> Float[np.ndarray, "3 height width"]:
    """One image; a shape's middle lies within the image's middle half, two keep to a half each on their axis."""
    image = np.zeros((3, size, size), dtype=np.float32)
    things = [words[1:3]] if len(words) == 3 else [words[1:3], words[-2:]]
    middles = rng.uniform(0.25, 0.75, size=(2, 2))  # [shape, from the left and from the top]
    if len(things) == 2:
        middles[:, int("above" in words)] = np.array([0.25, 0.75]) + rng.uniform(-0.05, 0.05, size=2)
    for (color, shape), middle, radius in zip(things, middles, rng.uniform(0.13, 0.19, size=2), strict=False):
        image[:, _mask(shape, middle, radius, size)] = np.array(COLORS[color])[:, None]
    return image


def _mask(shape: str, middle: Float[np.ndarray, " 2"], radius: float, size: int) -> Bool[np.ndarray, "height width"]:
    """The pixels of a shape that fits a square of twice ``radius``; lengths as fractions of the image's side."""
    pixels = (np.arange(size) + 0.5) / size
    x, y = (pixels[None, :] - middle[0]) / radius, (pixels[:, None] - middle[1]) / radius
    if shape == "circle":
        return x**2 + y**2 <= 1
    if shape == "square":
        return np.maximum(abs(x), abs(y)) <= 0.9
    return (2 * abs(x) <= y + 1) & (y <= 1)


class CaptionedShapes:
    """Images with captions, as :func:`companion.training.fit` takes them; validation has captions never trained on.

    Each epoch shows every training caption once, with a new image. Captions of a batch differ, as a contrastive loss
    supposes, but where a batch reaches from one epoch into the next.

    Args:
        size: pixels a side.
        held_out: share of the captions that only validation sees.
        seed: of which captions these are, and of validation's images.

    Raises:
        ValueError: where ``held_out`` leaves no caption on either side.

    Example:
        >>> images, captions = CaptionedShapes().batch(0, 16, seed=0)
        >>> images.shape, captions.shape
        (torch.Size([16, 3, 32, 32]), torch.Size([16, 8]))
    """

    def __init__(self, *, size: int = 32, held_out: float = 0.2, seed: int = 0) -> None:
        captions = np.random.default_rng(seed).permutation(all_captions()).tolist()
        kept = round(len(captions) * (1 - held_out))
        if not 0 < kept < len(captions):
            raise ValueError(f"expected held_out between 0 and 1, with captions on both sides, got {held_out}")
        self.size, self.seed = size, seed
        self.train_captions, self.validation_captions = captions[:kept], captions[kept:]

    def batch(self, step: int, batch_size: int, *, seed: int) -> tuple[Tensor, Tensor]:
        """Images and tokens of training step ``step``."""
        items = shuffled_items(len(self.train_captions), step, batch_size, seed=seed)
        return self._pairs([self.train_captions[item] for item in items], np.random.default_rng([seed, step, 1]))

    def fingerprint(self) -> dict[str, Any]:
        """What tells these batches from others."""
        captions = {"train": self.train_captions, "validation": self.validation_captions}
        return {"size": self.size, "seed": self.seed, **{name: digest_items(texts) for name, texts in captions.items()}}

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """One image of each held-out caption, the same each time."""
        pairs = self._pairs(self.validation_captions, np.random.default_rng(self.seed))
        yield from zip(*(tensor.split(batch_size) for tensor in pairs), strict=True)

    def _pairs(self, captions: list[str], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(draw_captions(captions, rng, size=self.size)), encode_captions(captions)
