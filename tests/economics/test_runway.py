"""Months until the cash ends: the inverse Gaussian beside simulated paths, and its limits."""

import numpy as np
import pytest
from scipy.stats import norm

from companion.economics import Runway, first_passage


def simulated(runway, months, paths=20_000, per_month=64, seed=0):
    """Paths of the same drift, looked at 64 times a month."""
    rng = np.random.default_rng(seed)
    steps = months * per_month
    burns = rng.normal(runway.burn / per_month, runway.spread / per_month**0.5, (paths, steps)).astype(np.float32)
    return first_passage(runway.cash, burns) / per_month


@pytest.mark.parametrize("burn", [100_000.0, 0.0, -40_000.0])
def test_the_closed_form_is_what_paths_do(burn):
    runway = Runway(cash=500_000, burn=burn, spread=200_000)
    ended = simulated(runway, 12)
    for months in (
        3,
        6,
        12,
    ):  # looking 64 times a month finds 0.58 σ / √64 more cash (Broadie et al. 1997)
        later = Runway(500_000 + 0.5826 * 200_000 / 8, burn, 200_000)
        assert (ended <= months).mean() == pytest.approx(later.probability(months), abs=0.012)


def test_no_drift_is_the_reflection_principle():
    runway = Runway(cash=3.0, burn=0.0, spread=1.0)
    assert runway.probability(4.0) == pytest.approx(2 * norm.cdf(-1.5), rel=1e-6)
    assert runway.mean == float("inf")


def test_a_company_that_earns_may_still_end():
    runway = Runway(cash=100.0, burn=-10.0, spread=40.0)
    assert runway.ever == pytest.approx(np.exp(-2 * 10 * 100 / 1_600))
    assert runway.probability(1e6) == pytest.approx(runway.ever)
    assert runway.quantile(0.5) == float("inf")
    assert runway.probability(runway.quantile(0.2)) == pytest.approx(0.2)


def test_quantiles_and_probabilities_are_inverse():
    runway = Runway(1_200_000, 100_000, 60_000)
    assert [runway.probability(runway.quantile(p)) for p in (0.05, 0.5, 0.95)] == pytest.approx([0.05, 0.5, 0.95])
    assert runway.probability([0, 6, 400]).tolist() == pytest.approx([0, 0, 1], abs=1e-3)
    assert runway.quantile(0.5) < runway.mean == 12


def test_a_month_that_takes_exactly_what_is_there_is_not_the_end():
    assert first_passage(100.0, np.array([[100.0, 0.0], [100.0, 0.01]])).tolist() == [float("inf"), 2.0]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Runway(0, 1, 1), "cash"),
        (lambda: Runway(1, float("nan"), 1), "burn"),
        (lambda: Runway(1, 1, 0), "spread"),
        (lambda: Runway(1, 1, 1).probability(-1), "at least 0"),
        (lambda: Runway(1, 1, 1).probability(float("nan")), "at least 0"),
        (lambda: Runway(1, 1, 1).quantile(1.5), "share"),
        (lambda: first_passage(1.0, np.ones(3)), "paths, months"),
        (lambda: first_passage(1.0, np.array([[np.nan]])), "paths, months"),
    ],
)
def test_refusals(make, said):
    with pytest.raises(ValueError, match=said):
        make()
