"""Metrics as functions of means of losses, one row an example: what is summed over clusters, or exchanged in pairs."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from companion.stats.base.checks import as_numbers, check_differs
from companion.stats.metrics.numbers import check_size
from companion.stats.metrics.probabilities import PROBABILITY_METRICS, losses

Numbers = Float[np.ndarray, " examples"]
Rows = Float[np.ndarray, "examples columns"]
Means = Float[np.ndarray, "*any columns"]

#: The metric as a function of the means of the rows' columns.
Value = Callable[[Means], Float[np.ndarray, "*any"]]

#: Rows of a, rows of b, and the metric.
Compared = tuple[Rows, Rows, Value]


def of_examples(metric: str, y_true: ArrayLike, pred_a: ArrayLike, pred_b: ArrayLike) -> Compared:
    """Two models' metric of probabilities or numbers: what a paired permutation exchanges."""
    if metric in PROBABILITY_METRICS:
        each = (losses(metric, y_true, p, called=name)[0] for name, p in (("pred_a", pred_a), ("pred_b", pred_b)))
        (a, value), (b, _) = map(rows_of_losses, each)
    else:
        truth, *predicted = as_numbers(at_least=2, y_true=y_true, pred_a=pred_a, pred_b=pred_b)
        (a, value), (b, _) = (rows_of_numbers(metric, truth, each) for each in predicted)
    return a, b, value


def rows_of_losses(each: Numbers) -> tuple[Rows, Value]:
    """The losses of examples, and their mean."""
    return each[:, None], lambda means: means[..., 0]


def rows_of_numbers(metric: str, truth: Numbers, predicted: Numbers) -> tuple[Rows, Value]:
    """The errors of predicted numbers, with what else the metric needs of each example.

    Raises:
        ValueError: for true values that are all equal, or too large or small to be squared (``r2``).
    """
    error = truth - predicted
    if metric == "mae":
        return rows_of_losses(np.abs(error))
    if metric == "rmse":
        return (error**2)[:, None], lambda means: np.sqrt(means[..., 0])
    check_differs("y_true", truth)
    check_size("y_true", truth)
    if error.any():
        check_size("the errors", error)
    spread = truth - truth.mean()
    rows = np.column_stack([error**2, spread, spread**2])
    return rows, lambda means: 1 - means[..., 0] / (means[..., 2] - means[..., 1] ** 2)
