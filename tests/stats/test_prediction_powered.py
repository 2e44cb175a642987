"""Prediction-powered inference: its formula, its limits, bad input."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from companion.stats.estimates.prediction_powered import prediction_powered_ci


def judged(n, n_more, rng, *, noise=0.5, bias=0.3):
    y = rng.normal(size=n + n_more)
    f = y + bias + noise * rng.normal(size=n + n_more)
    return y[:n], f[:n], f[n:]


def widths(result):
    return result.interval.high - result.interval.low, result.classical.high - result.classical.low


def test_without_tuning_it_is_the_formula_of_the_paper():
    y, f, more = judged(53, 499, np.random.default_rng(0))
    interval = prediction_powered_ci(y, f, more, power_tuning=False).interval
    # Angelopoulos et al. 2023, algorithm 1, with Student's quantile and unbiased variances
    half = stats.t.ppf(0.975, 52) * np.sqrt(np.var(more, ddof=1) / 499 + np.var(f - y, ddof=1) / 53)
    assert interval.estimate == pytest.approx(more.mean() - (f - y).mean())
    assert interval.high - interval.estimate == pytest.approx(half)


def test_the_tuning_minimizes_the_variance():
    y, f, more = judged(53, 101, np.random.default_rng(1), noise=1.5)

    def variance(weight):
        return np.var(y - weight * f, ddof=1) / 53 + weight**2 * np.var(more, ddof=1) / 101

    best = minimize_scalar(variance, bounds=(0, 1), method="bounded", options={"xatol": 1e-9})
    result = prediction_powered_ci(y, f, more)
    assert result.tuning == pytest.approx(best.x, abs=1e-6)
    variance_used = np.var(y - best.x * f, ddof=1) * 52 / 51 / 53 + best.x**2 * np.var(more, ddof=1) / 101
    assert result.effective_sample_size == pytest.approx(np.var(y, ddof=1) / variance_used)


def test_the_classical_interval_is_scipys():
    y, f, more = judged(29, 101, np.random.default_rng(2))
    classical = prediction_powered_ci(y, f, more).classical
    assert (classical.low, classical.high) == pytest.approx(tuple(stats.ttest_1samp(y, 0).confidence_interval()))


def test_a_perfect_judge_is_worth_all_its_verdicts_and_a_useless_one_none():
    rng = np.random.default_rng(3)
    y, f, more = judged(101, 9_999, rng, noise=1e-3, bias=5)
    result = prediction_powered_ci(y, f, more)
    assert result.interval.estimate == pytest.approx(more.mean() - 5, abs=1e-3)
    assert result.effective_sample_size == pytest.approx(10_100, rel=0.2)
    useless = prediction_powered_ci(y, -f, -more)
    assert (useless.tuning, useless.effective_sample_size) == (0, 101)
    assert useless.interval.low == useless.classical.low


def test_scale_and_shift_pass_through():
    y, f, more = judged(53, 499, np.random.default_rng(4))
    base, moved = prediction_powered_ci(y, f, more), prediction_powered_ci(3 * y + 7, 3 * f + 11, 3 * more + 11)
    for name in ("estimate", "low", "high"):
        assert getattr(moved.interval, name) == pytest.approx(3 * getattr(base.interval, name) + 7)


def test_the_difference_of_two_models_is_a_mean_of_differences():
    rng = np.random.default_rng(5)
    right = [rng.random(2_101) < share for share in (0.8, 0.7)]
    says = [np.where(rng.random(2_101) < 0.9, r, ~r) for r in right]
    y, f = right[0] * 1 - right[1], says[0] * 1 - says[1]
    result = prediction_powered_ci(y[:101], f[:101], f[101:])
    assert result.interval.low < 0.1 < result.interval.high
    assert result.effective_sample_size > 150


@pytest.mark.parametrize("right", [0.8, 0.0])
def test_the_judge_narrows_the_interval_and_never_widens_it_by_much(right):
    rng, ratios = np.random.default_rng(6), []
    for _ in range(100):
        y = (rng.random(660) < 0.65).astype(float)
        f = np.where(rng.random(660) < right, y, rng.random(660) < 0.65)
        used, classical = widths(prediction_powered_ci(y[:60], f[:60], f[60:]))
        ratios.append(used / classical)
    assert max(ratios) <= np.sqrt(59 / 58) + 1e-9
    assert np.mean(ratios) < (0.75 if right else 1.01)


def test_it_prints_one_sentence_and_one_row():
    result = prediction_powered_ci(*judged(101, 997, np.random.default_rng(8)))
    assert str(result).startswith("The mean is ")
    assert str(result).endswith(f"with the judge, 101 labels are worth {result.effective_sample_size:.0f}.")
    assert {"low", "classical_high", "tuning"} <= set(result.frame.columns)


BAD = [
    (([0, 1, np.nan], [0, 1, 1], [0, 1]), {}, r"labels without missing values, got 1 .*index 2"),
    (([0, 1, 1, 0], [0, 1, 1], [0, 1]), {}, r"other lengths: labels has 4, judged_labeled has 3"),
    (([0, 1], [0, 1], [0, 1]), {}, r"labels to hold at least 3 values, got 2"),
    (([0, 1, 1], [0, 1, 1], [0]), {}, r"judged_unlabeled to hold at least 2 values, got 1"),
    (([1, 1, 1], [0, 1, 1], [0, 1]), {}, r"labels to hold values that differ"),
    (([0, 1, 1], [0, 1, 1], [1, 1]), {}, r"judge that errs somewhere or varies .* got neither"),
    (([0, 1, 1], [0, 1, 1], ["a", "b"]), {}, r"judged_unlabeled to be numbers"),
    (([0, 1, 1], [0, 1, 1], [0, 1]), {"level": 1}, r"level strictly between 0 and 1"),
]


@pytest.mark.parametrize(("columns", "options", "message"), BAD)
def test_refuses(columns, options, message):
    with pytest.raises(ValueError, match=message):
        prediction_powered_ci(*columns, **options)
