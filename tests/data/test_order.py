"""The order of items: each epoch holds all, and each has an order of its own."""

import numpy as np
import pytest

from companion.data.order import shuffled_items


def epochs(n, batch_size, count, seed=0):
    steps = -(-n * count // batch_size)
    dealt = np.concatenate([shuffled_items(n, step, batch_size, seed=seed) for step in range(steps)])
    return dealt[: n * count].reshape(count, n)


@pytest.mark.parametrize("batch_size", [1, 7, 53, 60, 211])
def test_each_epoch_holds_every_item_once_in_an_order_of_its_own(batch_size):
    found = epochs(53, batch_size, 5)
    assert (np.sort(found, axis=1) == np.arange(53)).all()
    for one in range(5):
        assert (found[one] != np.arange(53)).any()
        for other in range(one):
            # Two independent orders of 53 agree at one place on average, at more than 6 once in ten thousand times.
            assert (found[one] == found[other]).sum() <= 6


def test_the_batch_size_does_not_change_the_order():
    assert (epochs(53, 7, 3) == epochs(53, 60, 3)).all()


def test_the_order_is_that_of_the_seed_on_every_machine():
    assert (epochs(53, 7, 2, seed=3) == epochs(53, 7, 2, seed=3)).all()
    assert (epochs(53, 7, 2, seed=3) == epochs(53, 7, 2, seed=4)).sum() <= 8
    # np.random.default_rng([3, 1]).permutation(5): the second epoch of seed 3
    assert epochs(5, 5, 2, seed=3)[1].tolist() == np.random.default_rng([3, 1]).permutation(5).tolist()


def test_no_items_are_refused():
    with pytest.raises(ValueError, match="at least one item to draw batches from, got 0"):
        shuffled_items(0, 0, 3, seed=0)
