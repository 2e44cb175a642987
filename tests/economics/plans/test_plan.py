"""DecisionPlan files: what they say is what is drawn, and what is wrong with one is one line."""

import re

import numpy as np
import pytest
from scipy import stats

from companion.economics.plans import Experiment, read_plan

GOOD = """
title = "Club"
[quantities]
members = 600
pays = { beta = [3, 7], note = "a guess" }
fee = { uniform = [50, 70] }
churn = { normal = [10.0, 2.0] }
cost = { range = [100e3, 400e3] }
[options]
build = "members * fee * pays - cost - churn"
[experiments]
"ask thirty" = { asks = "pays", people = 30, cost = 600 }
"try it" = { tells = "cost", cost = 0 }
"""


@pytest.fixture
def read(tmp_path):
    def of(text):
        (tmp_path / "plan.toml").write_text(text, encoding="utf-8")
        return read_plan(tmp_path / "plan.toml")

    return of


def test_a_plan_is_what_the_file_says(read):
    plan = read(GOOD)
    assert plan.title == "Club"
    assert plan.quantities["members"] == 600.0
    assert plan.uncertain == ["pays", "fee", "churn", "cost"]
    assert plan.quantities["pays"].args == (3.0, 7.0)
    assert plan.quantities["fee"].support() == (50.0, 70.0)
    assert (plan.quantities["churn"].mean(), plan.quantities["churn"].std()) == (10.0, 2.0)
    np.testing.assert_allclose(plan.quantities["cost"].ppf([0.05, 0.5, 0.95]), [100e3, 200e3, 400e3])
    assert plan.experiments == {"ask thirty": Experiment("pays", 30, 600.0), "try it": Experiment("cost", None, 0.0)}
    assert plan.notes == {"pays": "a guess"}


def test_draws_follow_the_distributions_and_are_independent(read):
    values = read(GOOD).draws(20_000, seed=1)
    assert set(values["members"]) == {600.0}
    for name, distribution in (("pays", stats.beta(3, 7)), ("fee", stats.uniform(50, 20))):
        assert stats.kstest(values[name], distribution.cdf).pvalue > 0.001
    uncertain = np.stack([values[name] for name in ("pays", "fee", "churn", "cost")])
    assert np.abs(np.corrcoef(uncertain) - np.eye(4)).max() < 0.03


def test_payoffs_begin_with_nothing(read):
    plan = read(GOOD)
    values = plan.draws(5, seed=2)
    expected = 600 * values["fee"] * values["pays"] - values["cost"] - values["churn"]
    np.testing.assert_allclose(plan.payoffs(values), np.stack([np.zeros(5), expected], axis=1))


def test_without_a_title_the_file_gives_it(read):
    assert read('[quantities]\na = 1\n[options]\nb = "a"').title == "plan"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title = ", "name = ", "expected experiments, options, quantities, title in"),
        ("[options]\nbuild", "[options]\n[x]\nbuild", "got 'x'"),
        ("members = 600", "members = true", "expected a number, or one of beta"),
        ("members = 600", "members = nan", "expected a number, or one of beta"),
        ("members = 600", 'members = "many"', "got 'many'"),
        ("beta = [3, 7]", "gamma = [3, 7]", "expected a number, or one of beta"),
        ("beta = [3, 7]", "beta = [3, 7], normal = [0, 1]", "expected a number, or one of beta"),
        ("beta = [3, 7]", "beta = [3]", "expected two numbers for beta of the quantity 'pays', got [3]"),
        ("beta = [3, 7]", "beta = [0, 7]", "expected two positive numbers for beta"),
        ("uniform = [50, 70]", "uniform = [70, 50]", "expected low below high for uniform of the quantity 'fee'"),
        ("normal = [10.0, 2.0]", "normal = [10.0, 0.0]", "expected a positive deviation for normal"),
        ("range = [100e3, 400e3]", "range = [0, 400e3]", "expected low below high, both positive for range"),
        ("range = [100e3, 400e3]", "range = [1, inf]", "expected two numbers for range"),
        ("- churn", "- chrun", "expected quantities (members, pays, fee, churn, cost)"),
        ('build = "members', 'build = 3 # "members', "expected a formula in quotes for the option 'build', got 3"),
        ('asks = "pays"', 'asks = "members"', "expected one of the uncertain quantities (pays, fee, churn, cost)"),
        ('asks = "pays"', 'asks = "fee"', "expected a proportion, such as beta = [3, 7], to ask people of"),
        ("people = 30, ", "", "expected people = 1 or more for 'ask thirty', got None"),
        ("people = 30", "people = 0", "expected people = 1 or more for 'ask thirty', got 0"),
        ("cost = 600", "cost = -1", "expected a cost of 0 dollars or more for 'ask thirty', got -1"),
        (', cost = 600 }', " }", "expected asks = …, people = …, cost = … or tells = …, cost = …"),
        ('tells = "cost"', 'tells = "cost", people = 3', "expected people only with asks for 'try it', got 3"),
        ('tells = "cost"', 'tells = "cost", asks = "pays"', "expected asks = …, people = …"),
        ("[quantities]", "[quantities", "expected TOML in"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(read, old, new, message):
    assert old in GOOD
    with pytest.raises(ValueError, match=re.escape(message)):
        read(GOOD.replace(old, new, 1))


@pytest.mark.parametrize("part", ["quantities", "options"])
def test_both_parts_are_needed(read, part):
    with pytest.raises(ValueError, match=re.escape(f"expected a table [{part}] with one entry or more")):
        read({"quantities": '[options]\na = "1"', "options": "[quantities]\na = 1"}[part])


def test_dollars_are_finite(read):
    plan = read(GOOD.replace("- churn", "/ (members - 600)"))
    with pytest.raises(ValueError, match="expected finite dollars of the option 'build', got"):
        plan.payoffs(plan.draws(3))
