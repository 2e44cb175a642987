"""A data set that fits in memory, as :func:`companion.training.fit` takes it."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from companion.data.fingerprint import digest
from companion.data.order import shuffled_items


class TensorBatches:
    """Batches of rows of tensors that belong together, such as images and labels.

    Args:
        train: tensors of one length in their first axis.
        validation: the same kinds of tensors, for validation; none where it is left out.

    Raises:
        ValueError: where lengths differ or there is no row.

    Example:
        >>> images, labels = torch.rand(100, 1, 8, 8), torch.arange(100) % 10
        >>> data = TensorBatches((images[:80], labels[:80]), (images[80:], labels[80:]))
        >>> [tensor.shape for tensor in data.batch(0, 16, seed=0)]
        [torch.Size([16, 1, 8, 8]), torch.Size([16])]
        >>> sum(len(rows) for rows, _ in data.validation(8))
        20
    """

    def __init__(self, train: Sequence[Tensor], validation: Sequence[Tensor] = ()) -> None:
        for name, tensors in (("train", train), ("validation", validation)):
            lengths = [len(tensor) for tensor in tensors]
            if len(set(lengths)) > 1 or 0 in lengths or (name == "train" and not lengths):
                raise ValueError(f"expected {name} tensors of one length, at least 1, got lengths {lengths}")
        self.train, self.validation_set = tuple(train), tuple(validation)

    def batch(self, step: int, batch_size: int, *, seed: int) -> tuple[Tensor, ...]:
        """The rows that training step ``step`` sees."""
        rows = torch.from_numpy(shuffled_items(len(self.train[0]), step, batch_size, seed=seed))
        return tuple(tensor[rows] for tensor in self.train)

    def fingerprint(self) -> dict[str, Any]:
        """What tells these batches from others, of large tensors by samples (see ``companion.data.fingerprint``)."""
        return {
            "train": [digest(tensor) for tensor in self.train],
            "validation": [digest(tensor) for tensor in self.validation_set],
        }

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, ...]]:
        """All validation rows, in order."""
        if self.validation_set:
            yield from zip(*(tensor.split(batch_size) for tensor in self.validation_set), strict=True)
