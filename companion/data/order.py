"""Which items a training step sees: a pure function of the step, so that a resumed run needs no loader to rewind."""

from functools import lru_cache

import numpy as np
from jaxtyping import Int


def shuffled_items(n: int, step: int, batch_size: int, *, seed: int) -> Int[np.ndarray, " batch_size"]:
    """The items of batch ``step`` when ``n`` items are shuffled anew each epoch and dealt out without gaps.

    Each epoch holds every item once; a batch may reach from one epoch into the next.

    Args:
        n: number of items.
        step: which batch, from 0.
        batch_size: items a batch.
        seed: of the order; the same seed and epoch give the same order on every machine.

    Raises:
        ValueError: where there is no item.
    """
    if n < 1:
        raise ValueError(f"expected at least one item to draw batches from, got {n}")
    places = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = places // n
    return np.concatenate([_epoch(n, int(e), seed)[places[epochs == e] % n] for e in np.unique(epochs)])


@lru_cache(maxsize=4)
def _epoch(n: int, epoch: int, seed: int) -> Int[np.ndarray, " n"]:
    return np.random.default_rng([seed, epoch]).permutation(n)
