r"""What a picture looks like, without learning: how often each color occurs, and which way its edges run.

Both are the free baseline of image classification: a linear model or neighbors on them train in a second.

Axes: picture; height and width in pixels; channel: red, green, blue; feature.
"""

import numpy as np
from jaxtyping import Float32, UInt8

_LEVELS = 4  # of each color channel
_CELL, _ANGLES = 8, 9

Pixels = UInt8[np.ndarray, "picture height width 3"]


def color_histogram(pixels: Pixels) -> Float32[np.ndarray, "picture 64"]:
    r"""The square root of the share of each of :math:`4^3` colors; squared, a row sums to 1.

    The root makes the Euclidean distance of two rows Hellinger's distance of the two distributions, in which a color
    that is rare in both counts as much as it should, and a large uniform background less.

    Example:
        >>> red = np.zeros((1, 8, 8, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
        >>> np.flatnonzero(color_histogram(red)[0]).tolist()
        [48]
    """
    levels = (pixels.astype(np.int64) * _LEVELS) // 256
    codes = (levels[..., 0] * _LEVELS + levels[..., 1]) * _LEVELS + levels[..., 2]
    n, colors = len(pixels), _LEVELS**3
    codes = codes.reshape(n, -1) + colors * np.arange(n)[:, None]
    counts = np.bincount(codes.ravel(), minlength=n * colors).reshape(n, colors)
    return np.sqrt(counts / codes.shape[1]).astype(np.float32)


def oriented_gradients(pixels: Pixels) -> Float32[np.ndarray, "picture feature"]:
    r"""Histograms of oriented gradients (Dalal & Triggs 2005): strength of edges in 9 directions, by cells of 8×8.

    Gray is the mean of the channels, the gradient the difference of the two neighbors, 0 at the border. Cells are
    normalized in blocks of 2×2 by L2-Hys: divided by their norm, cut at 0.2, divided again. As
    ``skimage.feature.hog(gray, 9, (8, 8), (2, 2))`` computes them, for many pictures at once.

    Raises:
        ValueError: for a height or width that is no multiple of 8, or below 16.

    Example:
        >>> oriented_gradients(np.zeros((2, 32, 32, 3), np.uint8)).shape
        (2, 324)
    """
    n, height, width, _ = pixels.shape
    if height % _CELL or width % _CELL or min(height, width) < 2 * _CELL:
        raise ValueError(f"expected pictures of multiples of {_CELL} pixels, 16 at least, got {height}×{width}")
    gray = pixels.mean(axis=3, dtype=np.float32) / 255
    down, right = np.zeros_like(gray), np.zeros_like(gray)
    down[:, 1:-1] = gray[:, 2:] - gray[:, :-2]
    right[:, :, 1:-1] = gray[:, :, 2:] - gray[:, :, :-2]
    angle = np.rad2deg(np.arctan2(down, right)) % 180
    bins = np.minimum((angle * (_ANGLES / 180)).astype(np.int64), _ANGLES - 1)
    rows, columns = height // _CELL, width // _CELL
    cell = (np.arange(height)[:, None] // _CELL) * columns + np.arange(width) // _CELL
    places = (np.arange(n)[:, None, None] * rows * columns + cell) * _ANGLES + bins
    sums = np.bincount(places.ravel(), np.hypot(down, right).ravel(), n * rows * columns * _ANGLES)
    return _blocks((sums / _CELL**2).astype(np.float32).reshape(n, rows, columns, _ANGLES))


def _blocks(cells: Float32[np.ndarray, "picture rows columns angle"]) -> Float32[np.ndarray, "picture feature"]:
    rows, columns = cells.shape[1] - 1, cells.shape[2] - 1
    blocks = np.concatenate([cells[:, i : i + rows, j : j + columns] for i in (0, 1) for j in (0, 1)], axis=-1)
    blocks = np.minimum(_unit(blocks), 0.2)
    return _unit(blocks).reshape(len(cells), -1)


def _unit(blocks: Float32[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    return blocks / np.sqrt((blocks**2).sum(axis=-1, keepdims=True) + np.float32(1e-10))


def features(pixels: Pixels) -> Float32[np.ndarray, "picture feature"]:
    """Colors and edges side by side, the edges at half weight so that neither decides a distance alone."""
    return np.concatenate([color_histogram(pixels), 0.5 * oriented_gradients(pixels)], axis=1)
