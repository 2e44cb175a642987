"""Decisions against closed forms: of the value of answers, of thresholds, of verdicts."""

import numpy as np
import pytest
from scipy import stats

from companion.economics.plans import DecisionPlan, Experiment, decide
from companion.economics.plans.formula import Formula


def plan(quantities, options, experiments=()):
    formulas = {name: Formula(text) for name, text in options.items()}
    return DecisionPlan("t", quantities, formulas, dict(experiments), {})


def test_all_that_can_be_known_of_a_normal_gain():
    # E max(0, X) - max(0, mu) for X ~ N(mu, s): s φ(mu/s) - mu Φ(-mu/s) for mu > 0
    decision = decide(plan({"x": stats.norm(1, 2)}, {"buy": "x"}), n_draws=2**17)
    exact = 2 * stats.norm.pdf(0.5) - stats.norm.cdf(-0.5)
    assert decision.everything == pytest.approx(exact, rel=0.03)
    row = decision.options.loc["buy"]
    np.testing.assert_allclose(
        row[["mean", "loses", "best"]], [1, stats.norm.cdf(-0.5), stats.norm.cdf(0.5)], atol=0.02
    )
    np.testing.assert_allclose(row[["low", "high"]], stats.norm(1, 2).ppf([0.05, 0.95]), atol=0.06)
    assert (decision.answer, decision.option) == ("GO", "buy")


def test_people_who_are_asked_are_worth_what_enumeration_says():
    a, b, people, gain, cost = 3, 7, 12, 1_000.0, 320.0
    p = stats.beta(a, b)
    counts = np.arange(people + 1)
    weights = stats.betabinom(people, a, b).pmf(counts)
    posterior = gain * (a + counts) / (a + b + people) - cost
    exact = weights @ np.maximum(posterior, 0) - max(0.0, gain * 0.3 - cost)
    asked = {"ask": Experiment("p", people, 1.0), "know": Experiment("p", None, 1.0)}
    decision = decide(plan({"p": p}, {"build": f"{gain} * p - {cost}"}, asked), n_draws=2**17)
    assert decision.experiments.loc["ask", "worth"] == pytest.approx(exact, rel=0.05)
    assert decision.experiments.loc["know", "worth"] == pytest.approx(decision.everything, rel=0.03)
    assert decision.experiments.loc["ask", "worth"] < decision.everything
    np.testing.assert_allclose(decision.experiments["net"], decision.experiments["worth"] - 1)


def test_the_answer_changes_where_the_algebra_says():
    quantities = {"p": stats.beta(3, 7), "cost": stats.uniform(200, 100), "noise": stats.norm(0, 50)}
    decision = decide(plan(quantities, {"build": "1000 * p - cost + noise", "half": "400 * p - 70"}))
    # at the means of the others: build > 0 for p > .25, half > 0 for p > .175, build > half for 600 p > 180, p > .3
    of_p = decision.changes[decision.changes["quantity"] == "p"]
    np.testing.assert_allclose(of_p["value"], [0.175, 0.3], atol=0.005)
    assert list(of_p["below"]) == ["do nothing", "half"]
    assert list(of_p["above"]) == ["half", "build"]
    assert of_p["probability"].iloc[0] == pytest.approx(stats.beta(3, 7).cdf(0.175), abs=0.01)
    of_cost = decision.changes[decision.changes["quantity"] == "cost"]
    np.testing.assert_allclose(of_cost["value"], [250], atol=3)  # 300 - cost > 50


@pytest.mark.parametrize(
    ("gain", "cost", "verdict", "option"),
    [
        (2_000, 5.0, "GO", "build"),
        (100, 5.0, "NO-GO", "do nothing"),
        (1_000, 5.0, "LEARN", "do nothing"),
        (1_000, 500.0, "NO-GO", "do nothing"),
    ],
)
def test_verdicts(gain, cost, verdict, option):
    asked = {"ask": Experiment("p", 20, cost)}
    decision = decide(plan({"p": stats.beta(30, 70)}, {"build": f"{gain} * p - 305"}, asked))
    assert (decision.answer, decision.option) == (verdict, option)


def test_seeds_make_it_again():
    one = plan({"p": stats.beta(3, 7)}, {"build": "p - 0.3"}, {"ask": Experiment("p", 3, 0.0)})
    first, again, other = decide(one, seed=1), decide(one, seed=1), decide(one, seed=2)
    assert first.options.equals(again.options)
    assert first.experiments.equals(again.experiments)
    assert not first.options.equals(other.options)


def test_few_draws_are_refused():
    with pytest.raises(ValueError, match="expected n_draws"):
        decide(plan({"p": stats.beta(3, 7)}, {"build": "p"}), n_draws=10)
