"""The application: a file in, regions with calibrated probabilities out, and the word 'doctor' wherever it is unsure.

It is no medical device. Its networks saw lesions that were planted in one averaged brain, so that whatever it says of
a scan of a person is for looking at how such a program is built, and for nothing else.

Axes: height and width in pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int
from scipy import ndimage

from companion.cases.segmentation.calibration import Calibration, recorded_calibration
from companion.cases.segmentation.finding import lesion_probability, normalize, propose, trained_networks, type_logits
from companion.cases.segmentation.patients import LESION_TYPES, SPACING
from companion.cases.segmentation.scans import Scan, read_scan

#: What an answer may be.
ANSWERS = ("nothing", *LESION_TYPES)

#: What every output says.
NOTICE = "Not a medical device: trained on synthetic lesions in one averaged brain, and tested on nobody."

#: A picture without spacing is brought to this many pixels along its longer edge, which a head then fills.
_EDGE = 124
_LARGEST = 512


@dataclass(frozen=True)
class Region:
    """A place that may be a lesion.

    Attributes:
        number: of its pixels in ``ImageReading.regions_map``, from 1.
        row: of its center in the picture, in pixels from the top.
        column: from the left.
        area: in mm², or None where the file does not say how large a pixel is.
        probabilities: of each of ``ANSWERS``, calibrated; they add up to 1.
    """

    number: int
    row: float
    column: float
    area: float | None
    probabilities: dict[str, float]


@dataclass(frozen=True)
class ImageReading:
    """What the program makes of one picture.

    Attributes:
        answer: one of ``ANSWERS``, or None: send it to a doctor.
        reasons: why it goes to a doctor; empty where there is an answer.
        probabilities: of each of ``ANSWERS`` for the picture as a whole, calibrated on synthetic patients.
        regions: the most suspicious first.
        image: the picture as the networks saw it, brightness 0 to 1.5, pixels of 1.5 mm where spacing is known.
        regions_map: the number of the region of each pixel of ``image``, or 0.
    """

    answer: str | None
    reasons: tuple[str, ...]
    probabilities: dict[str, float]
    regions: tuple[Region, ...]
    image: Float32[np.ndarray, "height width"]
    regions_map: Int[np.ndarray, "height width"]


def read_image(path: str | Path) -> ImageReading:
    """Reads one slice, DICOM, PNG or JPEG, and says what is in it or why it does not say.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: for what :func:`read_scan` refuses, and where a pixel is so large that the picture is no head.
        ImportError: for DICOM without pydicom.
    """
    scan = read_scan(path)
    calibration = recorded_calibration()
    image, scale = _resampled(scan)
    regions_net, types_net = trained_networks()
    proposed = propose(image, lesion_probability(regions_net, image[None])[0])
    logits = type_logits(types_net, proposed.patches)
    of_slice = calibration.slice_probabilities(logits)
    regions = _regions(proposed.numbers, calibration.region_probabilities(logits), scan, scale)
    reasons = _reasons(scan, calibration, of_slice, calibration.distance(image))
    answer = None if reasons else ANSWERS[int(of_slice.argmax())]
    return ImageReading(answer, reasons, _named(of_slice), regions, image, proposed.numbers)


def _resampled(scan: Scan) -> tuple[Float32[np.ndarray, "height width"], tuple[float, float]]:
    """The picture in pixels of 1.5 mm, normalized, and how many of them one pixel of the file is, down and across."""
    height, width = scan.values.shape
    if scan.spacing is None:
        scale = (_EDGE / max(height, width),) * 2
    else:
        scale = (scan.spacing[0] / SPACING[1], scan.spacing[1] / SPACING[2])
    size = round(height * scale[0]), round(width * scale[1])
    if min(size) < 16 or max(size) > _LARGEST:
        raise ValueError(
            f"expected a picture of {16 * SPACING[1]:.0f} to {_LARGEST * SPACING[1]:.0f} mm each way, got "
            f"{size[0] * SPACING[1]:.0f}×{size[1] * SPACING[2]:.0f} mm: look at the file's spacing"
        )
    shown = scan.shown()
    if max(scale) < 1:  # fine pixels are averaged before some of them are left out
        shown = ndimage.gaussian_filter(shown, [0.4 / each for each in scale])
    return normalize(ndimage.zoom(shown, scale, order=1)), scale


def _regions(
    numbers: Int[np.ndarray, "height width"], probabilities: np.ndarray, scan: Scan, scale: tuple[float, float]
) -> tuple[Region, ...]:
    found = []
    for number, row in enumerate(probabilities, start=1):
        y, x = (float(each.mean()) for each in np.nonzero(numbers == number))
        pixels = int((numbers == number).sum())
        area = None if scan.spacing is None else pixels * SPACING[1] * SPACING[2]
        found.append(Region(number, y / scale[0], x / scale[1], area, _named(row)))
    return tuple(sorted(found, key=lambda region: region.probabilities["nothing"]))


def _named(probabilities: np.ndarray) -> dict[str, float]:
    return {name: float(value) for name, value in zip(ANSWERS, probabilities, strict=True)}


def _reasons(scan: Scan, calibration: Calibration, of_slice: np.ndarray, distance: float) -> tuple[str, ...]:
    """Why not to answer: the wrong kind of file, a picture unlike those learned from, or an unsure answer."""
    reasons = []
    if scan.modality != "MR":
        reasons.append(f"it learned from MR slices, and this is {scan.modality}")
    if scan.spacing is None:
        reasons.append("the file does not say how large a pixel is")
    if distance > calibration.familiar_to:
        far = f"{distance:.1f}, and theirs are up to {calibration.familiar_to:.1f}"
        reasons.append(f"the picture is unlike those it learned from (distance {far})")
    if (sure := float(of_slice.max())) < calibration.answer_from:
        likely = ANSWERS[int(of_slice.argmax())]
        reasons.append(f"unsure: {likely} with probability {sure:.2f}, and it answers from {calibration.answer_from}")
    return tuple(reasons)
