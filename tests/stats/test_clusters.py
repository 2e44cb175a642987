"""Metrics and comparisons of examples in clusters: what a cluster repeats is no news."""

from itertools import product

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn import metrics as sk

from companion.stats import clustered_proportion_ci, compare_paired, metric_ci
from companion.stats.metrics.auc import auc_influence, delong
from companion.stats.metrics.metrics import ALL_METRICS
from companion.stats.metrics.numbers import REGRESSION_METRICS
from companion.stats.metrics.probabilities import PROBABILITY_METRICS

METRICS = [metric for metric in ALL_METRICS if metric != "calibration_error"]
COMPARED = [metric for metric in METRICS if metric != "average_precision"]


def sample(metric, n=211, models=1, seed=0):
    """Truth and predictions of each model, as the metric wants them."""
    rng = np.random.default_rng(seed)
    truth, noises = rng.integers(0, 2, n), rng.normal(size=(models, n))
    if metric in REGRESSION_METRICS:
        return rng.normal(size=n), *noises
    scores = truth + noises
    if metric in ("auc", "average_precision"):
        return truth, *scores
    if metric in PROBABILITY_METRICS:
        return truth, *(1 / (1 + np.exp(0.5 - scores)))
    return truth, *(scores > 0.5).astype(int)


def bounds(interval):
    return np.array([interval.low, interval.estimate, interval.high])


@pytest.mark.parametrize("metric", METRICS)
def test_clusters_of_one_example_are_examples(metric):
    columns = sample(metric, n=800)
    alone = metric_ci(*columns, metric=metric, seed=0)
    found = metric_ci(*columns, metric=metric, clusters=np.arange(800))
    assert found.estimate == pytest.approx(alone.estimate, rel=1e-12)
    np.testing.assert_allclose(bounds(found), bounds(alone), atol=0.1 * (alone.high - alone.low))
    assert "clusters" in found.method


@pytest.mark.parametrize("metric", METRICS)
def test_what_a_cluster_repeats_narrows_nothing(metric):
    columns, clusters = sample(metric), np.arange(211) // 3
    once = metric_ci(*columns, metric=metric, clusters=clusters)
    often = metric_ci(*(column.repeat(5) for column in columns), metric=metric, clusters=clusters.repeat(5))
    np.testing.assert_allclose(bounds(often), bounds(once), rtol=1e-8)


@pytest.mark.parametrize(("metric", "loss"), [("mae", np.abs), ("rmse", np.square), ("brier", np.square)])
def test_the_error_is_statsmodels(metric, loss):
    truth, predicted = sample(metric)
    clusters = np.arange(211) % 23
    each = loss(truth - predicted)
    fit = sm.OLS(each, np.ones(211)).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    found = metric_ci(truth, predicted, metric=metric, clusters=clusters)
    mean, error = float(fit.params[0]), float(fit.bse[0])
    relative = {"mae": error / mean, "rmse": error / mean / 2, "brier": error / mean / (1 - mean)}[metric]
    scale = {"brier": lambda x: np.log(x / (1 - x))}.get(metric, np.log)
    half_width = (scale(found.high) - scale(found.low)) / 2
    assert half_width == pytest.approx(stats.t.ppf(0.975, 22) * relative, rel=1e-6)


@pytest.mark.parametrize("metric", ["f1", "balanced_accuracy", "macro_f1", "mcc", "r2", "auc", "average_precision"])
def test_the_error_is_the_jackknifes_over_clusters(metric):
    score = {
        "f1": sk.f1_score, "balanced_accuracy": sk.balanced_accuracy_score, "mcc": sk.matthews_corrcoef,
        "r2": sk.r2_score, "auc": sk.roc_auc_score, "average_precision": sk.average_precision_score,
        "macro_f1": lambda y_true, y_pred: sk.f1_score(y_true, y_pred, average="macro"),
    }[metric]  # fmt: skip
    truth, predicted = sample(metric, n=3_000)
    clusters = np.random.default_rng(1).integers(0, 151, 3_000)
    left_out = np.array([score(truth[clusters != g], predicted[clusters != g]) for g in range(151)])
    error = np.sqrt(150 / 151 * np.sum((left_out - left_out.mean()) ** 2))
    found = metric_ci(truth, predicted, metric=metric, clusters=clusters)
    assert found.estimate == pytest.approx(score(truth, predicted))
    assert (found.high - found.low) / 2 == pytest.approx(stats.t.ppf(0.975, 150) * error, rel=0.03)


def test_shares_are_clustered_proportions_among_their_examples():
    truth, predicted = sample("recall")
    clusters = np.arange(211) // 4
    among = truth == 1
    expected = clustered_proportion_ci(predicted[among] == 1, clusters[among])
    assert metric_ci(truth, predicted, metric="recall", clusters=clusters) == expected


