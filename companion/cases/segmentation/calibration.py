"""What was learned from calibration patients beside the weights: honest probabilities, and what to keep silent about.

Axes: class: 0 for nothing, then ``LESION_TYPES``; bin of brightness.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from companion.cases.segmentation.finding import most_suspicious

_FILE = Path(__file__).with_name("calibration.json")

#: Bins of brightness, of all that is no background, that say how familiar a picture looks.
BINS = 12


@dataclass(frozen=True)
class Calibration:
    """What turns logits into an answer.

    Attributes:
        temperature: by which the classifier's logits are divided.
        no_region: how often slices without any proposal hold nothing, or a kind ``[class]``.
        answer_from: confidence from which an answer is given; infinity for never.
        brightness: mean histogram of the calibration slices ``[bin]``.
        familiar_to: largest distance from it at which a picture counts as one of them.
    """

    temperature: float
    no_region: tuple[float, ...]
    answer_from: float
    brightness: tuple[float, ...]
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
        """How unlike the calibration slices a normalized image is in brightness: total variation, 0 to 1."""
        return float(np.abs(brightness(image) - self.brightness).sum() / 2)

    def save(self) -> None:
        """Writes it beside the weights."""
        _FILE.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


@cache
def recorded_calibration() -> Calibration:
    """That of the recorded run."""
    fields: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    fields |= {name: tuple(fields[name]) for name in ("no_region", "brightness")}
    return Calibration(**fields)


def brightness(image: Float[np.ndarray, "height width"]) -> Float[np.ndarray, " bin"]:
    """The histogram of a normalized image: one bin for the share of background, the others for the rest."""
    seen = image > 0.1
    counts, _ = np.histogram(image[seen], bins=BINS - 1, range=(0.1, 1.5))
    return np.concatenate([[1 - seen.mean()], seen.mean() * counts / max(int(seen.sum()), 1)])
