"""Which of several models are worth a look: those that no other beats in everything at once."""

import numpy as np
from numpy.typing import ArrayLike

from companion.stats.base.checks import as_numbers


def frontier(**costs: ArrayLike) -> list[int]:
    """The rows that no other row dominates (Pareto's frontier), in the order of the first criterion.

    A row dominates another where it is no worse by any criterion and better by one. Rows that are equal in everything
    stand or fall together. Measured costs are uncertain: two rows within each other's error are not told apart by this.

    Args:
        costs: the criteria by name, a number a row in each, less is better: bytes, milliseconds, loss. Where more is
            better, as of accuracy or tokens a second, give the negative.

    Returns:
        Places of the rows, from 0.

    Raises:
        ValueError: without criteria, for lengths that differ, or a number that is missing or infinite.

    Example:
        >>> frontier(megabytes=[538, 136, 88, 95], loss=[2.609, 2.610, 2.864, 2.612])
        [2, 3, 1, 0]
        >>> frontier(megabytes=[136, 136], tokens_a_second=[-21, -30])  # the second is as small and faster
        [1]
    """
    if not costs:
        raise ValueError("expected criteria by name, such as megabytes=… and loss=…, got none")
    table = np.stack(as_numbers(at_least=1, **costs), axis=1)
    no_worse = (table[:, None] <= table).all(axis=2)  # [row, other]
    better = (table[:, None] < table).any(axis=2)
    beaten = set(np.flatnonzero((no_worse & better).any(axis=0)).tolist())
    return [row for row in np.lexsort(table.T[::-1]).tolist() if row not in beaten]
