r"""Intervals of smooth metrics: means of losses, and functions of means such as :math:`R^2`.

To first order a smooth metric :math:`\theta` is a mean: example :math:`i` moves it by :math:`\psi_i / n`, its
*influence*, so that :math:`s^2 = \sum_i \psi_i^2 / (n (n - 1))`. With a scale :math:`g` that stretches the metric's
bounded side (logarithm, logit), the studentized bootstrap (Hall 1988, *Annals of Statistics* 16) takes the quantiles
:math:`q` of

.. math:: t^* = \frac{g(\hat\theta^*) - g(\hat\theta)}{g'(\hat\theta^*)\, s^*}

and the interval :math:`g^{-1}\big(g(\hat\theta) - q\, g'(\hat\theta)\, s\big)`. A resample is a vector of weights, how
often each example was drawn; no row is copied.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import t

from companion.stats.base.intervals import Interval
from companion.stats.base.options import generator_of
from companion.stats.resampling.bootstrap import blocks
from companion.stats.resampling.bounds import studentized_bounds

Weights = Float[np.ndarray, "resamples examples"]
Values = Float[np.ndarray, " resamples"]
Metric = Callable[[Weights], tuple[Values, Float[np.ndarray, "resamples examples"]]]

#: With more examples Student's quantiles take the place of the bootstrap's; the coverage is the same.
MAX_RESAMPLED = 5_000


@dataclass(frozen=True)
class Scale:
    """Where a metric is closer to normal.

    Attributes:
        name: in words, for the interval's method.
        to: :math:`g`, increasing.
        slope: its derivative.
        back: its inverse.
    """

    name: str
    to: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]


LOG = Scale("log scale", np.log, lambda value: 1 / value, np.exp)

#: Of R².
LOG_UNEXPLAINED = Scale(
    "log scale of 1 - R²", lambda value: -np.log1p(-value), lambda value: 1 / (1 - value), lambda x: -np.expm1(-x)
)

#: Fisher's, of correlations.
CORRELATION = Scale("Fisher's scale", np.arctanh, lambda value: 1 / (1 - value**2), np.tanh)


def logit_scale(upper: float = 1.0) -> Scale:
    """For what lies between 0 and ``upper``."""
    return Scale(
        "logit scale",
        lambda value: np.log(value) - np.log(upper - value),
        lambda value: upper / (value * (upper - value)),
        lambda x: upper / (1 + np.exp(-x)),
    )


def mean_of(values: Float[np.ndarray, " examples"]) -> Metric:
    """The mean as a smooth metric."""

    def metric(weights: Weights) -> tuple[Values, Float[np.ndarray, "resamples examples"]]:
        means = weights @ values / len(values)
        return means, values - means[:, None]

    return metric


def smooth_interval(
    metric: Metric, n: int, scale: Scale, *, level: float, n_resamples: int, seed: int | None
) -> Interval:
    """The studentized interval of a smooth metric of ``n`` examples; beyond 5,000, by Student's quantiles.

    Args:
        metric: from weights that sum to ``n``, the metric and every example's influence on it.
        n: number of examples, at least 2.
        scale: where the metric is closer to normal.
        level: intended coverage.
        n_resamples: number of resamples.
        seed: of the resampling; ``None`` takes a fresh one.

    Raises:
        ValueError: where too few examples differ, or one alone decides, so that there is no finite upper bound.
    """
    (estimate,), (raw_error,) = _value_and_error(metric, np.ones((1, n)))
    center, error = scale.to(estimate), scale.slope(estimate) * raw_error
    if n > MAX_RESAMPLED:
        half_width = t.ppf((1 + level) / 2, n - 1) * error
        low, high = scale.back(center + half_width * np.array([-1, 1]))
        return Interval.around(estimate, low, high, level, f"delta method, {scale.name}")
    rng = generator_of(seed)
    drawn = [_value_and_error(metric, draw_weights(size, n, rng)) for size in blocks(n_resamples, 2 * n)]
    values, errors = (np.concatenate(column) for column in zip(*drawn, strict=True))
    spread = errors > 1e-9 * raw_error  # without it the scale may have no value, such as log 0
    resampled, slopes = np.full(n_resamples, center), np.zeros(n_resamples)
    resampled[spread], slopes[spread] = scale.to(values[spread]), scale.slope(values[spread])
    bounds = studentized_bounds(float(center), error, resampled, slopes * errors, level=level)
    with np.errstate(over="ignore"):  # on the logit scale the limit is right
        low, high = scale.back(np.array(bounds))
    if not np.isfinite(high):
        raise ValueError(
            f"expected examples none of which decides alone, got an upper bound beyond any number for {estimate:.4g}; "
            "collect more, or look at the largest errors"
        )
    method = f"studentized bootstrap, {scale.name}, {n_resamples:,} resamples"
    return Interval.around(estimate, low, high, level, method)


def draw_weights(size: int, n: int, rng: np.random.Generator) -> Weights:
    """How often each of ``n`` examples comes up in each of ``size`` resamples of ``n``."""
    drawn = rng.integers(0, n, size=(size, n))
    drawn += n * np.arange(size)[:, None]
    return np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(float)


def _value_and_error(metric: Metric, weights: Weights) -> tuple[Values, Values]:
    values, influence = metric(weights)
    n = weights.shape[1]
    return values, np.sqrt(np.einsum("re,re,re->r", weights, influence, influence) / (n * (n - 1)))
