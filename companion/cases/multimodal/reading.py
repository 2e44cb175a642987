"""A picture file as the towers take it, read within limits; nothing in it is executed."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from companion.cases.multimodal.towers import SIDE

#: Bytes of a file, at most.
MOST_BYTES = 2**25
#: Pixels of a picture, at most.
MOST_PIXELS = 25_000_000


def read_picture(path: str | Path) -> UInt8[np.ndarray, "3 32 32"]:
    """A PNG, JPEG or WebP as 32×32 pixels: transparent parts white, turned as the camera says, white added to a square.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: in one line, for a file above ``MOST_BYTES``, of another kind, broken, below 8×8 or above
            ``MOST_PIXELS`` pixels.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a picture file, got {path}, where there is none")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(
            f"expected a file of at most {MOST_BYTES / 2**20:.0f} MB, got {size / 2**20:,.0f} MB in {path}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as picture:
                _check_size(path, *picture.size)
                return _square(picture)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise ValueError(f"expected at most {MOST_PIXELS:,} pixels, got many more in {path}") from None
    except (OSError, SyntaxError) as error:
        why = " ".join(str(error).split())[:120]
        raise ValueError(f"expected a whole PNG, JPEG or WebP, got {path} ({why})") from None


def _check_size(path: Path, width: int, height: int) -> None:
    if min(width, height) < 8 or width * height > MOST_PIXELS:
        raise ValueError(f"expected 8×8 to {MOST_PIXELS:,} pixels, got {width}×{height} in {path}")


def _square(picture: Image.Image) -> UInt8[np.ndarray, "3 32 32"]:
    upright = ImageOps.exif_transpose(picture).convert("RGBA")
    white = Image.new("RGBA", upright.size, "white")
    opaque = Image.alpha_composite(white, upright).convert("RGB")
    return np.asarray(ImageOps.pad(opaque, (SIDE, SIDE), color="white")).transpose(2, 0, 1)
