"""A picture file as the towers take it."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import ImageOps

from companion.cases.multimodal.towers import SIDE
from companion.cases.picture_file import in_8_bits, laid_on, open_picture


def read_picture(path: str | Path) -> UInt8[np.ndarray, "3 32 32"]:
    """A PNG, JPEG, GIF or WebP as 32×32 pixels: transparent parts white, upright, white added to a square.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: in one line, for a file above 32 MB, one that is empty, broken or no picture, an animation, an edge
            below 8 pixels, more than 40 million pixels.
    """
    opaque = laid_on(in_8_bits(open_picture(path, least_edge=8)), "white")
    return np.asarray(ImageOps.pad(opaque, (SIDE, SIDE), color="white")).transpose(2, 0, 1)
