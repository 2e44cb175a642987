"""Two classes of real pictures: squares cut from sixteen photographs of things people made and of things they did not.

The photographs are those that scikit-image and scikit-learn carry; the docstrings of ``skimage.data`` and
``sklearn.datasets.load_sample_images().DESCR`` credit them. From each a rectangle was chosen by eye in which the label
is true, and divided: training pictures lie in its left 72%, test pictures in the upper half of the rest, pictures for
calibration in the lower half, so that no pixel is in two parts. Within a part pictures overlap, and a photograph is in
all three: they are no independent samples.

Axes: picture; height and width in pixels; channel: red, green, blue.
"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from companion.checks import check_one_of

#: The classes, by their numbers.
CLASSES = ("natural", "made")

#: Edge of every picture that the classifier sees, in pixels.
EDGE = 32

Part = Literal["train", "calibration", "test"]

_SMALLEST, _LARGEST = 40, 96  # edges of the squares, in pixels of the photograph
_TRAIN = 0.72  # of the rectangle's width


@dataclass(frozen=True)
class Photograph:
    """A rectangle of a photograph.

    Attributes:
        name: what is to be seen.
        package: that carries the file, ``skimage`` or ``sklearn``.
        file: its path in the package.
        box: left, top, right and bottom of the rectangle, in pixels.
        label: the number of its class in ``CLASSES``.
    """

    name: str
    package: str
    file: str
    box: tuple[int, int, int, int]
    label: int

    def path(self) -> Path:
        """Where the file lies.

        Raises:
            ImportError: where scikit-image is not installed, naming the extra.
        """
        spec = find_spec(self.package)
        if spec is None or spec.origin is None:
            raise ImportError(
                'expected scikit-image for its photographs: pip install "large-models-companion[imaging]"'
            )
        return Path(spec.origin).parent / self.file

    def region(self, part: Part) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of one part, in pixels of the photograph."""
        left, top, right, bottom = self.box
        cut, middle = left + int(_TRAIN * (right - left)), (top + bottom) // 2
        regions = {
            "train": (left, top, cut, bottom),
            "test": (cut, top, right, middle),
            "calibration": (cut, middle, right, bottom),
        }
        return regions[part]


#: The photographs: eight of things that people made, then eight of things that they did not.
PHOTOGRAPHS = (
    Photograph("bricks", "skimage", "data/brick.png", (0, 0, 512, 512), 1),
    Photograph("coffee", "skimage", "data/coffee.png", (70, 0, 560, 395), 1),
    Photograph("coins", "skimage", "data/coins.png", (0, 0, 384, 303), 1),
    Photograph("motorcycle", "skimage", "data/motorcycle_left.png", (0, 0, 741, 500), 1),
    Photograph("pagoda", "sklearn", "datasets/images/china.jpg", (60, 40, 310, 320), 1),
    Photograph("space suit", "skimage", "data/astronaut.png", (0, 150, 512, 512), 1),
    Photograph("print", "skimage", "data/page.png", (0, 0, 384, 191), 1),
    Photograph("handwriting", "skimage", "data/text.png", (0, 0, 448, 172), 1),
    Photograph("grass", "skimage", "data/grass.png", (0, 0, 512, 512), 0),
    Photograph("gravel", "skimage", "data/gravel.png", (0, 0, 512, 512), 0),
    Photograph("moon", "skimage", "data/moon.png", (0, 0, 512, 512), 0),
    Photograph("retina", "skimage", "data/retina.jpg", (350, 350, 1_100, 1_100), 0),
    Photograph("tissue", "skimage", "data/ihc.png", (0, 0, 512, 512), 0),
    Photograph("galaxies", "skimage", "data/hubble_deep_field.jpg", (0, 0, 1_000, 872), 0),
    Photograph("cat", "skimage", "data/chelsea.png", (0, 0, 451, 300), 0),
    Photograph("dahlia", "sklearn", "datasets/images/flower.jpg", (0, 0, 640, 427), 0),
)


@dataclass(frozen=True)
class PictureSet:
    """Pictures with their labels, and where each was cut.

    Attributes:
        pixels: brightness of each channel, 0 to 255.
        labels: numbers of classes in ``CLASSES``.
        photographs: numbers in ``PHOTOGRAPHS``.
        squares: left, top and edge of the square in its photograph, in pixels.
    """

    pixels: UInt8[np.ndarray, "picture height width 3"]
    labels: Int[np.ndarray, " picture"]
    photographs: Int[np.ndarray, " picture"]
    squares: Int[np.ndarray, "picture 3"]


def pictures(part: Part, each: int, *, seed: int = 0) -> PictureSet:
    """Squares of 40 to 96 pixels from every photograph, each scaled to 32×32 by averaging; photograph after photograph.

    Args:
        part: train, calibration or test, which share no pixel.
        each: squares a photograph.
        seed: of sizes and places.

    Raises:
        ValueError: for an unknown part or ``each`` below 1.
        ImportError: without scikit-image, naming the extra.

    Example:
        >>> few = pictures("test", 2)
        >>> few.pixels.shape, few.labels[:3].tolist(), few.photographs[:3].tolist()
        ((32, 32, 32, 3), [1, 1, 1], [0, 0, 1])
    """
    check_one_of("part", part, get_args(Part))
    if each < 1:
        raise ValueError(f"expected one picture or more a photograph, got each={each}")
    rng = np.random.default_rng([seed, get_args(Part).index(part)])
    squares = np.concatenate([_squares(photograph.region(part), each, rng) for photograph in PHOTOGRAPHS])
    numbers = np.repeat(np.arange(len(PHOTOGRAPHS)), each)
    pixels = np.stack([cut(int(number), square) for number, square in zip(numbers, squares, strict=True)])
    labels = np.array([photograph.label for photograph in PHOTOGRAPHS])[numbers]
    return PictureSet(pixels, labels, numbers, squares)


def cut(number: int, square: Int[np.ndarray, "3"]) -> UInt8[np.ndarray, "height width 3"]:
    """One square of photograph ``number``, given by its left, top and edge, as the classifier sees it."""
    left, top, edge = (int(value) for value in square)
    return scaled(_opened(number), (left, top, left + edge, top + edge))


def scaled(picture: Image.Image, box: tuple[int, int, int, int]) -> UInt8[np.ndarray, "height width 3"]:
    """A square of an RGB picture as 32×32 pixels, each the mean of those that it covers."""
    return np.asarray(picture.resize((EDGE, EDGE), Image.Resampling.BOX, box=box))


@cache
def _opened(number: int) -> Image.Image:
    with Image.open(PHOTOGRAPHS[number].path()) as photograph:
        return photograph.convert("RGB")


def _squares(region: tuple[int, int, int, int], each: int, rng: np.random.Generator) -> Int[np.ndarray, "each 3"]:
    left, top, right, bottom = region
    edges = np.minimum(rng.integers(_SMALLEST, _LARGEST + 1, each), min(right - left, bottom - top))
    lefts = left + np.floor(rng.random(each) * (right - left - edges + 1)).astype(int)
    tops = top + np.floor(rng.random(each) * (bottom - top - edges + 1)).astype(int)
    return np.column_stack([lefts, tops, edges])
