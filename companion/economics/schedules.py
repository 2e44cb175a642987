"""When a plan ends whose tasks run side by side: later than the latest of them, on average."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.stats import norm

from companion.stats.base.checks import as_vector, of_one_length


def merge_bias(means: ArrayLike, spreads: ArrayLike) -> float:
    r"""How much later than the latest planned end parallel tasks are all done, on average.

    .. math:: \mathbb{E}\Big[\max_i X_i\Big] - \max_i \mu_i, \qquad X_i \sim N(\mu_i, \sigma_i^2) \text{ independent}

    A plan that adds up the longest path leaves it out. For two tasks alike it is :math:`\sigma / \sqrt\pi` (Clark 1961,
    equation 5).

    Args:
        means: planned ends, in days or any other unit ``[tasks]``.
        spreads: standard deviations of the ends, in the same unit ``[tasks]``.

    Raises:
        ValueError: for no tasks, lengths that differ, or spreads that are not positive.

    >>> round(merge_bias([10, 10], [2, 2]), 4)  # 2 / √π
    1.1284
    >>> round(merge_bias([10] * 5, [2] * 5), 4)
    2.3259
    """
    mu, sigma = _ends(means, spreads)
    low, high = float((mu - 9 * sigma).min()), float((mu + 9 * sigma).max())
    latest = float(mu.max())
    ends = sorted({latest, *mu.tolist()})
    later, _ = quad(lambda t: 1 - _all_done(t, mu, sigma), latest, high, limit=500)
    sooner, _ = quad(lambda t: _all_done(t, mu, sigma), low, latest, points=ends[:-1] or None, limit=500)
    return later - sooner


def finish_probability(day: float, means: ArrayLike, spreads: ArrayLike) -> float:
    """The probability that all tasks are done by ``day``; other arguments as :func:`merge_bias`.

    >>> round(finish_probability(10, [10] * 5, [2] * 5), 5)  # each has one half
    0.03125
    """
    return float(_all_done(day, *_ends(means, spreads)))


def _all_done(day: float, mu: Float[np.ndarray, " tasks"], sigma: Float[np.ndarray, " tasks"]) -> float:
    return float(np.prod(norm.cdf((day - mu) / sigma)))


def _ends(means: ArrayLike, spreads: ArrayLike) -> list[Float[np.ndarray, " tasks"]]:
    vectors = {"means": as_vector("means", means), "spreads": as_vector("spreads", spreads)}
    mu, sigma = (vector.astype(float) for vector in of_one_length(vectors))
    if not len(mu) or not (np.isfinite(mu).all() and np.isfinite(sigma).all() and (sigma > 0).all()):
        raise ValueError("expected at least one task, with a number for its end and a positive one for its spread")
    return [mu, sigma]
