"""Reading a picture that somebody else made: what cannot be read, or would fill the memory, is refused in one line.

Axes: height and width in pixels.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from companion.cases.pictures.photographs import scaled

#: A larger file is not opened, in bytes.
MOST_BYTES = 32 * 2**20

#: A larger picture is refused by its header, before its pixels are read, in pixels.
MOST_PIXELS = 40_000_000

_LEAST_EDGE = 16
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")


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
        ValueError: in one line, for a file above ``MOST_BYTES``, one that is empty, broken or no picture, an animation,
            an edge below 16 pixels, more than ``MOST_PIXELS``.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a file with a picture, got {path}, where there is none")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"expected a file of at most {MOST_BYTES >> 20} MB, got {size >> 20:,} MB in {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # _check_header is stricter
            with Image.open(path, formats=_FORMATS) as opened:
                _check_header(path, opened)
                opened.load()
                return _prepared(ImageOps.exif_transpose(opened))
    except Image.DecompressionBombError:
        raise ValueError(f"expected at most {MOST_PIXELS:,} pixels, got far more in {path}: shrink it") from None
    except Image.UnidentifiedImageError:
        raise ValueError(f"expected a PNG, JPEG, GIF or WebP picture, got {path}, which is none") from None
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(
            f"expected a whole picture in {path}, got one that breaks off or is damaged ({error})"
        ) from None


def _check_header(path: Path, picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise ValueError(f"expected at most {MOST_PIXELS:,} pixels, got {width:,}×{height:,} in {path}: shrink it")
    if min(width, height) < _LEAST_EDGE:
        raise ValueError(f"expected edges of {_LEAST_EDGE} pixels at least, got {width}×{height} in {path}")
    if (frames := getattr(picture, "n_frames", 1)) > 1:
        raise ValueError(f"expected one still picture, got {frames} frames in {path}: save one of them")


def _prepared(picture: Image.Image) -> Picture:
    notes = []
    if picture.mode.startswith("I"):
        notes.append("16 bits a pixel: scaled to 8")
        picture = Image.fromarray((np.asarray(picture, dtype=np.int64).clip(0, 65_535) // 257).astype(np.uint8))
    if picture.mode in {"1", "L", "LA"}:
        notes.append("gray: no colors to go by")
    if picture.has_transparency_data:
        notes.append("transparent: laid on white")
        above = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), above)
    width, height = picture.size
    edge = min(width, height)
    if width != height:
        notes.append(f"{width}×{height} pixels: only the {edge}×{edge} in the middle are looked at")
    left, top = (width - edge) // 2, (height - edge) // 2
    return Picture(scaled(picture.convert("RGB"), (left, top, left + edge, top + edge)), tuple(notes))
