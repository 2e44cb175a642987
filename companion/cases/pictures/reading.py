"""A picture that somebody else made as the classifier sees it.

Axes: height and width in pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from companion.cases.picture_file import in_8_bits, is_deep, laid_on, open_picture
from companion.cases.pictures.photographs import scaled


@dataclass(frozen=True)
class Picture:
    """A picture as the classifier sees it.

    Attributes:
        pixels: the square in its middle, scaled to 32×32.
        notes: what was changed on the way, a line each.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    notes: tuple[str, ...]


def read_picture(path: str | Path) -> Picture:
    """The middle square of a PNG, JPEG, GIF or WebP file, upright, in color, on white, at 32×32 pixels.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: in one line, for a file above 32 MB, one that is empty, broken or no picture, an animation, an edge
            below 16 pixels, more than 40 million pixels.
    """
    return _prepared(open_picture(path))


def _prepared(picture: Image.Image) -> Picture:
    notes = ["16 bits a pixel: scaled to 8"] if is_deep(picture) else []
    picture = in_8_bits(picture)
    if picture.mode in {"1", "L", "LA"}:
        notes.append("gray: no colors to go by")
    if picture.has_transparency_data:
        notes.append("transparent: laid on white")
    width, height = picture.size
    edge = min(width, height)
    if width != height:
        notes.append(f"{width}×{height} pixels: only the {edge}×{edge} in the middle are looked at")
    left, top = (width - edge) // 2, (height - edge) // 2
    return Picture(scaled(laid_on(picture, "white"), (left, top, left + edge, top + edge)), tuple(notes))
