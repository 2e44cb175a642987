"""The frontier: against its definition, a pair at a time."""

import numpy as np
import pytest

from companion.compress import frontier


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("criteria", [1, 2, 3])
def test_it_has_the_rows_that_no_other_dominates(criteria):
    rows = np.random.default_rng(criteria).integers(0, 6, (40, criteria)).tolist()  # with ties and equal rows
    expected = [i for i, row in enumerate(rows) if not any(dominates(other, row) for other in rows)]
    found = frontier(**{f"c{i}": [row[i] for row in rows] for i in range(criteria)})
    assert sorted(found) == expected
    assert [rows[i] for i in found] == sorted(rows[i] for i in found)


def test_a_single_row_and_equal_rows_stay():
    assert frontier(a=[3.0]) == [0]
    assert frontier(a=[3, 3], b=[1, 1]) == [0, 1]


@pytest.mark.parametrize(
    "costs", [{}, {"a": [1, 2], "b": [1]}, {"a": [1, float("nan")]}, {"a": [[1, 2]]}, {"a": [float("inf"), 1]}]
)
def test_what_cannot_be_is_refused(costs):
    with pytest.raises(ValueError, match="expected"):
        frontier(**costs)
