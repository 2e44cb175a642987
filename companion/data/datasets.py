"""Any map-style data set (``len`` and ``[index]``), as :func:`companion.training.fit` takes it."""

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from companion.data.fingerprint import digest_items
from companion.data.order import shuffled_items


class MapDataset(Protocol):
    """What ``torch.utils.data.Dataset`` and many others are.

    Example:
        >>> images = [torch.zeros(3, 8, 8)] * 5  # a list is one, as every torch.utils.data.Dataset is
        >>> DatasetBatches([(image, torch.tensor(1)) for image in images]).batch(0, 2, seed=0)[0].shape
        torch.Size([2, 3, 8, 8])
    """

    def __len__(self) -> int:
        """Number of items."""

    def __getitem__(self, index: int, /) -> Any:
        """A tuple of tensors or numbers; the last one is the target."""


class _Rows:
    """The items of every step from ``first`` on, without end."""

    def __init__(self, n: int, first: int, batch_size: int, seed: int) -> None:
        self.n, self.first, self.batch_size, self.seed = n, first, batch_size, seed

    def __iter__(self) -> Iterator[list[int]]:
        step = self.first
        while True:
            yield shuffled_items(self.n, step, self.batch_size, seed=self.seed).tolist()
            step += 1


def _sample(items: MapDataset) -> list[Any]:
    places = sorted({*range(0, len(items), max(1, len(items) // 7)), len(items) - 1})
    sums = [(digest_items(items[place]), digest_items(items[place])) for place in places if len(items)]
    return [len(items), *(one if one == other else None for one, other in sums)]


class DatasetBatches:
    """Batches of a map-style data set whose items are read when they are needed, by other processes if asked.

    Which items a step sees depends on the step alone, so that a resumed run goes on where it was. What an item's own
    random augmentation draws does not come back with it: give each item its own generator if that has to be.

    Args:
        train: the training items.
        validation: the validation items; None for none.
        workers: processes that read ahead; 0 reads in this one.

    Raises:
        ValueError: where there is no training item or ``workers`` is negative.

    Example:
        >>> class Squares(torch.utils.data.Dataset):
        ...     def __len__(self):
        ...         return 10
        ...     def __getitem__(self, i):
        ...         return torch.tensor(i), torch.tensor(i * i)
        >>> x, y = DatasetBatches(Squares()).batch(0, 4, seed=0)
        >>> bool((y == x**2).all()), len(x)
        (True, 4)
    """

    def __init__(self, train: MapDataset, validation: MapDataset | None = None, *, workers: int = 0) -> None:
        if len(train) < 1:
            raise ValueError("expected at least one training item, got none")
        if workers < 0:
            raise ValueError(f"expected workers of at least 0, got {workers}")
        self.train, self.validation_set, self.workers = train, validation, workers
        self._next: tuple[int, int, int] | None = None  # step, batch_size and seed that the open loader gives next
        self._batches: Iterator[Any] = iter(())

    def batch(self, step: int, batch_size: int, *, seed: int) -> tuple[Tensor, ...]:
        """The items that training step ``step`` sees. Steps that follow each other are read ahead."""
        if self._next != (step, batch_size, seed):
            rows = _Rows(len(self.train), step, batch_size, seed)
            self._batches = iter(self._loader(self.train, batch_sampler=rows, seed=seed))
        self._next = (step + 1, batch_size, seed)
        return tuple(next(self._batches))

    def fingerprint(self) -> dict[str, Any]:
        """What tells these batches from others: lengths and a few items, but those that differ from reading to reading.

        Items of random augmentation do so, and cannot be compared.
        """
        sets = {"train": self.train, "validation": self.validation_set}
        return {name: _sample(items) for name, items in sets.items() if items is not None}

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, ...]]:
        """All validation items, in order."""
        if self.validation_set is not None:
            yield from map(tuple, self._loader(self.validation_set, batch_size=batch_size, seed=0))

    def _loader(self, items: MapDataset, *, seed: int, **options: Any) -> "DataLoader[Any]":
        # A generator of its own: the loader would draw from torch's, and a resumed run would draw once more.
        generator = torch.Generator().manual_seed(seed)
        return DataLoader(
            items,  # type: ignore[arg-type]
            num_workers=self.workers,
            collate_fn=default_collate,
            generator=generator,
            **options,
        )
