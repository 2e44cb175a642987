"""The gate: each of its decisions, bad input."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from companion.stats import Interval, mean_ci, release_gate, sample_size


def interval(estimate, half_width=0.02, level=0.95):
    return Interval(estimate, estimate - half_width, estimate + half_width, level, "any")


@pytest.mark.parametrize(
    ("estimate", "options", "decision", "reason"),
    [
        (0.03, {}, "ship", "is better"),
        (0.015, {}, "ship", "not worse by more than the margin 0.01"),
        (-0.04, {}, "hold", "is worse by more than the margin"),
        (0.0, {"look": 2}, "hold", "after the last look"),
        (-0.02, {}, "hold", "by the estimate itself"),
        (0.0, {}, "label", "if the estimate is true"),
        (0.0, {"budget": 100}, "hold", "more than the budget"),
        (0.03, {"margin": 0}, "ship", "is better;"),
        (-0.03, {"margin": 0}, "hold", "is no better;"),
        (0.03, {"margin": -0.005}, "ship", "better by more than the 0.005 asked for"),
        (0.03, {"margin": -0.02}, "label", "if the estimate is true"),  # better, and perhaps not by enough
        (0.03, {"margin": -0.02, "look": 2}, "hold", "may still be short of the gain of 0.02 asked for"),
        (0.03, {"margin": -0.04}, "hold", "by the estimate itself it is short of the gain of 0.04 asked for"),
        (0.03, {"margin": -0.06}, "hold", "the new model is short of the gain of 0.06 asked for"),
    ],
)
def test_decisions(estimate, options, decision, reason):
    gate = release_gate(interval(estimate), n=500, **({"margin": 0.01} | options))
    assert (gate.decision, gate.labels_more > 0) == (decision, decision == "label")
    assert reason in str(gate)


def test_the_labels_asked_for_would_do():
    gate = release_gate(interval(0.0), n=500, margin=0.01, power=0.9)
    error = 0.02 / norm.ppf(0.975) * np.sqrt(500 / (500 + gate.labels_more))
    assert norm.cdf(0.01 / error - norm.ppf(0.975)) == pytest.approx(0.9, abs=1e-3)
    assert (
        f"{2.5 * gate.labels_more:,.6g}"
        in release_gate(interval(0.0), n=500, margin=0.01, power=0.9, label_cost=2.5).reason
    )


@pytest.mark.parametrize("margin", [0.01, 0.0, -0.006])
def test_moving_difference_and_margin_together_changes_nothing(margin):
    near, far = (
        release_gate(interval(0.008 + shift), n=500, margin=margin - shift, label_cost=0.5) for shift in (0, 0.005)
    )
    assert near.decision == far.decision == "label"
    assert near.labels_more == pytest.approx(far.labels_more, abs=1)


def test_a_gain_ships_where_its_net_of_costs_is_sure():
    requests, cost, serving = 50_000, 3.0, 900.0
    margin = -serving / (requests * cost)
    decided = []
    for estimate in np.linspace(-0.03, 0.05, 37):
        gate = release_gate(interval(estimate), n=500, margin=margin)
        net = requests * cost * np.array([estimate - 0.02, estimate + 0.02]) - serving
        assert (gate.decision == "ship") == (net[0] > 0)
        assert gate.decision == "hold" or net[1] > 0
        decided.append(gate.decision)
    assert set(decided) == {"ship", "hold", "label"}


@pytest.mark.parametrize(("risk", "looks"), [(0.05, 1), (0.05, 2), (0.1, 5), (0.01, 2)])
def test_the_bounds_move_to_the_risk_of_a_look(risk, looks):
    gate = release_gate(interval(0.01), n=500, margin=0.0, risk=risk, looks=looks)
    z = norm.ppf(1 - risk / looks)
    assert gate.difference.low == pytest.approx(0.01 - 0.02 * z / norm.ppf(0.975))
    assert gate.difference.level == pytest.approx(1 - 2 * risk / looks)
    assert release_gate(interval(0.01), n=500, margin=0.0).difference.low == pytest.approx(-0.01)  # as it came


def test_differences_of_scores_pass_the_gate_too():
    scores = np.random.default_rng(4).normal(0.3, 1, size=401)
    gate = release_gate(mean_ci(scores), n=401, margin=0.0)
    assert gate.decision == "ship"
    assert gate.frame.loc[0, "difference_estimate"] == pytest.approx(scores.mean())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": np.nan}, "margin to be a finite number"),
        ({"margin": -np.inf}, "margin to be a finite number"),
        ({"risk": 5}, "risk strictly between 0 and 0.5"),
        ({"look": 3}, "from 1 to looks, got 3 of 2"),
        ({"look": 0}, "look of at least 1, got 0"),
        ({"n": 1}, "at least 2"),
        ({"label_cost": 0}, "label_cost"),
        ({"budget": -1}, "budget"),
        ({"power": 0.3}, "power strictly between 0.5 and 1"),
        ({"risk": 5e-324}, "risk of at least 1e-12 for each look"),
        ({"n": 2.5}, "n to be a whole number"),
        ({"margin": None}, "margin to be a finite number, got None"),
    ],
)
def test_bad_input_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        release_gate(interval(0.0), **({"n": 500, "margin": 0.01} | options))


def test_an_estimate_that_all_but_touches_the_margin_is_held():
    gate = release_gate(Interval(0.0, -0.1, 0.1, 0.95, "by hand"), n=500, margin=5e-324)
    assert gate.decision == "hold"
    assert "too near to the margin" in str(gate)


def test_a_result_without_an_interval_is_refused():
    gate = release_gate(interval(0.0), n=500, margin=0.01)
    assert release_gate(gate, n=500, margin=0.01).decision == gate.decision  # a gate holds one
    with pytest.raises(ValueError, match="one interval, got 0"):
        release_gate(sample_size("means", 0.5, sd=1.0), n=500, margin=0.01)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=9),
    st.floats(-10, 10),
    st.floats(0.001, 0.499),
    st.integers(1, 3),
)
def test_any_differences_give_a_decision_or_a_value_error(values, margin, risk, look):
    try:
        gate = release_gate(mean_ci(values), n=len(values), margin=margin, risk=risk, look=look, looks=3)
    except ValueError:
        return
    assert gate.decision in ("ship", "hold", "label")
    assert (gate.decision == "label") == (gate.labels_more > 0)


@pytest.mark.parametrize(("margin", "label"), [(0.01, "margin, -0.01"), (-0.006, "gain asked for, 0.006")])
def test_the_picture_shows_the_margin(margin, label):
    axes = release_gate(interval(0.0), n=500, margin=margin).plot()
    assert axes.get_legend().get_texts()[0].get_text() == label
    plt.close("all")
