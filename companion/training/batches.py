"""What training reads."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor


class Batches(Protocol):
    """What :func:`fit` reads: ``TokenBatches`` and ``TensorBatches`` of :mod:`companion.data`, or your own.

    Example:
        >>> import torch
        >>> from companion.models import MLP, MLPConfig
        >>> from companion.training import TrainConfig, fit
        >>> class Noise:  # every step has examples of its own
        ...     def batch(self, step, batch_size, *, seed):
        ...         x = torch.randn(batch_size, 1, generator=torch.Generator().manual_seed(seed + step))
        ...         return x, 2 * x
        ...     def validation(self, batch_size):
        ...         return iter(())  # none
        >>> history = fit(MLP(MLPConfig((1, 1), loss="squared_error")), Noise(), TrainConfig(steps=3, batch_size=8))
        >>> len(history.rows)
        3
    """

    def batch(self, step: int, batch_size: int, *, seed: int) -> tuple[Tensor, ...]:
        """The arguments of ``model.loss`` at ``step``: the same for the same arguments, whatever was asked before."""

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, ...]]:
        """The validation set, batch by batch; empty for none."""
