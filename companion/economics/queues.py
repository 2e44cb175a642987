r"""How long requests wait, in closed form: first come, first served, by servers that are alike.

Requests come at random (Poisson) with rate :math:`\lambda` and take :math:`S` on one of :math:`c` servers. The load
that is offered is :math:`a = \lambda\,\mathbb{E}[S]` erlangs, and the utilization :math:`\rho = a / c` stays below 1.
Wait :math:`W` is the time in the queue, response :math:`T = W + S`. Times are in seconds and rates in requests a
second here; any other unit does as well, if it is the same everywhere.
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import exprel, gammaln, pdtr

from companion.checks import check_whole, is_number
from companion.stats.base.options import check_positive, check_share

#: Beyond so many servers the recursion takes long: it is Poisson's probability of c over that of at most c.
_MANY, _TINY = 100, 1e-200


def erlang_b(load: float, servers: int) -> float:
    r"""The proportion of requests that is lost where nobody waits: all servers are busy when it comes.

    .. math:: B(0, a) = 1, \qquad B(c, a) = \frac{a\,B(c - 1, a)}{c + a\,B(c - 1, a)}

    It holds for service times of any distribution with the same mean.

    Args:
        load: offered, :math:`a` in erlangs; it may exceed the number of servers.
        servers: :math:`c`.

    Raises:
        ValueError: for a load that is not positive, or servers that are no positive whole number.

    Source:
        Erlang 1917; the recursion as in Cooper 1981, *Introduction to Queueing Theory*, chapter 3.

    >>> round(erlang_b(8.108, 15), 4)  # an Erlang table: 15 lines lose 1% of 8.108 erlangs
    0.01
    """
    check_positive("load", load)
    check_whole("servers", servers, at_least=1, advice="it is how many work side by side")
    if servers > _MANY and (at_most := float(pdtr(servers, load))) > _TINY:
        return float(np.exp(servers * np.log(load) - load - gammaln(servers + 1))) / at_most
    lost = 1.0
    for busy in range(1, servers + 1):
        lost = load * lost / (busy + load * lost)
    return lost


def erlang_c(load: float, servers: int) -> float:
    r"""The proportion of requests that has to wait, for exponential service times.

    .. math:: C(c, a) = \frac{B(c, a)}{1 - \rho\,(1 - B(c, a))}, \qquad \rho = a / c

    Args:
        load: offered, :math:`a` in erlangs, below ``servers``.
        servers: :math:`c`.

    Raises:
        ValueError: for a load of ``servers`` or more: the queue would grow without end.

    >>> round(erlang_c(0.8, 1), 4), round(erlang_c(1.6, 2), 4)  # one server: the utilization
    (0.8, 0.7111)
    """
    lost = erlang_b(load, servers)
    rho = _utilization(load, servers)
    return lost / (1 - rho * (1 - lost))


@dataclass(frozen=True)
class MMc:
    r"""The queue M/M/c: random arrivals, exponential service times, :math:`c` servers; one of them by default.

    With :math:`\mu = 1 / \mathbb{E}[S]` and :math:`C` of :func:`erlang_c`,
    :math:`\Pr(W > t) = C e^{-(c\mu - \lambda)t}`. For one server the response is exponential with rate
    :math:`\mu - \lambda`, so that its quantiles are the same multiples of its mean at any load: the 99th percentile is
    :math:`\ln 100 = 4.6` of them.

    Attributes:
        arrival_rate: :math:`\lambda`, in requests a second.
        mean_service: :math:`\mathbb{E}[S]`, in seconds.
        servers: :math:`c`.

    Raises:
        ValueError: for rates and times that are not positive, and for a utilization of 1 or more.

    Source:
        Harchol-Balter 2013, *Performance Modeling and Design of Computer Systems*, chapters 13 and 14.

    >>> desk = MMc(arrival_rate=16 / 60, mean_service=3)  # in minutes: 16 an hour, 3 minutes each
    >>> desk.utilization, round(desk.mean_wait, 9), round(desk.mean_response, 9)
    (0.8, 12.0, 15.0)
    >>> round(desk.response_quantile(0.99) / desk.mean_response, 3)
    4.605
    """

    arrival_rate: float
    mean_service: float
    servers: int = 1

    def __post_init__(self) -> None:
        check_positive("arrival_rate", self.arrival_rate)
        check_positive("mean_service", self.mean_service)
        check_whole("servers", self.servers, at_least=1, advice="it is how many work side by side")
        _utilization(self.load, self.servers)

    @property
    def load(self) -> float:
        """Servers that are busy on average, in Erlangs."""
        return self.arrival_rate * self.mean_service

    @property
    def utilization(self) -> float:
        """Proportion of the time that a server is busy."""
        return self.load / self.servers

    @property
    def wait_probability(self) -> float:
        """Proportion of requests that has to wait."""
        return erlang_c(self.load, self.servers)

    @property
    def mean_wait(self) -> float:
        """Seconds in the queue, those that do not wait included."""
        return self.wait_probability / self._drain

    @property
    def mean_response(self) -> float:
        """Seconds from arrival to the end of service."""
        return self.mean_wait + self.mean_service

    @property
    def mean_in_system(self) -> float:
        """Requests that wait or are served, by Little's theorem."""
        return self.arrival_rate * self.mean_response

    @property
    def _drain(self) -> float:
        """Requests a second by which busy servers are faster than arrivals."""
        return self.servers / self.mean_service - self.arrival_rate

    def wait_exceeds(self, seconds: float) -> float:
        """The probability to wait longer than ``seconds``."""
        _check_seconds(seconds)
        return float(self.wait_probability * np.exp(-self._drain * seconds))

    def response_exceeds(self, seconds: float) -> float:
        """The probability that the response takes longer than ``seconds``."""
        _check_seconds(seconds)
        mu, drain = 1 / self.mean_service, self._drain
        alone = np.exp(-mu * seconds)
        # a convolution of two exponentials, in the form that survives equal rates
        queued = mu * seconds * np.exp(-min(mu, drain) * seconds) * exprel(-abs(mu - drain) * seconds)
        return float(alone + self.wait_probability * queued)

    def wait_quantile(self, level: float) -> float:
        """The seconds that a proportion ``level`` of waits stays within; 0 where enough requests wait not at all."""
        check_share("level", level, "0.95 is the 95th percentile")
        return float(max(0.0, np.log(self.wait_probability / (1 - level)) / self._drain))

    def response_quantile(self, level: float) -> float:
        """The seconds within which a proportion ``level`` of responses is complete."""
        check_share("level", level, "0.95 is the 95th percentile")
        most = self.mean_service * -np.log((1 - level) / 2) + self.wait_quantile((1 + level) / 2)
        return float(brentq(lambda t: self.response_exceeds(t) - (1 - level), 0, most, xtol=1e-12 * most))


