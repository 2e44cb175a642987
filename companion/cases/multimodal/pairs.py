"""Batches of pictograms with one of their names, each picture as a bad photograph might show it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from companion.cases.multimodal.towers import SIDE, TwoTowers
from companion.data import Pictogram, draw_pictograms
from companion.data.fingerprint import digest_items
from companion.data.order import shuffled_items

_TURN = 0.25  # radians
_ZOOM = 0.2
_SHIFT = 0.125  # of half a side
_LIGHT = 0.15
_NOISE = 0.03


def photograph(
    pictures: Float[Tensor, "picture 3 height width"], *, seed: int
) -> Float[Tensor, "picture 3 height width"]:
    """Pictures on white turned, zoomed, shifted, tinted and with noise, each in its own way. Synthetic.

    Uniform: turns of up to 0.25 radians, zooms of up to 20%, shifts of up to 6% of a side, each color lighter or darker
    by up to 15%; normal noise of standard deviation 0.03.

    Example:
        >>> photograph(torch.ones(2, 3, 32, 32), seed=0).shape
        torch.Size([2, 3, 32, 32])
    """
    generator = torch.Generator().manual_seed(seed)

    def within(limit: float, *shape: int) -> Tensor:
        return limit * (2 * torch.rand(*shape, generator=generator) - 1)

    n = len(pictures)
    turn, zoom = within(_TURN, n), 1 + within(_ZOOM, n)
    cosine, sine, shift = turn.cos() * zoom, turn.sin() * zoom, within(_SHIFT, n, 2)
    maps = torch.stack([cosine, -sine, shift[:, 0], sine, cosine, shift[:, 1]], dim=1).view(n, 2, 3)
    grid = F.affine_grid(maps, list(pictures.shape), align_corners=False)
    ink = F.grid_sample(1 - pictures, grid, align_corners=False)  # 0 beyond the edge: white
    tinted = (1 - ink) * (1 + within(_LIGHT, n, 3, 1, 1))
    return (tinted + _NOISE * torch.randn(tinted.shape, generator=generator)).clamp(0, 1)


def as_pictures(pixels: UInt8[np.ndarray, "picture 3 height width"]) -> Float[Tensor, "picture 3 height width"]:
    """Pixels from 0 to 255 as the towers take them, from 0 to 1."""
    return torch.tensor(pixels) / 255


class PictogramPairs:
    """Pictures with names, as :func:`companion.training.fit` takes them; no pictogram twice in a batch of an epoch.

    Args:
        pictograms: to train on.
        vectors: MiniLM's vector of each English name and alias, of which each batch draws one a pictogram.
        towers: whose characters number the Chinese names.

    Example:
        >>> from companion.data import pictograms
        >>> pears = [each for each in pictograms() if each.english == "pear"]
        >>> pairs = PictogramPairs(pears, {"pear": torch.ones(384)}, TwoTowers("梨"))
        >>> [tuple(each.shape) for each in pairs.batch(0, 1, seed=0)]
        [(1, 3, 32, 32), (1, 384), (1, 1)]
    """

    def __init__(self, pictograms: Sequence[Pictogram], vectors: Mapping[str, Tensor], towers: TwoTowers) -> None:
        self.pictures = as_pictures(draw_pictograms([each.character for each in pictograms], size=SIDE))
        self.names = [(each.english, *each.aliases) for each in pictograms]
        self.vectors = vectors
        self.chinese = towers.number_characters([each.chinese for each in pictograms])

    def batch(self, step: int, batch_size: int, *, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures, English vectors and Chinese characters of training step ``step``."""
        rng = np.random.default_rng([seed, step])
        items = np.array(shuffled_items(len(self.names), step, batch_size, seed=seed))
        names = [self.names[item][rng.integers(len(self.names[item]))] for item in items]
        pictures = photograph(self.pictures[items], seed=int(rng.integers(2**31)))
        return pictures, torch.stack([self.vectors[name] for name in names]), self.chinese[items]

    def fingerprint(self) -> dict[str, Any]:
        """What tells these batches from others."""
        return {"names": digest_items([name for names in self.names for name in names])}

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Nothing: what was held out is tested apart."""
        yield from ()
