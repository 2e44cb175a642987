"""Metrics with intervals: values against scikit-learn, intervals against SciPy, bad input."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as sk
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from companion.stats import metric_ci
from companion.stats.metrics.auc import delong
from companion.stats.metrics.counts import Table
from companion.stats.metrics.metrics import METRICS

SKLEARN = {
    "accuracy": sk.accuracy_score,
    "micro_f1": lambda y, p: sk.f1_score(y, p, average="micro"),
    "precision": sk.precision_score,
    "recall": sk.recall_score,
    "specificity": lambda y, p: sk.recall_score(y, p, pos_label=0),
    "f1": sk.f1_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "macro_f1": lambda y, p: sk.f1_score(y, p, average="macro"),
    "mcc": sk.matthews_corrcoef,
    "auc": sk.roc_auc_score,
}


def labels(n=397, *, classes=2, error=0.13, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    return truth, np.where(rng.random(n) < error, (truth + rng.integers(1, classes, n)) % classes, truth)


def scores(n_positive, n_negative, shift, rng):
    truth = np.repeat([1, 0], [n_positive, n_negative])
    return truth, rng.normal(size=len(truth)) + shift * truth


@pytest.mark.parametrize("metric", METRICS)
def test_the_estimate_is_scikit_learns_and_lies_inside(metric):
    truth, predicted = labels()
    if metric == "auc":  # rounded, so that there are ties
        predicted = np.round(truth + np.random.default_rng(3).normal(size=len(truth)), 1)
    interval = metric_ci(truth, predicted, metric=metric, n_resamples=499, seed=0)
    assert interval.estimate == pytest.approx(SKLEARN[metric](truth, predicted), abs=1e-12)
    assert 0 <= interval.low < interval.estimate < interval.high <= 1
    assert interval.level == 0.95


@pytest.mark.parametrize("metric", ["accuracy", "micro_f1", "balanced_accuracy", "macro_f1", "mcc"])
def test_many_classes(metric):
    truth, predicted = labels(classes=7)
    interval = metric_ci(truth, predicted, metric=metric, n_resamples=499, seed=0)
    assert interval.estimate == pytest.approx(SKLEARN[metric](truth, predicted), abs=1e-12)
    assert interval.low < interval.estimate < interval.high


@pytest.mark.parametrize("metric", ["balanced_accuracy", "macro_f1", "mcc"])
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_a_class_that_is_only_predicted_counts_as_in_scikit_learn(metric):
    truth, predicted = labels(classes=5)
    truth = np.where(truth == 4, 0, truth)
    interval = metric_ci(truth, predicted, metric=metric, n_resamples=199, seed=0)
    assert interval.estimate == pytest.approx(SKLEARN[metric](truth, predicted), abs=1e-12)


def test_labels_may_be_booleans_text_or_pandas_columns():
    truth, predicted = labels()
    plain = metric_ci(truth, predicted, metric="macro_f1", seed=0, n_resamples=199)
    assert metric_ci(truth == 1, predicted == 1, metric="macro_f1", seed=0, n_resamples=199) == plain
    assert metric_ci(truth.astype(float), predicted, metric="macro_f1", seed=0, n_resamples=199) == plain
    text = [pd.Series(np.where(column == 1, "spam", "ham")) for column in (truth, predicted)]
    assert metric_ci(*text, metric="macro_f1", seed=0, n_resamples=199) == plain


@pytest.mark.parametrize("metric", ["f1", "balanced_accuracy", "macro_f1", "mcc"])
@pytest.mark.parametrize("classes", [2, 3])
def test_intervals_equal_a_bootstrap_of_rows_within_resampling_error(metric, classes):
    if metric == "f1" and classes > 2:
        metric = "accuracy"
    truth, predicted = labels(2_003, classes=classes, seed=6)
    ours = metric_ci(truth, predicted, metric=metric, seed=1)
    table = Table.of(truth, predicted)

    def of_rows(true, predicted, axis):
        cells = np.array([(true == a) & (predicted == b) for a, b in table.classes.T])
        return table.metric(metric)(np.moveaxis(cells.sum(axis=axis + 1), 0, -1))

    theirs = stats.bootstrap(
        (truth, predicted), lambda t, p, axis: of_rows(t, p, axis % t.ndim), paired=True, vectorized=True,
        n_resamples=1_999, method="percentile", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    np.testing.assert_allclose([ours.low, ours.high], theirs, atol=0.08 * (ours.high - ours.low))


def test_the_order_of_examples_does_not_matter():
    truth, predicted = labels()
    shuffled = np.random.default_rng(8).permutation(len(truth))
    for metric in ("f1", "macro_f1", "auc"):
        assert metric_ci(truth, predicted, metric=metric, seed=2) == metric_ci(
            truth[shuffled], predicted[shuffled], metric=metric, seed=2
        )


def test_perfect_predictions_do_not_claim_certainty():
    truth, _ = labels(59)
    for metric in METRICS:
        interval = metric_ci(truth, truth, metric=metric, seed=0)
        assert interval.estimate == 1
        assert 0.8 < interval.low < 0.99
        assert interval.high == pytest.approx(1, abs=0.01)


def test_reversed_scores_mirror_the_area():
    truth, score = scores(31, 47, 1.0, np.random.default_rng(4))
    up, down = metric_ci(truth, score, metric="auc"), metric_ci(truth, -score, metric="auc")
    np.testing.assert_allclose([up.estimate, up.low, up.high], [1 - down.estimate, 1 - down.high, 1 - down.low])
    perfect, reverse = metric_ci(truth, truth, metric="auc"), metric_ci(truth, 1 - truth, metric="auc")
    assert (perfect.low, perfect.high) == pytest.approx((1 - reverse.high, 1 - reverse.low))
    assert perfect.low == pytest.approx(stats.binomtest(31, 31).proportion_ci(method="exact").low)


def test_delong_equals_its_definition_over_all_pairs():
    rng = np.random.default_rng(5)
    truth, first = scores(13, 29, 0.8, rng)
    columns = [np.round(first, 1), np.round(first + rng.normal(size=42), 1)]
    wins = np.array([(np.sign(np.subtract.outer(s[truth == 1], s[truth == 0])) + 1) / 2 for s in columns])
    areas, covariance = delong(truth, *columns)
    np.testing.assert_allclose(areas, wins.mean((1, 2)), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(wins.mean(2)) / 13 + np.cov(wins.mean(1)) / 29, rtol=1e-12)


def test_delong_equals_the_published_variance():
    # github.com/yandexdataschool/roc_comparison, unittests.py, TestIris.test_variance_const: 0.0015359814789736538
    data = load_iris()
    x_train, x_test, y_train, y_test = train_test_split(data.data, data.target == 1, test_size=0.8, random_state=42)
    score = LogisticRegression().fit(x_train, y_train).predict_proba(x_test)[:, 1]
    assert delong(y_test, score)[1].item() == pytest.approx(0.0015359814789736538, rel=1e-9)


BAD = [
    ([0, 1, 1], [0, 1], {}, r"one value an example in each.*y_true has 3, y_pred has 2; align them"),
    ([0, 1], [0.2, np.nan], {"metric": "auc"}, r"y_pred without missing values, got 1 NaN or None .*index 1"),
    ([0, 1, None], [0, 1, 1], {}, r"y_true without missing values, got 1 NaN or None .*index 2"),
    ([0.0, np.nan], [0, 1], {}, r"y_true without missing values"),
    ([], [], {}, r"y_true to hold at least one example, got none"),
    ([1, 1, 1], [1, 0, 1], {"metric": "f1"}, r"y_true to hold at least two classes for metric 'f1', got only .*1"),
    ([0, 0, 0], [0.1, 0.2, 0.3], {"metric": "auc"}, r"at least two classes for metric 'auc'"),
    ([2, 2], [2, 2], {"metric": "macro_f1"}, r"at least two classes for metric 'macro_f1'.*or take 'accuracy'"),
    ([0, 1, 2], [0, 1, 1], {"metric": "f1"}, r"y_true to hold only 0 and 1 for metric 'f1' \(1 is the positive"),
    ([0, 1, 1], [0, 1, -1], {"metric": "recall"}, r"y_pred to hold only 0 and 1 .*got also -1"),
    (["no", "yes"], ["no", "yes"], {"metric": "precision"}, r"only 0 and 1 .*'no', 'yes'; pass y_true == 'yes', with"),
    ([0, 1, 2], [0.1, 0.2, 0.3], {"metric": "auc"}, r"y_true to hold only 0 and 1 for metric 'auc'"),
    ([0, 1], [0.3, 0.7], {}, r"y_pred to hold class labels, got fractions such as 0.3; .*y_pred >= 0.5"),
    ([0, 1], [[0.3, 0.7], [0.6, 0.4]], {"metric": "auc"}, r"one value an example, got shape \(2, 2\)"),
    ([0, 1], ["a", "b"], {}, r"all numbers or all text, got a mixture: y_true is int64, y_pred is <U1"),
    ([0, 1], ["a", "b"], {"metric": "auc"}, r"y_pred to be numbers, got dtype <U1"),
    ([0, 1], [1j, 2j], {}, r"whole numbers, booleans or text, got dtype complex128"),
    ([0, 1, 1], [0, 0, 0], {"metric": "precision"}, r"y_pred to hold a 1 for metric 'precision', got none"),
    ([0, 1, 1], [0.1, 0.2, 0.3], {"metric": "auc"}, r"at least 2 examples of each class .*got 2 of class 1 and 1 of"),
    ([0, 0, 1, 1], [0.5] * 4, {"metric": "auc"}, r"scores that differ, got 0.5 for every example"),
    ([0, 1, 2], [0, 1, 2], {"metric": "macro_f1"}, r"varies between resamples, got 1 in all 9,999"),
    ([0, 1, 1], [1, 1, 1], {"metric": "mcc"}, r"y_pred to hold at least two classes for metric 'mcc', got only"),
    ([0, 1], [0, 1], {"metric": "kappa"}, r"metric to be one of accuracy, .*r2, mae, rmse; got 'kappa'"),
    ([0, 1], [0, 1], {"level": 95}, r"level strictly between 0 and 1, got 95; write 0.95"),
    ([0, 1], [0, 1], {"n_resamples": 0}, r"n_resamples of at least 1, got 0"),
]


@pytest.mark.parametrize(("y_true", "y_pred", "options", "message"), BAD)
def test_refuses(y_true, y_pred, options, message):
    with pytest.raises(ValueError, match=message):
        metric_ci(y_true, y_pred, **options)


def test_accuracy_needs_but_one_class():
    assert metric_ci([1, 1, 1], [1, 0, 1]).estimate == pytest.approx(2 / 3)


def test_micro_f1_is_accuracy():
    truth, predicted = labels(classes=5)
    assert metric_ci(truth, predicted, metric="micro_f1") == metric_ci(truth, predicted)
