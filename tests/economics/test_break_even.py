"""Which way to serve is the cheapest: a probability known in closed form, promises that cannot be kept, steps."""

import numpy as np
import pytest
from scipy.stats import norm

from companion.economics import break_even, hosting_cost, servers_needed

RNG = np.random.default_rng(0)
PER_ANSWER = RNG.lognormal(np.log(0.002), 0.5, 40_000)


def test_a_lognormal_price_against_a_fixed_one():
    volumes = [3e5, 1e6, 4e6]
    table = break_even({"API": lambda n: n * PER_ANSWER, "own": lambda n: 2_000.0}, volumes)
    expected = [norm.cdf(np.log(0.002 * n / 2_000) / 0.5) for n in volumes]
    assert table["own"].tolist() == pytest.approx(expected, abs=0.01)
    assert table.sum(axis=1).tolist() == pytest.approx([1, 1, 1])


def test_ties_share_and_the_impossible_is_never_cheapest():
    table = break_even({"a": lambda n: 1.0, "b": lambda n: 1.0, "c": lambda n: np.inf}, [1])
    assert table.iloc[0].tolist() == [0.5, 0.5, 0]
    assert break_even({"a": lambda n: np.inf, "b": lambda n: np.inf}, [1]).iloc[0].sum() == 0


def test_machines_for_each_service_time():
    times = RNG.lognormal(np.log(0.2), 0.6, 300)
    cost = hosting_cost(30e6, hourly_price=2.0, service=times, seconds=1.0, peak=2)
    rate = 2 * 30e6 / (730 * 3_600)
    for time, got in zip(times, cost, strict=True):
        if time * np.log(20) < 1:
            assert got == 1_460 * servers_needed(rate, float(time), seconds=1.0)
        else:
            assert got == np.inf


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: break_even({"a": lambda n: 1.0}, [1]), "two options"),
        (lambda: break_even({"a": lambda n: 1.0, "b": lambda n: 1.0}, [0]), "volume"),
        (lambda: break_even({"a": lambda n: [1, 2], "b": lambda n: [1, 2, 3]}, [1]), "as many draws"),
        (lambda: break_even({"a": lambda n: [1, np.nan], "b": lambda n: 1.0}, [1]), "missing ones from a"),
        (lambda: hosting_cost(1, hourly_price=1, service=0, seconds=1), "positive"),
        (lambda: hosting_cost(1, hourly_price=1, service=1, seconds=1, peak=0.5), "peak"),
    ],
)
def test_refusals(make, said):
    with pytest.raises(ValueError, match=said):
        make()
