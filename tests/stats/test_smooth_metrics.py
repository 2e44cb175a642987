"""Metrics of scores, probabilities and numbers: values against scikit-learn, influence by differences."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit
from sklearn import metrics as sk
from sklearn.utils.extmath import softmax

from companion.stats import metric_ci
from companion.stats.metrics.numbers import regression_metric
from companion.stats.metrics.precision_recall import average_precision
from companion.stats.metrics.probabilities import losses
from companion.stats.probabilities.calibration import reliability
from companion.stats.resampling import smooth


def numbers(n=101, seed=0):
    rng = np.random.default_rng(seed)
    predicted = rng.normal(size=n)
    return 7 + 2 * predicted + rng.laplace(size=n), 7 + 2 * predicted


def probabilities(n=211, classes=None, seed=0):
    rng = np.random.default_rng(seed)
    if classes is None:
        predicted = rng.beta(0.5, 0.8, size=n)
        return (rng.random(n) < predicted).astype(int), np.clip(predicted, 1e-3, 1 - 1e-3)
    predicted = softmax(2 * rng.normal(size=(n, classes)))
    return (predicted.cumsum(1) > rng.random((n, 1))).argmax(1), predicted


@pytest.mark.parametrize(
    ("metric", "score"),
    [("r2", sk.r2_score), ("mae", sk.mean_absolute_error), ("rmse", sk.root_mean_squared_error)],
)
def test_regression_metrics_are_scikit_learns(metric, score):
    truth, predicted = numbers()
    interval = metric_ci(truth, predicted, metric=metric, n_resamples=499, seed=0)
    assert interval.estimate == pytest.approx(score(truth, predicted), rel=1e-12)
    assert interval.low < interval.estimate < interval.high


@pytest.mark.parametrize("metric", ["brier", "log_loss"])
@pytest.mark.parametrize("classes", [None, 2, 5])
def test_probability_metrics_are_scikit_learns(metric, classes):
    truth, predicted = probabilities(classes=classes)
    interval = metric_ci(truth, predicted, metric=metric, n_resamples=499, seed=0)
    score = {"brier": sk.brier_score_loss, "log_loss": sk.log_loss}[metric]
    assert interval.estimate == pytest.approx(score(truth, predicted), rel=1e-12)
    assert interval.low < interval.estimate < interval.high


def test_two_columns_are_one():
    truth, predicted = probabilities()
    for metric in ("brier", "log_loss"):
        one = metric_ci(truth, predicted, metric=metric, n_resamples=99, seed=1)
        two = metric_ci(truth, np.stack([1 - predicted, predicted], 1), metric=metric, n_resamples=99, seed=1)
        np.testing.assert_allclose([one.low, one.high], [two.low, two.high], rtol=1e-12)


def test_calibration_error_is_that_of_reliability():
    truth, predicted = probabilities(1_009)
    assert metric_ci(truth, predicted, metric="calibration_error") == reliability(truth, predicted).error


@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_average_precision_is_scikit_learns_and_so_is_its_influence(decimals):
    rng = np.random.default_rng(4)
    truth = np.repeat([1, 0], [13, 34])
    score = np.round(truth + rng.normal(size=47), decimals)
    value, influence = average_precision(truth, score)
    assert value == pytest.approx(sk.average_precision_score(truth, score), rel=1e-12)
    assert metric_ci(truth, score, metric="average_precision").estimate == value

    def weighted(weights):
        return sk.average_precision_score(truth, score, sample_weight=weights)

    slopes = [(weighted(1 + e) - weighted(1 - e)) / 2e-5 for e in 1e-5 * np.eye(47)]
    np.testing.assert_allclose(influence, 47 * np.array(slopes), atol=1e-7)


@pytest.mark.parametrize("metric", ["r2", "mae", "rmse", "brier"])
def test_influences_are_derivatives_in_the_weights(metric):
    if metric == "brier":
        of_weights = smooth.mean_of(losses(metric, *probabilities(23))[0])
    else:
        of_weights = regression_metric(metric, *numbers(23))
    weights = smooth.draw_weights(3, 23, np.random.default_rng(5))
    _, influence = of_weights(weights)
    for example in range(23):
        # 1e-5 of the weight moves from everyone to one example, so that weights still sum to n
        moved = [weights * (1 - e / 23) + e * (np.arange(23) == example) for e in (-1e-5, 1e-5)]
        slope = (of_weights(moved[1])[0] - of_weights(moved[0])[0]) / 2e-5
        np.testing.assert_allclose(influence[:, example] / 23, slope, rtol=1e-5, atol=1e-7)


def test_studentized_equals_its_definition_in_plain_loops():
    truth, predicted = numbers(31)
    squares, rng, pivots = (truth - predicted) ** 2, np.random.default_rng(8), []

    def log_and_error(sample):
        root = np.sqrt(sample.mean())
        return np.log(root), sample.std(ddof=1) * np.sqrt(1 / 31) / (2 * root**2)

    center, error = log_and_error(squares)
    for drawn in rng.integers(0, 31, size=(299, 31)):
        value, spread = log_and_error(squares[drawn])
        pivots.append((value - center) / spread)
    low, high = np.quantile(pivots, [0.025, 0.975])
    ours = metric_ci(truth, predicted, metric="rmse", n_resamples=299, seed=8)
    np.testing.assert_allclose([ours.low, ours.high], np.exp([center - high * error, center - low * error]), rtol=1e-9)


def test_beyond_five_thousand_the_delta_method_agrees(monkeypatch):
    truth, predicted = numbers(5_003)
    for metric in ("r2", "mae", "rmse"):
        large = metric_ci(truth, predicted, metric=metric)
        assert large.method.startswith("delta method")
        with monkeypatch.context() as patch:
            patch.setattr(smooth, "MAX_RESAMPLED", 10_000)
            small = metric_ci(truth, predicted, metric=metric, n_resamples=499, seed=0)
        assert small.method.startswith("studentized bootstrap")
        atol = 0.12 * (large.high - large.low)  # the resampling error of 499
        np.testing.assert_allclose([small.low, small.high], [large.low, large.high], atol=atol)


def test_average_precision_has_students_interval_on_the_logit_scale():
    truth, score = binormal(61, 0.7, 1.0)(np.random.default_rng(9))
    value, influence = average_precision(truth, score)
    error = influence.std(ddof=1) / np.sqrt(61) / (value * (1 - value))  # influences add up to 0
    quantile = stats.t.ppf(0.95, (truth == 0).sum() - 1)  # negatives are rarer here
    interval = metric_ci(truth, score, metric="average_precision", level=0.9)
    expected = expit(logit(value) + quantile * error * np.array([-1, 1]))
    np.testing.assert_allclose([interval.low, interval.high], expected, rtol=1e-12)


def test_positives_that_all_come_first_claim_no_certainty():
    interval = metric_ci([0, 1, 1, 1, 0, 1], [0.1, 0.9, 0.8, 0.7, 0.2, 0.6], metric="average_precision")
    assert (interval.estimate, interval.high) == (1, 1)
    assert interval.low == pytest.approx(stats.binomtest(4, 4).proportion_ci(method="exact").low)


def binormal(n, share, shift):
    def draw(rng):
        truth = (rng.random(n) < share).astype(int)
        return truth, rng.normal(size=n) + shift * truth

    return draw


ROWS = [[0.2, 0.8], [0.5, 0.4], [0.9, 0.1]]
BAD = [
    ([0, 1, 1], ROWS, "brier", r"sum to one, got 0.5, 0.4 with sum 0.9 at index 1"),
    ([0, 1], [0.2, 1.3], "log_loss", r"1.3 at index 1"),
    ([0, 2], [[0.3, 0.7], [0.6, 0.4]], "log_loss", r"classes from 0 to 1, got 2 at index 1"),
    ([0, 1, 1], [0.2, 0.0, 0.4], "log_loss", r"above 0 for each true class, got 0 for 1 of 3 .*first at index 1"),
    ([0, 1, 1, 0], [0.5] * 4, "brier", r"losses differ, got a loss of 0.25 for each of 4 examples"),
    ([0, 1, 1], [0.2, np.nan, 0.4], "brier", r"NaN .*index 1"),
    ([0, 1], [0.2, 0.3, 0.4], "brier", r"other lengths"),
    ([1.0, 2.0, np.nan], [1.0, 2.5, 3.0], "mae", r"y_true without missing values, got 1 NaN .*index 2"),
    ([1.0, 2.0], [1.0, 2.5, 3.0], "rmse", r"other lengths: y_true has 2, y_pred has 3"),
    ([1.0], [1.5], "r2", r"at least 2"),
    ([0.0] * 12, [*(2 + 1e-6 * np.arange(11)), 133.0], "rmse", r"none of which decides alone"),
    ([3.0, 3.0, 3.0], [1.0, 2.0, 4.0], "r2", r"y_true to hold values that differ, got 3 times 3"),
    ([1.0, 2.0, 3.0], [2.0, 1.0, 4.0], "mae", r"absolute errors to hold values that differ, got 3 times 1"),
    ([0, 0, 0, 1], [1.0, 2.0, 3.0, 4.0], "average_precision", r"at least 2 examples of each class .*got 1 of class 1"),
    ([0, 0, 1, 1], [0.5] * 4, "average_precision", r"scores that differ, got 0.5 for every example"),
    ([0] * 12 + [1], [0.1] * 13, "brier", r"standard error above 0 .*too few observations differ: collect more"),
]


@pytest.mark.parametrize(("y_true", "y_pred", "metric", "message"), BAD)
def test_refuses(y_true, y_pred, metric, message):
    with pytest.raises(ValueError, match=message):
        metric_ci(y_true, y_pred, metric=metric, n_resamples=199, seed=0)
