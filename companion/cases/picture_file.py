"""Opening a picture that somebody else made: what cannot be read, or would fill the memory, is refused in one line."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

#: A larger file is not opened, in bytes.
MOST_BYTES = 32 * 2**20

#: A larger picture is refused by its header, before its pixels are read, in pixels.
MOST_PIXELS = 40_000_000

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")


def open_picture(path: str | Path, *, least_edge: int = 16, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """A PNG, JPEG, GIF or WebP with its pixels read and turned upright as the camera says; nothing in it is executed.

    Gray of 16 bits stays as it is (:func:`is_deep`), and so does what is transparent. Of a photograph that carries its
    own preview (MPO, as telephones write) it is the photograph.

    Args:
        path: of the file.
        least_edge: in pixels.
        most_pixels: height times width, at most.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: in one line, for a file above ``MOST_BYTES``, one that is empty, broken or no picture, an animation,
            a shorter edge, more pixels.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a file with a picture, got {path}, where there is none")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"expected a file of at most {MOST_BYTES >> 20} MB, got {size >> 20:,} MB in {path}")
    with _in_one_line(path, most_pixels), Image.open(path, formats=_FORMATS) as opened:
        _check_header(path, opened, least_edge, most_pixels)
        opened.load()
        return ImageOps.exif_transpose(opened)


def is_deep(picture: Image.Image) -> bool:
    """Whether it is gray of 16 bits a pixel, which Pillow would cut at 255 where it is asked for another mode."""
    return picture.mode.startswith("I")


def in_8_bits(picture: Image.Image) -> Image.Image:
    """Gray of 16 bits scaled to 8; any other picture as it is."""
    if not is_deep(picture):
        return picture
    return Image.fromarray((np.asarray(picture, dtype=np.int64).clip(0, 65_535) // 257).astype(np.uint8))


def laid_on(picture: Image.Image, color: str) -> Image.Image:
    """A picture of 8 bits in red, green and blue, with ``color`` where it is transparent."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", picture.size, color), picture.convert("RGBA")).convert("RGB")


@contextmanager
def _in_one_line(path: Path, most_pixels: int) -> Iterator[None]:
    """What a broken file makes Pillow raise is any of a dozen kinds."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of too many pixels, where _check_header is stricter, and of odd metadata
            yield
    except Image.DecompressionBombError:
        raise ValueError(f"expected at most {most_pixels:,} pixels, got far more in {path}: shrink it") from None
    except Image.UnidentifiedImageError:
        raise ValueError(f"expected a PNG, JPEG, GIF or WebP picture, got {path}, which is none") from None
    except Exception as error:
        if str(error).startswith("expected "):
            raise
        why = " ".join(str(error).split())[:120]
        raise ValueError(f"expected a whole picture in {path}, got one that breaks off or is damaged ({why})") from None


def _check_header(path: Path, picture: Image.Image, least_edge: int, most_pixels: int) -> None:
    width, height = picture.size
    if width * height > most_pixels:
        raise ValueError(f"expected at most {most_pixels:,} pixels, got {width:,}×{height:,} in {path}: shrink it")
    if min(width, height) < least_edge:
        raise ValueError(f"expected edges of {least_edge} pixels at least, got {width}×{height} in {path}")
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":
        raise ValueError(f"expected one still picture, got {frames} frames in {path}: save one of them")
