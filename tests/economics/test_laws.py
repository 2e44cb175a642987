"""Optima against brute force, and against what the papers print."""

import numpy as np
import pytest

from companion.economics import PRINTED, REFIT, TEX_SOURCE, LossLaw

BUDGET = 6 * 70e9 * 1.4e12
LAWS = [PRINTED, TEX_SOURCE, REFIT]


@pytest.mark.parametrize("law", LAWS)
def test_no_other_split_of_the_budget_has_less_loss(law):
    plan = law.compute_optimal(BUDGET)
    assert plan.training_flops == pytest.approx(BUDGET)
    assert plan.loss == law.loss(plan.parameters, plan.tokens)
    others = plan.parameters * np.geomspace(0.1, 10, 2_001)
    losses = [law.loss(n, BUDGET / 6 / n) for n in others]
    assert plan.loss == pytest.approx(min(losses), abs=1e-12)
    assert others[np.argmin(losses)] == pytest.approx(plan.parameters, rel=1e-2)


@pytest.mark.parametrize(("law", "ratio"), list(zip(LAWS, (92.8, 59.2, 18.4), strict=True)))
def test_tokens_a_parameter_at_chinchillas_compute(law, ratio):
    assert law.compute_optimal(BUDGET).tokens_per_parameter == pytest.approx(ratio, abs=0.05)


@pytest.mark.parametrize("law", LAWS)
def test_without_serving_the_lifetime_optimum_is_that_of_training(law):
    plan = law.compute_optimal(1e22)
    found = law.lifetime_optimal(plan.loss, served=0)
    assert found.parameters == pytest.approx(plan.parameters, rel=1e-5)
    assert law.flops_for(plan.loss) == pytest.approx(1e22, rel=1e-9)


def test_serving_makes_models_smaller_and_training_longer():
    """Sardana et al. 2024, figure 1 and its coefficients: 7B in place of 13B saves 1.7e22 operations, 17%."""
    law = LossLaw(1.69, 406.4, 0.336, 410.7, 0.283)
    tokens = 13e9 * law.compute_optimal(4.4966e22).tokens_per_parameter
    loss = law.loss(13e9, tokens)
    large = 6 * 13e9 * tokens + 2 * 13e9 * 2e12
    small = 6 * 7e9 * law.tokens_for(loss, 7e9) + 2 * 7e9 * 2e12
    assert large - small == pytest.approx(1.7e22, abs=0.05e22)
    assert (large - small) / large == pytest.approx(0.17, abs=0.005)
    best = law.lifetime_optimal(loss, served=2e12)
    assert best.training_flops + best.serving_flops <= small
    assert best.serving_flops == pytest.approx(2 * best.parameters * 2e12)


def test_tokens_for_a_loss_give_that_loss():
    assert REFIT.loss(3e9, REFIT.tokens_for(2.2, 3e9)) == pytest.approx(2.2, rel=1e-12)


def test_a_loss_out_of_reach_is_refused():
    with pytest.raises(ValueError, match=r"above 2\.\d+, which 1e\+09 parameters reach with endless text"):
        REFIT.tokens_for(1.9, 1e9)
    with pytest.raises(ValueError, match="above the irreducible 1.8172"):
        REFIT.lifetime_optimal(1.8, served=0)


def test_coefficients_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="exponent_n"):
        LossLaw(1.7, 400.0, 0.0, 400.0, 0.3)