@dataclass(frozen=True)
class MG1:
    r"""The queue M/G/1: random arrivals, one server, service times of any distribution (Pollaczek and Khinchine).

    .. math:: \mathbb{E}[W] = \frac{\lambda\,\mathbb{E}[S^2]}{2(1 - \rho)}
        = \frac{\rho}{1 - \rho} \cdot \frac{1 + c_S^2}{2} \cdot \mathbb{E}[S]

    Attributes:
        arrival_rate: :math:`\lambda`, in requests a second.
        mean_service: :math:`\mathbb{E}[S]`, in seconds.
        scv: squared coefficient of variation :math:`c_S^2 = \mathrm{Var}[S] / \mathbb{E}[S]^2`, a pure number: 0 where
            all take equally long, 1 for exponential times.

    Raises:
        ValueError: for rates and times that are not positive, an ``scv`` below 0, and a utilization of 1 or more.

    Source:
        Harchol-Balter 2013, chapter 23. Quantiles depend on the whole distribution:
        :func:`companion.economics.response_quantile` computes them from measured times.

    >>> MG1(arrival_rate=0.8, mean_service=1, scv=1).mean_wait == MMc(0.8, 1).mean_wait
    True
    >>> round(MG1(0.8, 1, scv=0).mean_wait, 3)  # equal lengths halve the wait
    2.0
    """

    arrival_rate: float
    mean_service: float
    scv: float

    def __post_init__(self) -> None:
        check_positive("arrival_rate", self.arrival_rate)
        check_positive("mean_service", self.mean_service)
        if not is_number(self.scv) or not 0 <= self.scv < float("inf"):
            raise ValueError(f"expected scv to be a number of at least 0, got {self.scv!r}: variance over mean squared")
        _utilization(self.arrival_rate * self.mean_service, 1)

    @property
    def utilization(self) -> float:
        """Proportion of the time that the server is busy, which is that of requests that have to wait."""
        return self.arrival_rate * self.mean_service

    @property
    def mean_wait(self) -> float:
        """Seconds in the queue, those that do not wait included."""
        return self.utilization / (1 - self.utilization) * (1 + self.scv) / 2 * self.mean_service

    @property
    def mean_response(self) -> float:
        """Seconds from arrival to the end of service."""
        return self.mean_wait + self.mean_service

    @property
    def mean_in_system(self) -> float:
        """Requests that wait or are served, by Little's theorem."""
        return self.arrival_rate * self.mean_response


def servers_needed(arrival_rate: float, mean_service: float, *, seconds: float, level: float = 0.95) -> int:
    """The fewest servers of an M/M/c queue that complete a proportion ``level`` of responses within ``seconds``.

    Args:
        arrival_rate: in requests a second.
        mean_service: in seconds, on one server.
        seconds: what the response may take.
        level: 0.95 for the 95th percentile.

    Raises:
        ValueError: where no number of servers suffices, since service alone takes longer.

    >>> servers_needed(10, 0.5, seconds=2), servers_needed(20, 0.5, seconds=2)  # twice the load, not twice the servers
    (7, 12)
    """
    check_positive("arrival_rate", arrival_rate)
    check_positive("mean_service", mean_service)
    check_positive("seconds", seconds)
    check_share("level", level, "0.95 is the 95th percentile")
    alone = -mean_service * np.log(1 - level)
    if alone >= seconds:
        raise ValueError(
            f"expected seconds above {alone:.3g}, what exponential service of mean {mean_service:g} takes alone at "
            f"level {level:g}, got {seconds:g}: make service faster"
        )

    def enough(servers: int) -> bool:
        return MMc(arrival_rate, mean_service, servers).response_quantile(level) <= seconds

    low = int(arrival_rate * mean_service)  # a queue of so few grows without end
    step = 1
    while not enough(low + step):
        low, step = low + step, 2 * step
    return low + 1 + bisect_left(range(low + 1, low + step), True, key=enough)


def _utilization(load: float, servers: int) -> float:
    rho = load / servers
    if rho >= 1:
        raise ValueError(
            f"expected a utilization below 1, got {rho:.3g} ({load:.3g} erlangs on {servers}): the queue would grow "
            "without end; take more servers or fewer requests"
        )
    return rho


def _check_seconds(seconds: float) -> None:
    if not is_number(seconds) or not 0 <= seconds < float("inf"):
        raise ValueError(f"expected seconds to be a number of at least 0, got {seconds!r}")
