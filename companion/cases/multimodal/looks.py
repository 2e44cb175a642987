"""What pictures look like without any learning: colors, outlines, a thumbnail. The free baselines of the picture tower.

Axes: picture; color (red, green, blue: from 0 to 255); height, width; number.
"""

import numpy as np
from jaxtyping import Float, UInt8

Pictures = UInt8[np.ndarray, "picture 3 side side"]
Vectors = Float[np.ndarray, "picture number"]

_LEVELS = 4


def color_histograms(pictures: Pictures) -> Vectors:
    """The roots of the parts of pixels in each of 64 boxes of color: vectors of length 1, which forget all places.

    The scalar product of two is the Bhattacharyya coefficient of their colors.

    Example:
        >>> color_histograms(np.zeros((1, 3, 8, 8), dtype=np.uint8)).sum()
        np.float64(1.0)
    """
    boxes = np.tensordot([_LEVELS**2, _LEVELS, 1], pictures.astype(np.int64) * _LEVELS // 256, axes=(0, 1))
    counts = np.stack([np.bincount(each.ravel(), minlength=_LEVELS**3) for each in boxes])
    return np.sqrt(counts / boxes[0].size)


def outline_histograms(pictures: Pictures) -> Vectors:
    """Histograms of oriented gradients, which forget colors: vectors of length 1.

    Source:
        Dalal and Triggs 2005, by scikit-image: 8 directions, cells of 8×8 pixels, blocks of 2×2 cells.

    Raises:
        ImportError: without scikit-image, naming the extra.

    Example:
        >>> outline_histograms(np.zeros((1, 3, 32, 32), dtype=np.uint8)).shape
        (1, 288)
    """
    try:
        from skimage.feature import hog
    except ImportError:
        raise ImportError('expected scikit-image: pip install "large-models-companion[imaging]"') from None
    sizes = {"orientations": 8, "pixels_per_cell": (8, 8), "cells_per_block": (2, 2)}
    return _unit(np.stack([hog(each, channel_axis=0, **sizes) for each in pictures]))


def thumbnails(pictures: Pictures, *, side: int = 8) -> Vectors:
    """Means of blocks of pixels, less the mean picture's gray, as vectors of length 1: nearest neighbors by pixels.

    Example:
        >>> thumbnails(np.arange(2 * 3 * 256, dtype=np.uint8).reshape(2, 3, 16, 16)).shape
        (2, 192)
    """
    block = pictures.shape[2] // side
    means = pictures.reshape(len(pictures), 3, side, block, side, block).mean(axis=(3, 5))
    return _unit(255 - means.reshape(len(pictures), -1))


def look_vectors(pictures: Pictures) -> Vectors:
    """Colors, outlines and thumbnail side by side, of equal weight: their scalar product is the mean of three cosines.

    Example:
        >>> look_vectors(np.zeros((1, 3, 32, 32), dtype=np.uint8)).shape
        (1, 544)
    """
    parts = color_histograms(pictures), outline_histograms(pictures), thumbnails(pictures)
    return np.concatenate(parts, axis=1) / np.sqrt(len(parts))


def _unit(vectors: Vectors) -> Vectors:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
