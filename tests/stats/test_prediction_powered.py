"""Prediction-powered inference: its formula, its limits, bad input."""

import numpy as np
import pytest
import statsmodels.api as sm
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


def in_clusters(rng, n_clusters, *, labeled):
    """Labels, a judge's numbers on these and on the others, and the clusters of both."""
    clusters = np.repeat(np.arange(n_clusters), rng.integers(1, 8, n_clusters))
    y = rng.normal(size=n_clusters)[clusters] + rng.normal(size=len(clusters))
    f = y + 0.3 + 0.5 * rng.normal(size=n_clusters)[clusters] + 0.5 * rng.normal(size=len(clusters))
    has_label = labeled(rng, clusters)
    return (y[has_label], f[has_label], f[~has_label]), (clusters[has_label], clusters[~has_label])


def apart(_rng, clusters):
    return clusters < 31


def shared(rng, clusters):
    return rng.random(len(clusters)) < 0.4


def bounds(result):
    return np.array([result.low, result.estimate, result.high, result.classical.low, result.classical.high])


@pytest.mark.parametrize("power_tuning", [True, False])
def test_clusters_of_one_example_are_examples(power_tuning):
    y, f, more = judged(53, 101, np.random.default_rng(9), noise=1.5)
    alone = prediction_powered_ci(y, f, more, power_tuning=power_tuning)
    names = {"clusters": np.arange(53), "clusters_unlabeled": np.arange(53, 154)}
    found = prediction_powered_ci(y, f, more, power_tuning=power_tuning, **names)
    np.testing.assert_allclose(bounds(found), bounds(alone), rtol=1e-12)
    assert found.method == "prediction-powered, 53 clusters"


@pytest.mark.parametrize("labeled", [apart, shared])
@pytest.mark.parametrize("power_tuning", [True, False])
def test_what_a_cluster_repeats_is_no_news(labeled, power_tuning):
    columns, (here, there) = in_clusters(np.random.default_rng(10), 211, labeled=labeled)
    often = [column.repeat(5) for column in columns]
    once = prediction_powered_ci(*columns, clusters=here, clusters_unlabeled=there, power_tuning=power_tuning)
    again = prediction_powered_ci(
        *often, clusters=here.repeat(5), clusters_unlabeled=there.repeat(5), power_tuning=power_tuning
    )
    np.testing.assert_allclose(bounds(again), bounds(once), rtol=1e-10)


def test_the_error_of_clusters_apart_is_statsmodels():
    (y, f, more), (here, there) = in_clusters(np.random.default_rng(11), 211, labeled=apart)
    variance = sum(
        sm.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": groups}).bse[0] ** 2
        for values, groups in ((y - f, here), (more, there))
    )
    found = prediction_powered_ci(y, f, more, clusters=here, clusters_unlabeled=there, power_tuning=False)
    assert found.high - found.estimate == pytest.approx(stats.t.ppf(0.975, 30) * np.sqrt(variance))


def test_the_error_of_shared_clusters_is_statsmodels():
    (y, f, more), (here, there) = in_clusters(np.random.default_rng(12), 211, labeled=shared)
    kept = np.intersect1d(here, there)
    first, second = np.isin(here, kept), np.isin(there, kept)
    y, f, more, here, there = y[first], f[first], more[second], here[first], there[second]
    of_judge = np.repeat([0.0, 1.0], [len(y), len(more)])
    fit = sm.OLS(np.append(y - f, more), np.column_stack([1 - of_judge, of_judge])).fit(
        cov_type="cluster", cov_kwds={"groups": np.append(here, there)}
    )
    n = len(of_judge)
    error = fit.t_test([1, 1]).sd.item() * np.sqrt((n - 2) / (n - 1))  # its correction for the two columns
    found = prediction_powered_ci(y, f, more, clusters=here, clusters_unlabeled=there, power_tuning=False)
    assert found.high - found.estimate == pytest.approx(stats.t.ppf(0.975, len(kept) - 1) * error)


def test_the_tuning_of_clusters_minimizes_their_error():
    (y, f, more), (here, there) = in_clusters(np.random.default_rng(13), 47, labeled=shared)
    names = {"clusters": here, "clusters_unlabeled": there}
    best = prediction_powered_ci(y, f, more, **names)

    def width(weight):  # a judge whose numbers are scaled by a weight has that weight
        found = prediction_powered_ci(y, weight * f, weight * more, power_tuning=False, **names)
        return found.high - found.low

    assert 0.3 < best.tuning < 0.99
    assert minimize_scalar(width, bounds=(0.1, 1), method="bounded").x == pytest.approx(best.tuning, abs=1e-4)


def test_it_prints_one_sentence_and_one_row():
    result = prediction_powered_ci(*judged(101, 997, np.random.default_rng(8)))
    assert str(result).startswith("The mean is ")
    assert str(result).endswith(f"with the judge, 101 labels are worth {result.effective_sample_size:.0f}.")
    assert {"low", "classical_high", "tuning"} <= set(result.frame.columns)


COLUMNS = [0, 1, 1, 0], [0, 1, 1, 1], [0, 1]
BAD = [
    (([0, 1, np.nan], [0, 1, 1], [0, 1]), {}, r"labels without missing values, got 1 .*index 2"),
    (([0, 1, 1, 0], [0, 1, 1], [0, 1]), {}, r"other lengths: labels has 4, judged_labeled has 3"),
    (([0, 1], [0, 1], [0, 1]), {}, r"labels to hold at least 3 values, got 2"),
    (([0, 1, 1], [0, 1, 1], [0]), {}, r"judged_unlabeled to hold at least 2 values, got 1"),
    (([1, 1, 1], [0, 1, 1], [0, 1]), {}, r"labels to hold values that differ"),
    (([0, 1, 1], [0, 1, 1], [1, 1]), {}, r"judge that errs somewhere or varies .* got neither"),
    (([0, 1, 1], [0, 1, 1], ["a", "b"]), {}, r"judged_unlabeled to be numbers"),
    (([0, 1, 1], [0, 1, 1], [0, 1]), {"level": 1}, r"level strictly between 0 and 1"),
    (COLUMNS, {"clusters": [1, 2, 3, 4]}, r"together, got only clusters; pass clusters_unlabeled too"),
    (COLUMNS, {"clusters_unlabeled": [1, 2]}, r"together, got only clusters_unlabeled; pass clusters too"),
    (COLUMNS, {"clusters": [1, 1, 2, 2], "clusters_unlabeled": [3, 4]}, r"at least 3 clusters in clusters, got 2"),
    (COLUMNS, {"clusters": [1, 2, 3, 4], "clusters_unlabeled": [3, 3]}, r"at least 2 clusters in clusters_unlabeled"),
    (COLUMNS, {"clusters": [1, 2, 3, 4], "clusters_unlabeled": ["a", "b"]}, r"all numbers or all text, got"),
    (COLUMNS, {"clusters": [1, 2, 3, 4], "clusters_unlabeled": [3]}, r"clusters_unlabeled to hold one .*got 1 for 2"),
    (
        ([0, 1, 0, 1, 0, 1], [0, 1, 1, 0, 1, 1], [0, 1]),
        {"clusters": [1, 1, 2, 2, 3, 3], "clusters_unlabeled": [4, 5]},
        r"clusters that differ, got 3 of equal mean labels",
    ),
]


@pytest.mark.parametrize(("columns", "options", "message"), BAD)
def test_refuses(columns, options, message):
    with pytest.raises(ValueError, match=message):
        prediction_powered_ci(*columns, **options)
