"""Metrics of predicted numbers as smooth metrics: mean absolute error, root mean square error, R²."""

import numpy as np
from jaxtyping import Float

from companion.stats.base.checks import check_differs
from companion.stats.base.intervals import Interval
from companion.stats.resampling.smooth import LOG, Metric, Values, Weights, mean_of, smooth_interval

Numbers = Float[np.ndarray, " examples"]
REGRESSION_METRICS = ("r2", "mae", "rmse")


def regression_interval(
    name: str, truth: Numbers, predicted: Numbers, *, level: float, n_resamples: int, seed: int | None
) -> Interval:
    """The studentized interval of the metric on the logarithmic scale; of :math:`R^2`, that of :math:`1 - R^2`.

    Raises:
        ValueError: for true values that are all equal (``r2``), errors that are all of one size, or numbers so large or
            small that their powers overflow.
    """
    check_magnitudes(name, truth, predicted)
    metric = regression_metric(name, truth, predicted)
    found = smooth_interval(metric, len(truth), LOG, level=level, n_resamples=n_resamples, seed=seed)
    if name == "r2":
        return Interval.around(1 - found.estimate, 1 - found.high, 1 - found.low, level, found.method + " of 1 - R²")
    return found


def check_magnitudes(name: str, truth: Numbers, predicted: Numbers) -> None:
    """Refuses errors of one size, and numbers so large or small that their powers overflow."""
    for quantity, values in (("the errors", truth - predicted), ("y_true", truth)):
        if quantity == "the errors" or name == "r2":
            check_size(quantity, values)
    check_differs("the absolute errors", np.abs(truth - predicted))


def check_size(quantity: str, values: Numbers) -> None:
    """Refuses numbers whose powers, or ratios of powers, leave the range of a float."""
    if not 1e-30 < (size := np.abs(values).max()) < 1e30:
        raise ValueError(f"expected {quantity} between 1e-30 and 1e30 in size, got {size:.3g}; take another unit")


def regression_metric(name: str, truth: Numbers, predicted: Numbers) -> Metric:
    """The metric as a function of weights; for ``r2`` the unexplained proportion, :math:`1 - R^2`.

    Raises:
        ValueError: for true values that are all equal (``r2``), or errors that are all of one size.
    """
    check_differs("the absolute errors", np.abs(truth - predicted))
    if name == "mae":
        return mean_of(np.abs(truth - predicted))
    if name == "rmse":
        return _root_mean(np.square(truth - predicted))
    check_differs("y_true", truth)
    return _unexplained(np.square(truth - predicted), truth - truth.mean())


def _root_mean(squares: Numbers) -> Metric:
    least = 1e-30 * np.sqrt(squares.max())  # of resamples without any error, whose influences are 0

    def metric(weights: Weights) -> tuple[Values, Float[np.ndarray, "resamples examples"]]:
        roots = np.sqrt(weights @ squares / len(squares))[:, None]
        return roots[:, 0], (squares - roots**2) / (2 * np.maximum(roots, least))

    return metric


def _unexplained(squares: Numbers, truth: Numbers) -> Metric:
    r""":math:`1 - R^2 = \overline{e^2} / s_y^2`, whose influence is that of a ratio of means."""

    def metric(weights: Weights) -> tuple[Values, Float[np.ndarray, "resamples examples"]]:
        n = len(truth)
        unexplained, centers = weights @ squares / n, weights @ truth / n
        spread = (truth - centers[:, None]) ** 2
        variance = np.einsum("re,re->r", weights, spread) / n
        if variance.min() <= 1e-24 * np.mean(truth**2):
            raise ValueError(
                "expected y_true to vary in every resample, got one value only in some; too few true values differ: "
                "collect more, or take 'rmse'"
            )
        ratio = unexplained / variance
        return ratio, (squares - ratio[:, None] * spread) / variance[:, None]

    return metric
