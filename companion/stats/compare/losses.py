"""Metrics of two models as functions of means of losses, one row an example: what a paired permutation exchanges."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from companion.stats.base.checks import as_numbers, check_differs
from companion.stats.metrics.probabilities import losses

Rows = Float[np.ndarray, "examples columns"]
Means = Float[np.ndarray, "*any columns"]

#: Rows of a, rows of b, and the metric as a function of the means of their columns.
Compared = tuple[Rows, Rows, Callable[[Means], Float[np.ndarray, "*any"]]]


def of_probabilities(metric: str, y_true: ArrayLike, pred_a: ArrayLike, pred_b: ArrayLike) -> Compared:
    """The losses of predicted probabilities, and their mean."""
    a, b = (
        losses(metric, y_true, predicted, called=name)[0][:, None]
        for name, predicted in (("pred_a", pred_a), ("pred_b", pred_b))
    )
    return a, b, lambda means: means[..., 0]


def of_numbers(metric: str, y_true: ArrayLike, pred_a: ArrayLike, pred_b: ArrayLike) -> Compared:
    """The errors of predicted numbers, with what else the metric needs of each example."""
    truth, *predicted = as_numbers(at_least=2, y_true=y_true, pred_a=pred_a, pred_b=pred_b)
    errors = [truth - each for each in predicted]
    if metric == "mae":
        a, b = (np.abs(error)[:, None] for error in errors)
        return a, b, lambda means: means[..., 0]
    if metric == "rmse":
        a, b = ((error**2)[:, None] for error in errors)
        return a, b, lambda means: np.sqrt(means[..., 0])
    check_differs("y_true", truth)
    spread = truth - truth.mean()
    a, b = (np.column_stack([error**2, spread, spread**2]) for error in errors)
    return a, b, lambda means: 1 - means[..., 0] / (means[..., 2] - means[..., 1] ** 2)
