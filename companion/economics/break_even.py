"""From which volume on a way to serve is the cheapest: as a probability, since none of its costs is known."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import ArrayLike

from companion.checks import is_number
from companion.economics.queues import servers_needed
from companion.stats.base.checks import as_given
from companion.stats.base.frames import same_examples
from companion.stats.base.options import check_positive, check_share

#: What a month costs at a volume, in dollars: one number, or a draw for each way the world may be.
MonthlyCost = Callable[[float], ArrayLike]
_HOURS = 730  # of a month


def break_even(options: Mapping[str, MonthlyCost], volumes: Sequence[float]) -> pd.DataFrame:
    """The probability of each option to be the cheapest, at each volume.

    Draw ``i`` of every option belongs to one state of the world: what two of them share, such as the length of an
    answer, they are to draw together. The error of a probability by ``n`` draws is at most ``0.5 / sqrt(n)``. An
    option that cannot keep a promise, such as a latency, costs infinity.

    Args:
        options: what each costs a month, as a function of the volume.
        volumes: requests a month.

    Returns:
        Probabilities with a row a volume and a column an option. Ties share; a row where no option is possible is 0.

    Raises:
        ValueError: for fewer than two options, draws of several lengths, missing costs, or no volume.

    >>> rng = np.random.default_rng(0)
    >>> per_answer = rng.lognormal(np.log(0.002), 0.5, 10_000)
    >>> table = break_even({"API": lambda n: n * per_answer, "own": lambda n: 2_000.0}, [10_000, 1_000_000, 10_000_000])
    >>> table["own"].round(2).tolist()
    [0.0, 0.5, 1.0]
    """
    if len(options) < 2 or not len(volumes):
        raise ValueError(f"expected two options or more and a volume, got {len(options)} and {len(volumes)}")
    rows = [_cheapest(options, volume) for volume in volumes]
    return pd.DataFrame(rows, index=pd.Index(volumes, name="volume"), columns=list(options))


def _cheapest(options: Mapping[str, MonthlyCost], volume: float) -> Float[np.ndarray, " options"]:
    check_positive("each volume", volume)
    costs = [np.atleast_1d(np.asarray(cost(volume), dtype=float)) for cost in options.values()]
    lengths = {len(cost) for cost in costs} - {1}
    if len(lengths) > 1 or any(cost.ndim != 1 for cost in costs):
        raise ValueError(f"expected one number or as many draws from each option, got {sorted(lengths)}")
    table = np.stack(np.broadcast_arrays(*costs))
    if np.isnan(table).any():
        missing = [name for name, row in zip(options, table, strict=True) if np.isnan(row).any()]
        raise ValueError(f"expected costs that are numbers or infinite, got missing ones from {missing[0]}")
    best = (table == table.min(axis=0)) & np.isfinite(table)
    return (best / np.maximum(best.sum(axis=0), 1)).mean(axis=1)


@same_examples("hourly_price", "service")
def hosting_cost(
    volume: float,
    *,
    hourly_price: ArrayLike,
    service: ArrayLike,
    seconds: float,
    level: float = 0.95,
    peak: float = 1.0,
) -> Float[np.ndarray, " draws"]:
    """Dollars a month of as many machines as keep a promised latency; infinite where none would.

    Requests come at random at the rate of the busiest hour, which is ``peak`` times the average, and wait in one line
    for the machines: see :func:`companion.economics.servers_needed`. Machines run all month.

    Args:
        volume: requests a month.
        hourly_price: dollars of one machine, a number or draws.
        service: seconds that a machine takes for a request on average, a number or draws.
        seconds: what a proportion ``level`` of the answers may take.
        level: 0.95 for the 95th percentile.
        peak: the rate of the busiest hour beside the average, 1 or more.

    Raises:
        ValueError: for numbers that are not positive, a level outside (0, 1), or a peak below 1.

    >>> hosting_cost(500_000, hourly_price=2.5, service=[0.2, 0.3, 0.4], seconds=1.0, peak=3).tolist()
    [1825.0, 3650.0, inf]
    """
    for name, value in (("volume", volume), ("seconds", seconds)):
        check_positive(name, value)
    check_share("level", level, "0.95 is the 95th percentile")
    if not is_number(peak) or not 1 <= peak < float("inf"):
        raise ValueError(f"expected peak of at least 1, got {peak!r}: it is the busiest hour beside the average one")
    price, times = np.broadcast_arrays(
        np.atleast_1d(as_given("hourly_price", hourly_price)), np.atleast_1d(as_given("service", service))
    )
    if np.any(~(price > 0)) or np.any(~(times > 0)):
        raise ValueError("expected a positive hourly_price and service")
    rate = peak * volume / (_HOURS * 3_600)
    possible = -times * np.log(1 - level) < seconds
    machines = np.full(len(times), np.inf)
    machines[possible] = _machines(rate, times[possible], seconds, level)
    return machines * price * _HOURS


def _machines(
    rate: float, times: Float[np.ndarray, " draws"], seconds: float, level: float
) -> Float[np.ndarray, " draws"]:
    """Machines for each service time. They never fall with it: between two times that need as many, all do."""
    order, needed = np.argsort(times), np.full(len(times), np.nan)

    def fill(low: int, high: int) -> None:
        ends = [servers_needed(rate, float(times[order[i]]), seconds=seconds, level=level) for i in (low, high)]
        needed[order[[low, high]]] = ends
        if ends[0] == ends[1]:
            needed[order[low:high]] = ends[0]
        elif high - low > 1:
            fill(low, (low + high) // 2)
            fill((low + high) // 2, high)

    if len(times):
        fill(0, len(times) - 1)
    return needed
