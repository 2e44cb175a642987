"""Privacy ledgers: opacus' and published values over a grid, closed forms, and audits that never exceed the truth."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from companion.trust import audit, epsilon, gaussian_delta, guess_members, noise_multiplier, renyi_divergence

ABADI = {"q": 0.01, "steps": 10_000, "delta": 1e-5}  # 100 epochs at a sampling rate of 1%


def test_the_published_ladder():
    # Abadi et al. 2016, section 5.1: 1.26 by moments (9.34 by strong composition, as they amplify it)
    values = [epsilon(4.0, **ABADI, accountant=by) for by in ("strong", "moments", "rdp", "prv")]
    assert values[1:] == pytest.approx([1.2586, 1.0355, 0.957], abs=5e-4)
    assert values == sorted(values, reverse=True)


def test_opacus_own_test_values():
    run = {"q": 0.04, "steps": 2_250, "delta": 1e-5}
    assert epsilon(1.5, **run, accountant="rdp") == pytest.approx(7.32911117143, rel=1e-9)
    assert epsilon(1.5, **run, accountant="prv") == pytest.approx(6.777395712, abs=0.01)  # its own error


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0])
@pytest.mark.parametrize("q", [0.001, 0.02, 0.3, 1.0])
def test_the_divergence_is_the_integral_and_opacus(sigma, q):
    from opacus.accountants.analysis.rdp import compute_rdp

    orders = [1.3, 2.0, 5.5, 20, 60]
    ours = [renyi_divergence(a, sigma=sigma, q=q) for a in orders]
    theirs = compute_rdp(q=q, noise_multiplier=sigma, steps=1, orders=orders)
    assert ours == pytest.approx(list(theirs), rel=1e-6, abs=1e-11)  # which loses digits of small ones
    assert ours[1] == pytest.approx(math.log1p(q**2 * math.expm1(1 / sigma**2)), rel=1e-9)  # of order 2, by hand


@pytest.mark.filterwarnings("ignore:Optimal order")
@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0])
@pytest.mark.parametrize("q", [0.001, 0.02, 0.3])
@pytest.mark.parametrize("steps", [1, 300])
def test_our_rdp_is_opacus(sigma, q, steps):
    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    accountant.history = [(sigma, q, steps)]
    for delta in (1e-4, 1e-7):
        ours = epsilon(sigma, q=q, steps=steps, delta=delta, accountant="rdp")
        assert ours == pytest.approx(accountant.get_epsilon(delta), rel=1e-6)


@pytest.mark.parametrize("accountant", ["strong", "moments", "rdp", "prv"])
def test_no_ledger_is_below_the_exact_value_of_one_release(accountant):
    """At q = 1 the composition of Gaussians is a Gaussian, whose delta is known."""
    for sigma, steps in ((3.0, 1), (20.0, 50)):
        eps = epsilon(sigma, q=1.0, steps=steps, delta=1e-5, accountant=accountant)
        assert gaussian_delta(eps, sigma / math.sqrt(steps)) <= 1e-5 * 1.0001


def test_the_exact_delta_is_what_the_densities_say():
    x = np.linspace(-60, 60, 2_000_001)
    for eps, sigma in ((0.5, 1.0), (2.0, 0.8), (0.0, 3.0)):
        gain = np.maximum(0, norm.pdf(x, 1, sigma) - math.exp(eps) * norm.pdf(x, 0, sigma)).sum() * (x[1] - x[0])
        assert gaussian_delta(eps, sigma) == pytest.approx(gain, rel=1e-5)


def test_the_least_noise_keeps_the_promise():
    sigma = noise_multiplier(2.0, q=0.02, steps=1_000, delta=1e-6, accountant="rdp")
    assert 1.98 < epsilon(sigma, q=0.02, steps=1_000, delta=1e-6, accountant="rdp") <= 2.0
    assert epsilon(0.98 * sigma, q=0.02, steps=1_000, delta=1e-6, accountant="rdp") > 2.0


def test_an_audit_of_perfect_guesses():
    # (1 + e^-ε)^-100 = .05
    assert audit(100, 100, canaries=1_000) == pytest.approx(-math.log(0.05 ** (-1 / 100) - 1), rel=1e-9)
    assert audit(100, 50, canaries=1_000) == 0
    assert audit(100, 100, canaries=1_000, delta=1e-5) < audit(100, 100, canaries=1_000)


@pytest.mark.parametrize("truth", [0.5, 2.0])
def test_audits_exceed_the_truth_no_more_often_than_they_may(truth):
    rng = np.random.default_rng(0)
    correct = rng.binomial(300, 1 / (1 + math.exp(-truth)), 2_000)  # randomized response: the bound is tight for it
    found = [audit(300, int(k), canaries=300) for k in correct]
    assert np.mean(np.array(found) > truth) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2_000)
    assert np.median(found) > 0.6 * truth - 0.15


def test_guesses_take_both_ends():
    rng = np.random.default_rng(0)
    members = rng.random(4_000) < 0.5
    scores = members + rng.normal(0, 1, 4_000)
    few, all_of_them = guess_members(scores, members, share=0.1), guess_members(scores, members, share=1.0)
    assert (few[0], all_of_them[0]) == (400, 4_000)
    assert few[1] / 400 > all_of_them[1] / 4_000 == pytest.approx(norm.cdf(0.5), abs=0.03)


@pytest.mark.parametrize("members", [np.repeat([0, 1], 1_000), np.repeat([1, 0], 1_000)])
def test_equal_scores_say_nothing_of_members_in_whichever_order_the_rows_stand(members):
    made, correct = guess_members(np.zeros(2_000), members, share=0.5)
    assert made == 1_000
    assert abs(correct - 500) < 4 * np.sqrt(250)  # of 1,000 coins


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: epsilon(0, **ABADI), "sigma"),
        (lambda: epsilon(1, q=1.2, steps=1, delta=1e-5), "at most 1"),
        (lambda: epsilon(1, q=0, steps=1, delta=1e-5), "q"),
        (lambda: epsilon(1, q=0.1, steps=0, delta=1e-5), "steps"),
        (lambda: epsilon(1, q=0.1, steps=1, delta=0), "delta"),
        (lambda: epsilon(1, **ABADI, accountant="zcdp"), "accountant"),
        (lambda: noise_multiplier(-1, **ABADI), "target"),
        (lambda: audit(10, 11, canaries=20), "correct <= guesses"),
        (lambda: audit(10, 5, canaries=20, level=2), "level"),
        (lambda: guess_members([1, 2], [0, 2]), "0 and 1"),
        (lambda: guess_members([1, 2], [0, 1], share=0), "share"),
    ],
)
def test_refusals(make, said):
    with pytest.raises(ValueError, match=said):
        make()
