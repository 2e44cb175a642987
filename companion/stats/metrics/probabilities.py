r"""Losses of predicted probabilities, one an example: Brier score and logarithmic loss.

With :math:`p_{ik}` the probability of class :math:`k` for example :math:`i` and :math:`y_i` its class,

.. math:: \text{Brier}_i = \sum_k \big(p_{ik} - [y_i = k]\big)^2, \qquad \text{log loss}_i = -\ln p_{i y_i}

With two classes the Brier score is half of that, :math:`(p_{i1} - y_i)^2`, as Brier's name has come to be used.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from companion.stats.base.arrays import as_classes, as_probabilities
from companion.stats.base.intervals import Interval
from companion.stats.resampling.smooth import LOG, logit_scale, mean_of, smooth_interval

PROBABILITY_METRICS = ("brier", "log_loss")


def probability_interval(
    name: str, y_true: ArrayLike, y_pred: ArrayLike, *, level: float, n_resamples: int, seed: int | None
) -> Interval:
    """The studentized interval of the mean loss: on the logit scale of its range (``brier``), or the logarithmic one.

    Raises:
        ValueError: as ``losses``, and for losses that are all equal.
    """
    each, upper = losses(name, y_true, y_pred)
    if np.ptp(each) <= 1e-12 * max(1.0, each[0]):
        raise ValueError(
            f"expected probabilities that make losses differ, got a loss of {each[0]:.4g} for each of {len(each):,} "
            "examples: no interval can come from them; add examples, or find out why they are alike"
        )
    scale = LOG if np.isinf(upper) else logit_scale(upper)
    return smooth_interval(mean_of(each), len(each), scale, level=level, n_resamples=n_resamples, seed=seed)


def losses(
    name: str, y_true: ArrayLike, y_pred: ArrayLike, *, called: str = "y_pred"
) -> tuple[Float[np.ndarray, " examples"], float]:
    """The loss of each example, and the largest that there can be; ``called`` is the predictions' name in refusals.

    Raises:
        ValueError: for labels that are no numbers of classes, values outside [0, 1], rows that do not sum to one, a
            true class of probability 0 (``log_loss``).
    """
    probabilities = as_probabilities(called, y_pred)
    truth = as_classes("y_true", y_true, like=probabilities)
    if probabilities.ndim == 1:
        probabilities = np.stack([1 - probabilities, probabilities], axis=1)
    if name == "log_loss":
        return _log_loss(truth, probabilities), np.inf
    binary = probabilities.shape[1] == 2
    return _brier(truth, probabilities) / (1 + binary), 1.0 if binary else 2.0


def _brier(
    truth: Int[np.ndarray, " examples"], probabilities: Float[np.ndarray, "examples classes"]
) -> Float[np.ndarray, " examples"]:
    of_truth = np.take_along_axis(probabilities, truth[:, None], axis=1)[:, 0]
    return np.square(probabilities).sum(1) - 2 * of_truth + 1


def _log_loss(
    truth: Int[np.ndarray, " examples"], probabilities: Float[np.ndarray, "examples classes"]
) -> Float[np.ndarray, " examples"]:
    of_truth = np.take_along_axis(probabilities, truth[:, None], axis=1)[:, 0]
    if (never := of_truth <= 0).any():
        raise ValueError(
            f"expected a probability above 0 for each true class, got 0 for {never.sum():,} of {len(truth):,} examples "
            f"(the first at index {never.argmax()}): the log loss is infinite; mix in a uniform share, such as "
            "0.999 p + 0.001 / classes, or take 'brier'"
        )
    return -np.log(of_truth)
