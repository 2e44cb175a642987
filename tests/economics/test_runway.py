"""Months until the cash ends: the inverse Gaussian beside simulated paths, and its limits."""

import numpy as np
import pytest
from scipy.stats import invgauss, norm

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


@pytest.mark.parametrize("spread", [1e-4, 1e-3, 1.0, 30.0, 100.0, 280.0, 300.0])
def test_a_burn_that_hardly_varies_ends_next_to_the_mean(spread):
    """To second order in the deviation, whatever computes it: at 1e-4 SciPy says infinity for a probability."""
    runway, deviation = Runway(cash=1_200_000, burn=100_000, spread=spread), 12**0.5 * spread / 100_000
    z = np.array([-2.0, -0.5, 0.0, 1.5])
    months = 12 + deviation * z + deviation**2 / 12 * (z**2 - 1) / 2
    assert runway.probability(months) == pytest.approx(norm.cdf(z), abs=1e-5)
    assert [runway.quantile(share) for share in norm.cdf(z)] == pytest.approx(months, abs=1e-5 * deviation)
    assert runway.probability([0.0, 6.0, 1e9, np.inf]).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("spread", [1e3, 1e4, 1e5, 1e6, 1e8])
@pytest.mark.parametrize("burn", [-100_000, 0, 1.0, 100_000])
def test_probabilities_are_scipys_where_those_hold(spread, burn):
    runway, months = Runway(1_200_000, burn, spread), np.array([0.0, 1e-3, 1.0, 11.0, 12.0, 13.0, 60.0, 1e6])
    shape = (1_200_000 / spread) ** 2
    law = invgauss(1_200_000 / max(abs(burn), 1e-9 * spread) / shape, scale=shape)
    assert runway.probability(months) == pytest.approx(runway.ever * law.cdf(months), rel=1e-6, abs=1e-12)
