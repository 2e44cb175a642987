"""The application: a picture in; a class with a calibrated probability and the nearest training pictures out.

A probability is calibrated for pictures like those of calibration: other places in the same sixteen photographs. For a
picture that lies farther from every training picture than those do, no probability was ever checked, and no class is
given: the answer then names the nearest pictures and says so.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from safetensors.numpy import load_file
from scipy.special import softmax

from companion.cases.pictures import network
from companion.cases.pictures.photographs import CLASSES, PHOTOGRAPHS, cut
from companion.cases.pictures.reading import Picture, read_picture
from companion.stats import Interval, proportion_ci

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class PictureCalibration:
    """What was learned from pictures that the network did not train on.

    Attributes:
        temperature: by which logits are divided.
        familiar_to: distance to the nearest training picture that 95 of 100 calibration pictures keep.
        right: test pictures, other places of the same photographs, that were familiar and got the right class.
        tested: test pictures that were familiar.
        right_elsewhere: test pictures that got the right class where their photograph was left out of training.
        tested_elsewhere: test pictures of photographs that were left out.
    """

    temperature: float
    familiar_to: float
    right: int
    tested: int
    right_elsewhere: int
    tested_elsewhere: int

    def save(self) -> None:
        """Writes it beside the weights."""
        (_HERE / "calibration.json").write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Neighbor:
    """A training picture.

    Attributes:
        photograph: its number in ``PHOTOGRAPHS``.
        square: left, top and edge in that photograph, in pixels.
        distance: to the picture asked about, between descriptions: from 0 to 2.
    """

    photograph: int
    square: tuple[int, int, int]
    distance: float

    def __str__(self) -> str:
        seen = PHOTOGRAPHS[self.photograph]
        left, top, edge = self.square
        return f"{seen.name} ({CLASSES[seen.label]}), {edge} pixels at {left}, {top}, distance {self.distance:.2f}"


@dataclass(frozen=True)
class PictureAnswer:
    """What the program makes of a picture.

    Attributes:
        answer: one of ``CLASSES``, or None where the picture is unlike all that it learned from.
        probabilities: of each of ``CLASSES``, calibrated; they add up to 1.
        checked: how often familiar test pictures got the right class, with an interval; it takes them as independent.
        elsewhere: the same of photographs that a network of the same kind had not seen, which is what a user has.
        neighbors: the nearest training pictures, nearest first.
        familiar_to: the largest distance at which a class is given.
        picture: as the network saw it, and what was changed.
    """

    answer: str | None
    probabilities: dict[str, float]
    checked: Interval
    elsewhere: Interval
    neighbors: tuple[Neighbor, ...]
    familiar_to: float
    picture: Picture


def classify_picture(path: str | Path, *, n_neighbors: int = 5) -> PictureAnswer:
    """Reads a picture file and says what it is.

    Args:
        path: of a PNG, JPEG, GIF or WebP file.
        n_neighbors: training pictures to name, 1 to 20.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: for what :func:`read_picture` refuses, or another number of neighbors.
    """
    if not 1 <= n_neighbors <= 20:
        raise ValueError(f"expected 1 to 20 neighbors, got {n_neighbors}")
    picture = read_picture(path)
    model, calibration = network.trained_network(), recorded_calibration()
    pixels = picture.pixels[None]
    probabilities = softmax(network.logits(model, pixels)[0].astype(float) / calibration.temperature)
    neighbors = nearest(network.descriptions(model, pixels)[0], n_neighbors)
    familiar = neighbors[0].distance <= calibration.familiar_to
    return PictureAnswer(
        CLASSES[int(probabilities.argmax())] if familiar else None,
        {name: float(value) for name, value in zip(CLASSES, probabilities, strict=True)},
        proportion_ci(calibration.right, calibration.tested),
        proportion_ci(calibration.right_elsewhere, calibration.tested_elsewhere),
        neighbors,
        calibration.familiar_to,
        picture,
    )


@cache
def recorded_calibration() -> PictureCalibration:
    """That of the recorded run."""
    fields: dict[str, Any] = json.loads((_HERE / "calibration.json").read_text(encoding="utf-8"))
    return PictureCalibration(**fields)


@cache
def _gallery() -> tuple[Float[np.ndarray, "picture description"], Int[np.ndarray, "picture 4"]]:
    """Descriptions of one training picture in six, and of each its photograph, left, top and edge."""
    stored = load_file(_HERE / "gallery.safetensors")
    return stored["descriptions"].astype(np.float64), stored["places"].astype(np.int64)


def nearest(description: Float[np.ndarray, " description"], count: int) -> tuple[Neighbor, ...]:
    """The stored training pictures whose descriptions are nearest to this one."""
    known, places = _gallery()
    distances = np.linalg.norm(known - description, axis=1)
    chosen = np.argsort(distances, kind="stable")[:count]
    return tuple(_neighbor(places[i].tolist(), float(distances[i])) for i in chosen)


def _neighbor(place: list[int], distance: float) -> Neighbor:
    photograph, left, top, edge = place
    return Neighbor(photograph, (left, top, edge), distance)


def draw_answer(answer: PictureAnswer, path: str | Path) -> None:
    """Writes a PNG: the picture as the network saw it, and the nearest training pictures beside it.

    Raises:
        ValueError: for a name that does not end in ``.png``.
        FileNotFoundError: where the folder does not exist.
        ImportError: without scikit-image, whose photographs are shown.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"expected a file that ends in .png for the picture, got {path}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"expected a folder that exists for the picture, got {path.parent}")
    figure = Figure(figsize=(1.5 * (1 + len(answer.neighbors)), 2.2))
    axes = figure.subplots(1, 1 + len(answer.neighbors))
    axes[0].imshow(answer.picture.pixels)
    axes[0].set_title("yours", fontsize=10)
    for each, neighbor in zip(axes[1:], answer.neighbors, strict=True):
        each.imshow(cut(neighbor.photograph, np.array(neighbor.square)))
        seen = PHOTOGRAPHS[neighbor.photograph]
        each.set_title(f"{seen.name}\n{CLASSES[seen.label]}, {neighbor.distance:.2f}", fontsize=9)
    for each in axes:
        each.set_axis_off()
    figure.savefig(path, dpi=100, bbox_inches="tight")
