"""What was learned from calibration patients beside the weights: honest probabilities, and what to keep silent about.

Axes: class: 0 for nothing, then ``LESION_TYPES``; look: one of the four numbers of ``looks``.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import ndimage
from scipy.special import softmax

from companion.cases.segmentation.finding import most_suspicious

_FILE = Path(__file__).with_name("calibration.json")


@dataclass(frozen=True)
class Calibration:
    """What turns logits into an answer.

    Attributes:
        temperature: by which the classifier's logits are divided.
        no_region: how often slices without any proposal hold nothing, or a kind ``[class]``.
        answer_from: confidence from which an answer is given; infinity for never.
        center: mean looks of the calibration slices ``[look]``.
        precision: inverse of their covariance ``[look, look]``.
        familiar_to: distance from the center that 99 of 100 calibration slices keep.
    """

    temperature: float
    no_region: tuple[float, ...]
    answer_from: float
    center: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]
    familiar_to: float

    def region_probabilities(self, logits: Float[np.ndarray, "region class"]) -> Float[np.ndarray, "region class"]:
        """Of each region."""
        return softmax(logits / self.temperature, axis=1)

    def slice_probabilities(self, logits: Float[np.ndarray, "region class"]) -> Float[np.ndarray, " class"]:
        """Of the slice: those of its most suspicious region, or of slices like it where there is no region."""
        if not len(logits):
            return np.array(self.no_region)
        return self.region_probabilities(logits)[most_suspicious(logits)]

    def distance(self, image: Float[np.ndarray, "height width"]) -> float:
        """How unlike the calibration slices a normalized image looks: its Mahalanobis distance from their center."""
        away = looks(image) - self.center
        return float(np.sqrt(away @ np.array(self.precision) @ away))

    def save(self) -> None:
        """Writes it beside the weights."""
        _FILE.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


@cache
def recorded_calibration() -> Calibration:
    """That of the recorded run."""
    fields: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    fields |= {name: tuple(fields[name]) for name in ("no_region", "center")}
    fields["precision"] = tuple(tuple(row) for row in fields["precision"])
    return Calibration(**fields)


def looks(image: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "4"]:
    """The share of a normalized image that is no background, the mean and spread of its brightness, its roughness.

    Roughness is the logarithm of the mean absolute Laplacian: noise has much of it, a blurred picture little.
    """
    seen = image > 0.1
    bright = image[seen] if seen.any() else np.zeros(1)
    rough = np.abs(ndimage.laplace(image))[seen].mean() if seen.any() else 0.0
    return np.array([seen.mean(), bright.mean(), bright.std(), np.log(rough + 1e-3)], dtype=float)
