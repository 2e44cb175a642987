"""Two small extracts of medical and biological pictures that people have labeled: nuclei, and an averaged brain.

Axes: slice, from below to above; height and width in pixels, the front of the head on top.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

_EXTRACTS = Path(__file__).parent / "extracts"

#: What the numbers of ``BrainSlices.tissue`` mean.
TISSUES = ("outside", "other", "gray matter", "white matter")


@dataclass(frozen=True)
class BrainSlices:
    """Slices of one averaged head.

    Attributes:
        images: brightness, T1-weighted, 0 outside of the brain.
        tissue: the number of the tissue in ``TISSUES``.
        spacing: millimeters from one slice, row and column to the next.

    Example:
        >>> head = brain_slices()
        >>> head.images.shape == head.tissue.shape
        True
    """

    images: UInt8[np.ndarray, "slice height width"]
    tissue: UInt8[np.ndarray, "slice height width"]
    spacing: tuple[float, float, float]


def nuclei() -> tuple[UInt8[np.ndarray, "512 512"], UInt8[np.ndarray, "512 512"]]:
    """A fluorescence microscope's picture, and for each pixel 0 or the number of its nucleus, 1 to 125.

    Source:
        The test picture of stardist 0.9.2 (BSD-3-Clause), from the 2018 Data Science Bowl: Caicedo et al. 2019,
        "Nucleus segmentation across imaging experiments", *Nature Methods* 16. It is one picture: nothing here
        speaks of others.

    Example:
        >>> image, labels = nuclei()
        >>> image.shape, int(labels.max())
        ((512, 512), 125)
    """
    image, labels = (_picture("microscopy", name) for name in ("nuclei.png", "labels.png"))
    return image, labels


def brain_slices() -> BrainSlices:
    """36 slices of the averaged brain ICBM 152 (2009a, symmetric), 3 mm apart, pixels of 1.5 mm.

    One head, averaged from 152: neighboring slices are alike, and the folds are softer than anyone's.

    Source:
        Fonov, Evans, Botteron, Almli, McKinstry and Collins 2011, "Unbiased average age-appropriate atlases for
        pediatric studies", *NeuroImage* 54, in the form that nilearn 0.14.1 carries. What was done to it, and the
        licenses, stand beside the files.

    Example:
        >>> brain_slices().images.shape
        (36, 124, 104)
    """
    images, tissue = (_picture("brain", name).reshape(36, 124, 104) for name in ("slices.png", "tissue.png"))
    return BrainSlices(images, tissue, (3.0, 1.5, 1.5))


def _picture(folder: str, name: str) -> UInt8[np.ndarray, "height width"]:
    with Image.open(_EXTRACTS / folder / name) as picture:
        return np.array(picture)