def test_influences_are_delongs():
    truth, scores = sample("auc")
    area, influence = auc_influence(truth, scores)
    [expected], [[variance]] = delong(truth, scores)
    assert area == pytest.approx(expected)
    assert np.sum(influence**2) / 211**2 == pytest.approx(variance, rel=0.02)
    assert influence.sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("metric", "columns", "clusters", "message"),
    [
        ("calibration_error", ([0, 1] * 4, [0.2, 0.8] * 4), [0, 1] * 4, "^expected metric 'calibration_error' without"),
        ("f1", ([0, 1, 0, 1], [0, 1, 0, 1]), [0, 0, 1, 1], "^expected clusters that differ .*, got 1 which"),
        ("auc", ([0, 1, 0, 1], [1, 2, 1, 2]), [0, 0, 1, 1], "^expected clusters that differ .*, got 1 which"),
        ("auc", ([0, 0, 0, 1], [1, 3, 1, 2]), [0, 0, 1, 1], "^expected each class in at least 2 clusters for"),
        ("f1", ([0, 1, 0, 1], [0, 1, 1, 1]), [0, 0, 0, 0], "^expected at least 2 clusters, got 1"),
        ("recall", ([0, 0, 1, 1], [0, 1, 1, 0]), [0, 0, 1, 1], "^expected at least 2 clusters, got 1"),
        ("mae", ([1.0, 2.0, 3.0], [1.0, 2.5, 3.0]), [0, 1], "^expected clusters to hold one .*got 2 for 3"),
    ],
)  # fmt: skip
def test_what_clusters_cannot_tell_is_refused(metric, columns, clusters, message):
    with pytest.raises(ValueError, match=message):
        metric_ci(*columns, metric=metric, clusters=clusters)


@pytest.mark.parametrize("metric", COMPARED)
def test_comparisons_find_no_news_in_what_a_cluster_repeats(metric):
    columns, clusters = sample(metric, models=2), np.arange(211) // 3
    once = compare_paired(*columns, metric=metric, clusters=clusters, seed=0, n_resamples=499)
    repeated = [column.repeat(5) for column in columns]
    often = compare_paired(*repeated, metric=metric, clusters=clusters.repeat(5), seed=0, n_resamples=499)
    np.testing.assert_allclose(bounds(often.difference), bounds(once.difference), rtol=1e-7)
    assert often.p_value == pytest.approx(once.p_value)
    values = [metric_ci(columns[0], column, metric=metric, clusters=clusters).estimate for column in columns[1:]]
    assert once.difference.estimate == pytest.approx(values[0] - values[1])


def test_the_test_exchanges_whole_clusters():
    truth, a, b = sample("macro_f1", n=35, models=2)
    clusters = np.arange(35) // 5

    def difference(swapped):
        one, other = np.where(swapped, b, a), np.where(swapped, a, b)
        return sk.f1_score(truth, one, average="macro") - sk.f1_score(truth, other, average="macro")

    every = np.array([difference(np.array(coins)[clusters]) for coins in product([False, True], repeat=7)])
    found = compare_paired(truth, a, b, metric="macro_f1", clusters=clusters)
    assert found.p_value == pytest.approx(np.mean(np.abs(every) >= abs(difference(False)) - 1e-12))
    assert found.test == "paired permutations, all 128, of whole clusters"
    assert found.difference.method == "Student's t of 7 clusters"


def test_areas_that_no_cluster_tells_apart_are_refused():
    truth, scores = sample("auc")
    with pytest.raises(ValueError, match="^expected models whose difference varies over the clusters, got the same"):
        compare_paired(truth, scores, 2 * scores, metric="auc", clusters=np.arange(211) // 3)


@pytest.mark.parametrize(("extra_a", "extra_b"), [("d", "a"), ("d", "e")])
@pytest.mark.parametrize("metric", ["balanced_accuracy", "macro_f1", "mcc"])
def test_each_model_may_name_classes_that_nothing_else_does(metric, extra_a, extra_b):
    rng = np.random.default_rng(0)
    truth, clusters = rng.choice(list("abc"), 211), np.arange(211) // 3
    a, b = (np.where(rng.random(211) < right, truth, "b") for right in (0.9, 0.6))
    a[:5], b[5:10] = extra_a, extra_b
    found = compare_paired(truth, a, b, metric=metric, clusters=clusters, seed=0, n_resamples=99).difference
    plain = compare_paired(truth, a, b, metric=metric, seed=0, n_resamples=99).difference
    assert found.estimate == pytest.approx(plain.estimate, abs=1e-12)
