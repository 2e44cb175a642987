"""Waiting times from measured or drawn numbers: a queue simulated, and one whose distribution is computed."""

import heapq

import numpy as np
from numpy.typing import ArrayLike

from companion.checks import check_whole
from companion.economics.queues import MG1
from companion.stats.base.checks import as_numbers
from companion.stats.base.frames import same_examples
from companion.stats.base.options import check_share

_POINTS, _MEANS = (2**17, 2**20, 2**22), 40  # of the grid, and mean waits beyond the longest service that it reaches
_FIRST = 500  # an answer in fewer steps is not known to a thousandth


@same_examples("arrivals", "services")
def simulate_waits(arrivals: ArrayLike, services: ArrayLike, *, servers: int = 1) -> np.ndarray:
    r"""The seconds that each request waits where who comes first is served first, in a queue that starts empty.

    With one server it is Lindley's recursion,
    :math:`W_{n+1} = \max(0, W_n + S_n - (t_{n+1} - t_n))`, solved for all at once: the distance of a random walk from
    its minimum so far. With more, each request takes the server that is free first.

    Args:
        arrivals: when each request comes, in seconds, in order.
        services: how long each is served, in seconds.
        servers: how many work side by side.

    Returns:
        Seconds in the queue, [request].

    Raises:
        ValueError: for lengths or indexes that differ, arrivals out of order, or a service below 0.

    Source:
        Lindley 1952; Kiefer and Wolfowitz 1955 for more than one server.

    >>> simulate_waits([0, 1, 2, 20], [5, 2, 1, 1])
    array([0., 4., 5., 0.])
    >>> simulate_waits([0, 1, 2, 20], [5, 2, 1, 1], servers=2)
    array([0., 0., 1., 0.])
    """
    come, work = as_numbers(arrivals=arrivals, services=services)
    check_whole("servers", servers, at_least=1, advice="it is how many work side by side")
    if (np.diff(come) < 0).any():
        raise ValueError("expected arrivals in order, got one before its predecessor: sort them with their services")
    if (work < 0).any():
        raise ValueError(f"expected services of at least 0 seconds, got {work.min():g}")
    if servers == 1:
        walk = np.concatenate([[0.0], np.cumsum(work[:-1] - np.diff(come))])
        return walk - np.minimum.accumulate(walk)
    free = [come[0]] * servers
    waits = np.empty(len(come))
    for i, (at, length) in enumerate(zip(come.tolist(), work.tolist(), strict=True)):
        start = max(at, free[0])
        heapq.heapreplace(free, start + length)
        waits[i] = start - at
    return waits


def response_quantile(arrival_rate: float, services: ArrayLike, level: float) -> float:
    r"""A quantile of the response time of one server with random arrivals, whose service times were measured.

    The wait is a sum of :math:`N` residual service times with :math:`\Pr(N = n) = (1 - \rho)\rho^n`, whose density is
    :math:`\Pr(S > x) / \mathbb{E}[S]`; the response adds a service. Both are put on a grid, and the sum is taken by
    Fourier transforms: :math:`\varphi_T = \varphi_S (1 - \rho) / (1 - \rho\varphi_R)`.

    Args:
        arrival_rate: in requests a second.
        services: measured, in seconds; each is taken as equally likely, and nothing is longer than the longest.
        level: 0.99 for the 99th percentile.

    Returns:
        Seconds, to about a thousandth.

    Raises:
        ValueError: for a service that is not positive, a utilization of 1 or more, or services so unequal that no grid
            holds the shortest and the longest.

    Source:
        Pollaczek and Khinchine; Harchol-Balter 2013, chapter 25.

    >>> round(response_quantile(0.6, [1.0], 0.99), 2)  # all take a second, six of ten seconds are busy
    5.53
    """
    (times,) = as_numbers(services=services)
    check_share("level", level, "0.99 is the 99th percentile")
    if (times <= 0).any():
        raise ValueError(f"expected services above 0 seconds, got {times.min():g}")
    queue = MG1(arrival_rate, float(times.mean()), float(times.var() / times.mean() ** 2))
    for points in _POINTS:  # a finer grid only where a few long services make the first too coarse
        step = (times.max() + _MEANS * (queue.mean_wait + queue.mean_service)) / points
        place = int(np.searchsorted(np.cumsum(_responses(times, queue.utilization, step, points)), level))
        if _FIRST <= place < points:
            return float(step * place)
    raise ValueError(
        f"expected services that one grid can tell apart, got {times.min():.3g} to {times.max():.3g} seconds, of which "
        f"level {level:g} lies in the first {_FIRST} of {points:,} steps or beyond the last; take simulate_waits"
    )


def _responses(times: np.ndarray, utilization: float, step: float, points: int) -> np.ndarray:
    """The probability of each response time on the grid."""
    cells = (np.arange(points + 1) - 0.5) * step  # a residual belongs to the nearest point
    residual = np.diff(_integrated_tail(times, cells))
    geometric = (1 - utilization) / (1 - utilization * np.fft.rfft(residual))
    return np.asarray(np.fft.irfft(geometric * np.fft.rfft(_on_grid(times, step, points)), points))


def _integrated_tail(times: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The distribution function of the residual of ``times`` at points: the mean of min(S, x), over the mean of S."""
    order = np.sort(times)
    below = np.searchsorted(order, at, side="right")
    sums = np.concatenate([[0.0], np.cumsum(order)])
    return np.asarray((sums[below] + (len(order) - below) * np.maximum(at, 0)) / order.sum())


def _on_grid(times: np.ndarray, step: float, points: int) -> np.ndarray:
    """Probabilities on the grid, each time shared between its two neighbors so that the mean stays."""
    low = np.floor(times / step).astype(int)
    up = times / step - low
    return (np.bincount(low, 1 - up, points) + np.bincount(low + 1, up, points)) / len(times)
