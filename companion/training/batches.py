"""What training reads."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor


class Batches(Protocol):
    """What :func:`fit` reads: ``TokenBatches`` and ``TensorBatches`` of :mod:`companion.data`, or your own."""

    def batch(self, step: int, batch_size: int, *, seed: int) -> tuple[Tensor, ...]:
        """The arguments of ``model.loss`` at ``step``: the same for the same arguments, whatever was asked before."""

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, ...]]:
        """The validation set, batch by batch; empty for none."""
