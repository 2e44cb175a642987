"""Scores and prices from surveys: by hand, by general optimizers, and their intervals by coverage."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit

from companion.economics.market import net_promoter_score, willingness_to_pay

A, B = 3.0, 0.12


def answers(n, seed):
    rng = np.random.default_rng(seed)
    price = rng.choice([10, 20, 30, 40], n)
    return price, rng.random(n) < expit(A - B * price)


def test_the_score_by_hand():
    score = net_promoter_score([10, 9, 9, 8, 7, 6, 0, 10, 5, 10] * 5)
    assert score.estimate == pytest.approx(20)  # 5 of 10 promote, 3 detract
    assert -100 <= score.low < 20 < score.high <= 100


def test_the_score_s_interval_covers():
    rng = np.random.default_rng(0)
    ratings, shares = np.arange(11), np.array([2, 1, 1, 1, 2, 5, 8, 20, 25, 20, 15]) / 100
    truth = 100 * (shares[9:].sum() - shares[:7].sum())
    scores = [net_promoter_score(rng.choice(ratings, 60, p=shares)) for _ in range(1_000)]
    assert 0.93 <= np.mean([score.low <= truth <= score.high for score in scores]) <= 0.98


def test_the_best_price_is_that_of_a_general_optimizer():
    curve = willingness_to_pay(*answers(2_000, 0))
    for cost in (0.0, 12.0):
        found = minimize_scalar(lambda p, c=cost: -(p - c) * curve.probability(p), bounds=(cost, 100), method="bounded")
        assert curve.best_price(cost).estimate == pytest.approx(found.x, abs=1e-3)
    assert curve.probability(curve.median.estimate) == pytest.approx(0.5)


def test_intervals_of_prices_cover():
    best = 12 + minimize_scalar(lambda p: -p * expit(A - B * (p + 12)), bounds=(0, 100), method="bounded").x
    curves = [willingness_to_pay(*answers(250, seed)) for seed in range(400)]
    for truth, intervals in (
        (A / B, [curve.median for curve in curves]),
        (best, [curve.best_price(12.0) for curve in curves]),
    ):
        assert 0.925 <= np.mean([i.low <= truth <= i.high for i in intervals]) <= 0.98


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: net_promoter_score([10] * 5), "20"),
        (lambda: net_promoter_score([11] * 30), "0 to 10"),
        (lambda: net_promoter_score([7.5] * 30), "whole numbers"),
        (lambda: willingness_to_pay([10] * 40, [0, 1] * 20), "expected"),
        (lambda: willingness_to_pay([10, 20] * 40, [0] * 80), "expected"),
        (lambda: willingness_to_pay(*answers(250, 0), level=1.0), "level"),
        (lambda: willingness_to_pay(answers(60, 0)[0], answers(60, 1)[1][::-1]).median, "buy less at a higher price"),
    ],
)
def test_refusals(make, said):
    with pytest.raises(ValueError, match=said):
        make()
