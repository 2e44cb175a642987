"""Raked weights held to closed forms and margins, Kish's effect by simulation, a published mismatch."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from companion.economics.market import design_effect, rake, sample_ratio_mismatch


def people(n=500, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.choice(["young", "old"], n, p=[0.7, 0.3]),
            "town": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2]),
        }
    )


def test_one_column_is_post_stratification():
    sample = people()
    weights = rake(sample, {"age": {"old": 0.6, "young": 0.4}})
    share = (sample.age == "old").mean()
    assert weights[sample.age == "old"] == pytest.approx(0.6 / share)
    assert weights.mean() == pytest.approx(1)


def test_all_margins_are_met_and_weights_are_a_product():
    sample = people()
    targets = {"age": {"old": 0.6, "young": 0.4}, "town": {"a": 0.2, "b": 0.3, "c": 0.5}}
    weights = rake(sample, targets)
    for column, shares in targets.items():
        for value, share in shares.items():
            assert weights[sample[column] == value].sum() / len(sample) == pytest.approx(share, abs=1e-9)
    cell = sample.assign(log=np.log(weights)).pivot_table("log", "age", "town")
    assert (cell.loc["old"] - cell.loc["young"]).std() < 1e-9  # log w = a(age) + b(town), as Deming and Stephan's


def test_kish_s_effect_is_the_ratio_of_variances():
    rng = np.random.default_rng(0)
    weights = rng.lognormal(0, 0.7, 200)
    answers = rng.normal(size=(20_000, 200))
    ratio = np.var(answers @ weights / weights.sum()) / np.var(answers.mean(axis=1))
    assert design_effect(weights) == pytest.approx(ratio, rel=0.04)
    assert design_effect(np.full(7, 3.0)) == pytest.approx(1)


def test_the_published_mismatch_and_the_exact_test():
    assert sample_ratio_mismatch([821_588, 815_482]) == pytest.approx(1.8e-6, abs=0.05e-6)
    exact = binomtest(5_100, 10_000, 0.5).pvalue
    assert sample_ratio_mismatch([5_100, 4_900]) == pytest.approx(exact, rel=0.05)
    assert sample_ratio_mismatch([900, 100], [0.9, 0.1]) == 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: rake(people(), {"height": {"x": 1.0}}), "a column 'height'"),
        (lambda: rake(people(), {"age": {"old": 0.5, "young": 0.6}}), "add up to 1"),
        (lambda: rake(people(), {"age": {"old": 1.0}}), "a target for each value of age, got none for 'young'"),
        (lambda: rake(people(), {"age": {"old": 0.5, "young": 0.4, "baby": 0.1}}), "nobody of 'baby'"),
        (lambda: rake(people()[:0], {"age": {"old": 1.0}}), "people and targets"),
        (
            lambda: rake(
                pd.DataFrame({"a": [0, 0, 1], "b": [0, 1, 1]}), {"a": {0: 0.5, 1: 0.5}, "b": {0: 0.9, 1: 0.1}}
            ),
            "some weights meet",
        ),
        (lambda: design_effect([1, -1]), "at least 0"),
        (lambda: sample_ratio_mismatch([10, 5.5]), "whole numbers"),
        (lambda: sample_ratio_mismatch([10, 5], [0.5, 0.6]), "add up to 1"),
    ],
)
def test_refusals(make, said):
    with pytest.raises(ValueError, match=said):
        make()
