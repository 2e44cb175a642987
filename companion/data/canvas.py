"""Small images on larger canvases: moved from the middle, and among pieces of other images.

Axes: n (images); channel; height and width of an image, size (rows and columns) of a canvas, in pixels.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def on_canvas(
    images: Float[Tensor, "n channel height width"], shifts: Int[np.ndarray, "n 2"], *, size: int
) -> Float[Tensor, "n channel {size} {size}"]:
    """Each image in the middle of an empty canvas, moved by its shift: pixels down, pixels to the right.

    Args:
        images: what is placed; where the rest of the canvas is even and the image is odd, the middle lies half a pixel
            up and to the left.
        shifts: for each image, may be negative.
        size: edge of the canvas in pixels.

    Raises:
        ValueError: for another number of shifts than of images, or an image that would leave its canvas.

    Example:
        >>> canvas = on_canvas(torch.ones(1, 1, 2, 2), np.array([[0, 1]]), size=4)
        >>> canvas[0, 0].int().tolist()
        [[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]]
    """
    if len(shifts) != len(images):
        raise ValueError(f"expected one shift an image, got {len(shifts)} shifts and {len(images)} images")
    edges = np.array(images.shape[2:])
    corners = (size - edges) // 2 + shifts
    if len(corners) and not (corners.min() >= 0 and (corners + edges).max() <= size):
        raise ValueError(
            f"expected images that stay on the canvas of {size} pixels, got images of {edges[0]}×{edges[1]} and shifts "
            f"from {shifts.min()} to {shifts.max()}: take a larger canvas, or smaller shifts"
        )
    canvases = images.new_zeros(*images.shape[:2], size, size)
    rows, ys, xs = _places(corners, *edges)
    canvases.movedim(1, -1)[rows, ys, xs] = images.movedim(1, -1)
    return canvases


def with_clutter(
    canvases: Float[Tensor, "n channel rows columns"],
    sources: Float[Tensor, "m channel height width"],
    *,
    pieces: int,
    edge: int,
    seed: int | np.random.Generator = 0,
) -> Float[Tensor, "n channel rows columns"]:
    """Copies with pieces of other images anywhere on them, where the brighter value is kept.

    Such clutter is made of the same strokes as what has to be recognized, so no threshold removes it (the idea is from
    Mnih et al. 2014, *Recurrent models of visual attention*).

    Args:
        canvases: what is cluttered; left alone.
        sources: where square pieces are cut from: images at random, at random places. Take those of the training set.
        pieces: number on each canvas.
        edge: of a piece, in pixels.
        seed: of images and places, or a generator, which goes on.

    Raises:
        ValueError: for a piece that is larger than a source or a canvas.

    Example:
        >>> cluttered = with_clutter(torch.zeros(3, 1, 8, 8), torch.ones(1, 1, 4, 4), pieces=1, edge=2)
        >>> cluttered.sum((1, 2, 3)).tolist()
        [4.0, 4.0, 4.0]
    """
    smallest = min(*canvases.shape[2:], *sources.shape[2:])
    if not 1 <= edge <= smallest:
        raise ValueError(f"expected an edge from 1 to {smallest}, the smallest canvas or source, got {edge}")
    generator, n = np.random.default_rng(seed), len(canvases)
    result = canvases.clone()
    channels_last, sources = result.movedim(1, -1), sources.movedim(1, -1)
    for _ in range(pieces):
        chosen = torch.from_numpy(generator.integers(len(sources), size=n))[:, None, None]
        cut = _places(generator.integers(np.array(sources.shape[1:3]) - edge + 1, size=(n, 2)), edge, edge)
        put = _places(generator.integers(np.array(canvases.shape[2:]) - edge + 1, size=(n, 2)), edge, edge)
        channels_last[put] = channels_last[put].maximum(sources[chosen, cut[1], cut[2]])
    return result


def _places(corners: Int[np.ndarray, "n 2"], height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of windows, by their top left corners: row, y and x, which broadcast to [n, height, width]."""
    tops, lefts = torch.from_numpy(corners).long()[:, :, None, None].unbind(1)
    return torch.arange(len(corners))[:, None, None], tops + torch.arange(height)[:, None], lefts + torch.arange(width)
