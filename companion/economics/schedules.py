"""When a plan ends whose tasks run side by side: later than the latest of them, on average."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.stats import norm

from companion.stats.base.checks import as_numbers
from companion.stats.base.frames import same_examples
from companion.stats.base.options import check_between


@same_examples("means", "spreads")
def merge_bias(means: ArrayLike, spreads: ArrayLike) -> float:
    r"""How much later than the latest planned end parallel tasks are all done, on average.

    .. math:: \mathbb{E}\Big[\max_i X_i\Big] - \max_i \mu_i, \qquad X_i \sim N(\mu_i, \sigma_i^2) \text{ independent}

    A plan that adds up the longest path leaves it out. For two tasks alike it is :math:`\sigma / \sqrt\pi` (Clark 1961,
    equation 5).

    Args:
        means: planned ends, in days or any other unit ``[tasks]``.
        spreads: standard deviations of the ends, in the same unit ``[tasks]``.

    Raises:
        ValueError: for no tasks, lengths or indexes that differ, or spreads that are not positive.

    >>> round(merge_bias([10, 10], [2, 2]), 4)  # 2 / √π
    1.1284
    >>> round(merge_bias([10] * 5, [2] * 5), 4)
    2.3259
    """
    mu, sigma = _ends(means, spreads)
    latest = float(mu.max())
    low, high = float((latest - 9 * sigma[mu == latest]).max()), float((mu + 9 * sigma).max())
    turns = np.concatenate([mu - 3 * sigma, mu, mu + 3 * sigma])  # or a sharp step in a long range is overlooked

    def area(of: Callable[[float], float], start: float, end: float) -> float:
        points = np.unique(turns[(start < turns) & (turns < end)])
        return float(quad(of, start, end, points=points if len(points) else None, limit=500 + len(points))[0])

    later = area(lambda t: 1 - _all_done(t, mu, sigma), latest, high)
    return later - area(lambda t: _all_done(t, mu, sigma), low, latest)


@same_examples("means", "spreads")
def finish_probability(day: float, means: ArrayLike, spreads: ArrayLike) -> float:
    """The probability that all tasks are done by ``day``; other arguments as :func:`merge_bias`.

    Raises:
        ValueError: as :func:`merge_bias`, and for a day that is no number.

    >>> round(finish_probability(10, [10] * 5, [2] * 5), 5)  # each has one half
    0.03125
    """
    check_between("day", day, -np.inf, np.inf)
    return float(_all_done(day, *_ends(means, spreads)))


def _all_done(day: float, mu: Float[np.ndarray, " tasks"], sigma: Float[np.ndarray, " tasks"]) -> float:
    return float(np.prod(norm.cdf((day - mu) / sigma)))


def _ends(means: ArrayLike, spreads: ArrayLike) -> list[Float[np.ndarray, " tasks"]]:
    mu, sigma = as_numbers(means=means, spreads=spreads)
    if not (sigma > 0).all():
        raise ValueError(f"expected spreads above 0, got {sigma.min():g}; leave out tasks that are done")
    return [mu, sigma]
