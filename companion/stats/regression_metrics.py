"""Metrics of predicted numbers as smooth metrics: mean absolute error, root mean square error, R²."""

import numpy as np
from jaxtyping import Float

from companion.stats.checks import check_differs
from companion.stats.smooth import LOG, LOG_BELOW_ONE, Metric, Scale, Values, Weights, mean_of

Numbers = Float[np.ndarray, " examples"]
REGRESSION_METRICS = ("r2", "mae", "rmse")


def regression_metric(name: str, truth: Numbers, predicted: Numbers) -> tuple[Metric, Scale]:
    """The metric as a function of weights, and the scale on which it is closer to normal.

    Raises:
        ValueError: for true values that are all equal (``r2``), or errors that are all of one size.
    """
    check_differs("the absolute errors", np.abs(truth - predicted))
    if name == "mae":
        return mean_of(np.abs(truth - predicted)), LOG
    if name == "rmse":
        return _root_mean(np.square(truth - predicted)), LOG
    check_differs("y_true", truth)
    return _explained(np.square(truth - predicted), truth - truth.mean()), LOG_BELOW_ONE


def _root_mean(squares: Numbers) -> Metric:
    def metric(weights: Weights) -> tuple[Values, Float[np.ndarray, "resamples examples"]]:
        roots = np.sqrt(weights @ squares / len(squares))[:, None]
        return roots[:, 0], (squares - roots**2) / (2 * np.maximum(roots, 1e-300))

    return metric


def _explained(squares: Numbers, truth: Numbers) -> Metric:
    r""":math:`R^2 = 1 - \overline{e^2} / s_y^2`, whose influence is that of a ratio of means."""

    def metric(weights: Weights) -> tuple[Values, Float[np.ndarray, "resamples examples"]]:
        n = len(truth)
        unexplained, centres = weights @ squares / n, weights @ truth / n
        spread = (truth - centres[:, None]) ** 2
        variance = np.maximum(np.einsum("re,re->r", weights, spread) / n, 1e-300)
        ratio = unexplained / variance
        return 1 - ratio, (ratio[:, None] * spread - squares) / variance[:, None]

    return metric
