"""Customers who stay: Fader and Hardie's two cohorts, closed forms beside sums, and planted parameters found again."""

import numpy as np
import pytest
from scipy.stats import betabinom

from companion.economics import ShiftedBetaGeometric

HIGH_END = [1_000, 869, 743, 653, 593, 551, 517, 491]
REGULAR = [1_000, 631, 468, 382, 326, 289, 262, 241]


@pytest.mark.parametrize(
    ("customers", "alpha", "beta", "log_likelihood"),
    [(HIGH_END, 0.668, 3.806, -1_611.16), (REGULAR, 0.704, 1.182, -1_680.27)],
)
def test_the_published_fits(customers, alpha, beta, log_likelihood):
    model = ShiftedBetaGeometric.fit(customers)
    assert (round(model.alpha, 3), round(model.beta, 3)) == (alpha, beta)
    assert model.log_likelihood(customers) == pytest.approx(log_likelihood, abs=0.005)


def test_survival_is_that_no_period_of_a_beta_binomial_is_the_last():
    model = ShiftedBetaGeometric(0.668, 3.806)
    expected = [betabinom.pmf(0, t, 0.668, 3.806) for t in range(1, 12)]
    assert model.survival(range(1, 12)) == pytest.approx(expected, rel=1e-10)
    assert model.survival(0) == 1
    assert np.cumprod(model.retention(np.arange(1, 12))) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("after", [0, 4])
def test_the_lifetime_is_the_discounted_sum(after):
    model = ShiftedBetaGeometric(0.668, 3.806)
    periods = np.arange(5_000)
    total = (model.survival(periods + after) / model.survival(after) / 1.1**periods).sum()
    assert model.lifetime(discount=0.1, after=after) == pytest.approx(total, rel=1e-9)


def test_who_has_stayed_longer_is_worth_more():
    model = ShiftedBetaGeometric(0.704, 1.182)
    assert model.lifetime(discount=0.1, after=4) > 1.5 * model.lifetime(discount=0.1)


def test_planted_parameters_are_found():
    rng = np.random.default_rng(0)
    leaves = rng.geometric(rng.beta(0.7, 2.0, 200_000))
    model = ShiftedBetaGeometric.fit([(leaves > t).sum() for t in range(9)])
    assert (model.alpha, model.beta) == (pytest.approx(0.7, rel=0.03), pytest.approx(2.0, rel=0.03))


@pytest.mark.parametrize(
    ("customers", "said"),
    [
        ([100, 50], "three numbers or more"),
        ([100, 50, 60], "never rise"),
        ([100, 100, 100], "some customers who left"),
        ([100, 50, 0], "some who stayed"),
        ([1_024, 512, 256, 128, 64], "all may be alike"),
        ([1_000, 900, 600, 100], "all may be alike"),
    ],
)
def test_cohorts_that_no_parameters_fit(customers, said):
    with pytest.raises(ValueError, match=said):
        ShiftedBetaGeometric.fit(customers)


def test_refusals():
    with pytest.raises(ValueError, match="alpha"):
        ShiftedBetaGeometric(0, 1)
    with pytest.raises(ValueError, match="discount"):
        ShiftedBetaGeometric(1, 1).lifetime(discount=0)
    with pytest.raises(ValueError, match="renewals"):
        ShiftedBetaGeometric(1, 1).lifetime(discount=0.1, after=-1)


def test_a_cohort_of_millions_has_the_same_parameters():
    customers = np.array([1_000, 869, 743, 653, 593, 551, 517, 491])
    few, many = (ShiftedBetaGeometric.fit(customers * times) for times in (1, 10**7))
    assert (many.alpha, many.beta) == pytest.approx((few.alpha, few.beta), rel=1e-6)
