"""Reading one picture: a DICOM file with its window and spacing, or a PNG or JPEG; what cannot be read is refused.

Axes: height and width in pixels.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from companion.cases.picture_file import is_deep, laid_on, open_picture

#: A larger file is not opened, in bytes: one slice is never so large.
MOST_BYTES = 64 * 2**20

#: A larger picture is refused before its pixels are read, in pixels.
MOST_PIXELS = 4096 * 4096


@dataclass(frozen=True)
class Scan:
    """One picture.

    Attributes:
        values: what the pixels mean: Hounsfield units for CT, brightness in arbitrary units for MR, 0 to 1 else.
        window: the darkest and the brightest value to show.
        spacing: millimeters from row to row and from column to column; None where the file does not say.
        modality: ``MR``, ``CT``, or another of DICOM's words; ``picture`` for PNG and JPEG.
    """

    values: Float32[np.ndarray, "height width"]
    window: tuple[float, float]
    spacing: tuple[float, float] | None
    modality: str

    def shown(self) -> Float32[np.ndarray, "height width"]:
        """Brightness from 0 to 1: what lies outside of the window is black or white."""
        return windowed(self.values, *self.window)


def windowed(values: Float[np.ndarray, "height width"], low: float, high: float) -> Float32[np.ndarray, "height width"]:
    """Brightness from 0 at ``low`` to 1 at ``high``.

    Raises:
        ValueError: where ``high`` is not above ``low``.

    Example:
        >>> windowed(np.array([[-1000.0, 40.0, 900.0]]), -160.0, 240.0).round(2).tolist()
        [[0.0, 0.5, 1.0]]
    """
    if not high > low:
        raise ValueError(f"expected a window that ends above its start, got {low} to {high}")
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)


def read_scan(path: str | Path) -> Scan:
    """One slice from a file: DICOM where it is one, whatever it is called, else PNG or JPEG.

    Stored numbers are turned into values by rescale slope and intercept; MONOCHROME1, in which large is dark, is turned
    round. The window is the file's first, or the 1st to 99th percentile. PNG and JPEG are turned upright as the camera
    says, and black where they are transparent. Nothing in the file is executed, and nothing that it names is opened.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: in one line, for a file above ``MOST_BYTES``, a broken or empty one, one without a picture, several
            frames, color in a DICOM file, too many pixels, a compression that this installation cannot read.
        ImportError: for DICOM without pydicom, naming the extra.

    Example:
        >>> from pydicom.data import get_testdata_file
        >>> scan = read_scan(get_testdata_file("CT_small.dcm"))
        >>> scan.modality, scan.values.shape, scan.spacing, float(scan.values.min())
        ('CT', (128, 128), (0.661468, 0.661468), -896.0)
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a file with a scan, got {path}, where there is none")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(
            f"expected a file of at most {MOST_BYTES / 2**20:.0f} MB, one slice, got {size / 2**20:,.0f} MB in {path}: "
            "export single slices"
        )
    with path.open("rb") as file:
        start = file.read(132)
    if start.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        return _picture(path)
    if start[128:] == b"DICM" or path.suffix.lower() in {".dcm", ".dicom", ".ima"}:
        return _dicom(path)
    raise ValueError(f"expected DICOM, PNG or JPEG, got {path}, which begins like none of them")


def _picture(path: Path) -> Scan:
    picture = open_picture(path, most_pixels=MOST_PIXELS)
    if is_deep(picture):
        values = np.array(picture, dtype=np.float32) / 65_535
    else:
        values = np.array(laid_on(picture, "black").convert("L"), dtype=np.float32) / 255
    return Scan(values, _percentiles(values), None, "picture")


def _dicom(path: Path) -> Scan:
    try:
        import pydicom
        from pydicom.pixels import apply_rescale
    except ImportError:
        raise ImportError('expected pydicom for DICOM files: pip install "large-models-companion[imaging]"') from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that do not keep the standard: what we need is checked below
        try:
            data = pydicom.dcmread(path, force=True)
            _check_picture(path, data)
            values = apply_rescale(data.pixel_array, data).astype(np.float32)
        except ValueError as error:
            if str(error).startswith("expected "):
                raise
            raise ValueError(_broken(path, error)) from None
        except Exception as error:  # what a broken file makes pydicom raise is any of a dozen kinds
            raise ValueError(_broken(path, error)) from None
        window, spacing = _window(data, values), _spacing(data)
    if data.PhotometricInterpretation == "MONOCHROME1":
        values, window = -values, (-window[1], -window[0])
    return Scan(values, window, spacing, str(data.get("Modality", "") or "unknown"))


def _broken(path: Path, error: Exception) -> str:
    why = " ".join(str(error).split())[:120]
    return f"expected a whole DICOM file that can be read here, got {path} ({type(error).__name__}: {why})"


def _check_picture(path: Path, data: Any) -> None:
    """Refuses by the header what is not one gray picture, before a pixel is read."""
    if "PixelData" not in data or "Rows" not in data:
        raise ValueError(f"expected a DICOM file with a picture, got {path}, which has none")
    frames, samples = int(data.get("NumberOfFrames", 1) or 1), int(data.get("SamplesPerPixel", 1))
    if frames != 1 or samples != 1:
        raise ValueError(f"expected one gray slice, got {frames} frames of {samples} numbers a pixel in {path}")
    _check_size(path, int(data.Rows), int(data.Columns))


def _check_size(path: Path, height: int, width: int) -> None:
    if height < 16 or width < 16 or height * width > MOST_PIXELS:
        raise ValueError(f"expected 16×16 to {MOST_PIXELS:,} pixels, got {height}×{width} in {path}")


def _window(data: Any, values: Float32[np.ndarray, "height width"]) -> tuple[float, float]:
    """The file's first window; DICOM's center and width, without its shift of half a stored number."""
    centers, widths = (np.atleast_1d(data.get(name) or []) for name in ("WindowCenter", "WindowWidth"))
    if len(centers) and len(widths) and float(widths[0]) > 0:
        center, width = float(centers[0]), float(widths[0])
        return center - width / 2, center + width / 2
    return _percentiles(values)


def _percentiles(values: Float32[np.ndarray, "height width"]) -> tuple[float, float]:
    low, high = (float(each) for each in np.percentile(values, [1, 99]))
    return low, high if high > low else low + 1


def _spacing(data: Any) -> tuple[float, float] | None:
    """Millimeters between rows and columns, in the patient where known, at the detector else."""
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        values = data.get(name)
        if values is not None and len(values) == 2 and all(0.01 < float(each) < 50 for each in values):
            return float(values[0]), float(values[1])
    return None
