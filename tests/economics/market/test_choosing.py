"""Ranks under unknown weights and the value of knowing: closed forms, and a nested simulation."""

import numpy as np
import pytest
from scipy.stats import norm

from companion.economics.market import smaa, value_of_information


def test_two_alternatives_and_two_criteria():
    # first where .9 w + .1 (1 - w) > .2 w + .6 (1 - w), so w > 5/12
    table = smaa([[0.9, 0.1], [0.2, 0.6]], names=["fast", "deep"])
    assert table[1]["fast"] == pytest.approx(7 / 12, abs=0.015)
    assert table.sum(axis=0).tolist() == pytest.approx([1, 1])
    assert table.sum(axis=1).tolist() == pytest.approx([1, 1])


def test_three_criteria_one_best_in_each():
    # alternative i is best where its weight is the largest: one third each, by symmetry
    table = smaa(np.eye(3), seed=1)
    assert table[1].tolist() == pytest.approx([1 / 3] * 3, abs=0.015)
    # the second is ahead of the first and of (.5, .5, .5)·1.2 only where w₂ > .6: (1 - .6)² of the simplex
    assert smaa([[0.6, 0.6, 0.6], [0, 1, 0]])[1][1] == pytest.approx(0.16, abs=0.012)


def test_scores_that_are_draws():
    rng = np.random.default_rng(0)
    scores = rng.normal([[1.0], [0.0]], 1.0, (40_000, 2, 1))
    assert smaa(scores)[1][0] == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.01)
    fixed = smaa([[1.0, 0.0], [0.0, 1.0]], weights=[[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    assert fixed[1].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_perfect_information_of_a_normal_payoff():
    rng = np.random.default_rng(0)
    profit = rng.normal(-0.5, 1.0, 200_000)
    value = value_of_information(np.stack([np.zeros_like(profit), profit], axis=1))
    assert value == pytest.approx(norm.pdf(0.5) - 0.5 * norm.cdf(-0.5), abs=0.01)


@pytest.mark.parametrize("n", [5_000, 50_000])
def test_a_part_of_what_is_unknown(n):
    rng = np.random.default_rng(n)
    # the last term is shared by both options: it decides nothing
    known, rest = rng.normal(0, 1, n), rng.normal(0, 2, n)
    payoffs = np.stack([np.zeros(n), known + rest], axis=1) + rng.normal(0, 50, (n, 1))
    assert value_of_information(payoffs, known) == pytest.approx(1 / np.sqrt(2 * np.pi), abs=0.05)
    assert value_of_information(payoffs, rng.normal(size=n)) < 0.1
    assert value_of_information(payoffs) == pytest.approx(np.sqrt(5 / (2 * np.pi)), abs=0.05)


def test_a_yes_or_no():
    yes = np.repeat([0, 1], 5_000)
    payoffs = np.stack([np.zeros(10_000), np.where(yes, 3.0, -1.0)], axis=1)
    assert value_of_information(payoffs, yes) == pytest.approx(0.5)  # 1.5 instead of 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: smaa([1.0, 2.0]), "alternatives, criteria"),
        (lambda: smaa([[np.nan, 1.0]]), "alternatives, criteria"),
        (lambda: smaa([[1.0, 0.0]], weights=[[1.0]]), "weights"),
        (lambda: smaa([[1.0, 0.0]], weights=[[-1.0, 2.0]]), "weights"),
        (lambda: value_of_information([[1.0]]), "two options"),
        (lambda: value_of_information([[1.0, 2.0]], [1.0, 2.0]), "about as 1"),
    ],
)
def test_refusals(make, said):
    with pytest.raises(ValueError, match=said):
        make()
