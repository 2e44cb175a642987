"""The distinct labels of a column."""

import numpy as np
import pytest

from companion.stats.base.labels import distinct

ENDS = np.iinfo(np.int64)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(np.random.default_rng(0).integers(0, 7, 1_009), id="few classes"),
        pytest.param(np.array([-3, 5, 5, -3, 0]), id="negative"),
        pytest.param(np.arange(-128, 128).astype(np.int8)[::-1], id="all of a narrow type"),
        pytest.param(np.array([ENDS.min, ENDS.max, 0, ENDS.max]), id="far apart"),
        pytest.param(np.array([ENDS.max - 1, ENDS.max, ENDS.max - 1]), id="together at the end"),
        pytest.param(np.array([2, 0, 2], dtype=np.uint64), id="unsigned"),
        pytest.param(np.array([True, False, True]), id="booleans"),
        pytest.param(np.array([1.0, 0.0, 1.0]), id="floats"),
        pytest.param(np.array(["no", "yes", "no"]), id="text"),
        pytest.param(np.random.default_rng(1).integers(0, 3, 2**19 + 5), id="more than a block"),
    ],
)
def test_distinct_labels_are_numpy_unique_values(labels: np.ndarray) -> None:
    ours, theirs = distinct(labels), np.unique(labels)
    assert ours.dtype == theirs.dtype
    assert ours.tolist() == theirs.tolist()
