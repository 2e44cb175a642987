"""Paired comparisons: against statsmodels and published numbers, bad input."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import (
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    mean_absolute_error,
    precision_score,
    r2_score,
    recall_score,
    root_mean_squared_error,
)  # fmt: skip
from statsmodels.stats.contingency_tables import mcnemar

from companion.stats import compare_accuracies, compare_paired
from companion.stats.metrics.counts import Table
from companion.stats.metrics.metrics import METRICS


def two_models(n=401, *, errors=(0.1, 0.18), classes=2, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    wrong = (truth + rng.integers(1, classes, n)) % classes
    hard = rng.random(n)  # shared, so that the models err together
    return truth, *(np.where((hard + rng.random(n)) / 2 < error, wrong, truth) for error in errors)


def from_table(both, only_a, only_b, neither):
    """Columns in which model a and model b are right as often as the table says."""
    truth = np.zeros(both + only_a + only_b + neither, dtype=int)
    a = np.repeat([0, 0, 1, 1], [both, only_a, only_b, neither])
    b = np.repeat([0, 1, 0, 1], [both, only_a, only_b, neither])
    return truth, a, b


def test_mid_p_equals_the_published_value():
    # Fagerland, Lydersen and Laake 2013, BMC Medical Research Methodology 13:91, airway hyper-responsiveness before and
    # after transplantation (Bentur et al. 2009): 1 and 7 discordant pairs of 21, mid-p 0.039 (exact conditional 0.070).
    result = compare_paired(*from_table(1, 1, 7, 12))
    assert result.p_value == pytest.approx(0.0390625)
    assert result.difference.estimate == pytest.approx(-6 / 21)


def test_the_interval_of_accuracy_equals_the_published_one():
    # R package statpsych 1.x: ci.prop.ps(.05, 12, 4, 26, 6) gives 0.2548067 to 0.6251933
    difference = compare_paired(*from_table(12, 26, 4, 6)).difference
    np.testing.assert_allclose([difference.low, difference.high], [0.2548067, 0.6251933], atol=5e-8)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (5, 5), (3, 11), (17, 2)])
def test_mid_p_is_the_exact_p_less_half_of_what_ties(only_a, only_b):
    exact = mcnemar([[19, only_a], [only_b, 7]], exact=True).pvalue
    tie = stats.binom.pmf(only_a, only_a + only_b, 0.5)
    expected = 1.0 if only_a == only_b else exact - tie  # one-sided mid-p, doubled
    assert compare_paired(*from_table(19, only_a, only_b, 7)).p_value == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
def test_swapping_the_models_mirrors_the_comparison(metric):
    truth, a, b = two_models()
    forth = compare_paired(truth, a, b, metric=metric, seed=0)
    back = compare_paired(truth, b, a, metric=metric, seed=0)
    assert forth.difference.low < forth.difference.estimate < forth.difference.high
    assert forth.p_value == pytest.approx(back.p_value, abs=0.01)
    mirrored = [-back.difference.estimate, -back.difference.high, -back.difference.low]
    ours = [forth.difference.estimate, forth.difference.low, forth.difference.high]
    np.testing.assert_allclose(ours, mirrored, atol=0.003)


SKLEARN = {
    "precision": precision_score,
    "recall": recall_score,
    "f1": f1_score,
    "balanced_accuracy": balanced_accuracy_score,
    "macro_f1": lambda y, p: f1_score(y, p, average="macro"),
}


@pytest.mark.parametrize(("metric", "classes"), [(m, 2) for m in SKLEARN] + [("balanced_accuracy", 5), ("macro_f1", 5)])
def test_the_difference_is_that_of_scikit_learns_values(metric, classes):
    truth, a, b = two_models(classes=classes)
    expected = SKLEARN[metric](truth, a) - SKLEARN[metric](truth, b)
    result = compare_paired(truth, a, b, metric=metric, seed=0)
    assert result.difference.estimate == pytest.approx(expected, abs=1e-12)


def test_swaps_of_counts_equal_swaps_of_rows():
    truth, a, b = two_models(149, errors=(0.2, 0.28))
    rng = np.random.default_rng(1)

    def difference(x, y):
        return abs(2 * (truth & x).sum() / (truth + x).sum() - 2 * (truth & y).sum() / (truth + y).sum())

    as_large = 0
    for _ in range(999):
        swap = rng.random(149) < 0.5
        as_large += difference(np.where(swap, b, a), np.where(swap, a, b)) >= difference(a, b) - 1e-12
    expected = (1 + as_large) / 1000
    assert compare_paired(truth, a, b, metric="f1", seed=0).p_value == pytest.approx(expected, abs=0.05)


def test_the_interval_of_f1_equals_a_paired_bootstrap_of_rows():
    truth, a, b = two_models(1_999)
    ours = compare_paired(truth, a, b, metric="f1", seed=0).difference

    def difference(t, a, b, axis):
        def f1(p):
            return 2 * (t * p).sum(axis) / (t + p).sum(axis)

        return f1(a) - f1(b)

    theirs = stats.bootstrap(
        (truth, a, b), difference, paired=True, n_resamples=1_999, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    np.testing.assert_allclose([ours.low, ours.high], theirs, atol=0.08 * (ours.high - ours.low))


def test_pairing_narrows_the_interval_of_the_area():
    rng = np.random.default_rng(3)
    truth = np.repeat([1, 0], [83, 97])
    shared = rng.normal(size=180) + truth
    a, b = (shared + 0.3 * rng.normal(size=180) for _ in range(2))
    result = compare_paired(truth, a, b, metric="auc")
    paired = stats.bootstrap(
        (np.arange(83), np.arange(83, 180)),
        lambda i, j: auc(a[i], a[j]) - auc(b[i], b[j]),
        n_resamples=1_999, method="percentile", vectorized=False, rng=np.random.default_rng(4),
    ).confidence_interval  # fmt: skip
    width = result.difference.high - result.difference.low
    np.testing.assert_allclose([result.difference.low, result.difference.high], paired, atol=0.1 * width)


def auc(positive, negative):
    return (np.sign(np.subtract.outer(positive, negative)) + 1).mean() / 2


def test_delongs_interval_leaves_0_out_where_its_test_rejects():
    rng, truth = np.random.default_rng(41), np.repeat([1, 0], [11, 17])
    results = [compare_paired(truth, *(truth + rng.normal(size=(2, 28))), metric="auc") for _ in range(100)]
    rejected = [result.p_value <= 0.05 for result in results]
    assert rejected == [not result.difference.low <= 0 <= result.difference.high for result in results]
    assert 0 < sum(rejected) < 20


def test_a_real_difference_is_found():
    truth, a, b = two_models(2_003, errors=(0.1, 0.25))
    for metric in METRICS:
        result = compare_paired(truth, a, b, metric=metric, seed=0)
        assert result.p_value < 0.001
        assert result.difference.low > 0


def test_a_comparison_prints_as_one_sentence():
    text = str(compare_paired(*from_table(12, 26, 4, 6)))
    assert text == (
        "The difference, a minus b, is 0.46, with a 95% confidence interval from 0.25 to 0.63 (Bonett-Price, paired); "
        "p < 0.0001 (McNemar, exact mid-p)."
    )


def test_equal_predictions_differ_by_nothing_known_only_roughly():
    truth, a, _ = two_models()
    for metric in ("accuracy", "f1"):
        result = compare_paired(truth, a, a, metric=metric, seed=0)
        assert result.p_value == 1
        assert result.difference.low < 0 == result.difference.estimate < result.difference.high


def test_the_table_counts_only_cells_that_occur_where_there_are_many_classes():
    truth, a, b = two_models(classes=97)
    table = Table.of(truth, a, b)
    assert table.counts.sum() == 401
    assert len(table.counts) <= 401


BAD = [
    (([0, 1], [0, 1], [0]), {}, r"y_true has 2, pred_a has 2, pred_b has 1"),
    (([0, 1], [0.1, 0.2], [0.1, np.nan]), {"metric": "auc"}, r"pred_b without missing values"),
    (([0, 0], [0, 1], [1, 0]), {"metric": "f1"}, r"at least two classes for metric 'f1'"),
    (([0, 1], [0, 1], [0, 3]), {"metric": "f1"}, r"pred_b to hold only 0 and 1 .*got also 3"),
    (([0, 1], [0, 1], [0, 0]), {"metric": "precision"}, r"pred_b to hold a 1 for metric 'precision'"),
    (([], [], []), {}, r"at least one example"),
    (([0, 1], [0, 1], [0, 1]), {"metric": "kappa"}, r"metric to be one of accuracy"),
    (([0, 0, 1, 1], [1, 2, 3, 4], [2, 4, 6, 8]), {"metric": "auc"}, r"the same for all \(areas 1 and 1\)"),
    (([0, 1, 2], [0, 1, 2], [0, 1, 2]), {"metric": "macro_f1"}, r"varies between resamples, got 0 in all 9,999"),
    (([1e-137, -3e-140], [0.4, 0.5], [2.5, 3.0]), {"metric": "r2"}, r"y_true between 1e-30 and 1e30 in size"),
    (([1.0, 2.0, 4.0], [1.0, 2.1, 4.2], [1e60, 2, 3]), {"metric": "r2"}, r"the errors between 1e-30 and 1e30"),
]


@pytest.mark.parametrize(("columns", "options", "message"), BAD)
def test_refuses(columns, options, message):
    with pytest.raises(ValueError, match=message):
        compare_paired(*columns, **options)


def test_many_accuracies_are_the_single_ones():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 3, 211)
    a, b = (np.where(rng.random((13, 211)) < share, truth, 7) for share in (0.8, 0.7))
    ours = compare_accuracies(a == truth, b == truth)
    for k in range(13):
        single = compare_paired(truth, a[k], b[k])
        expected = [single.difference.estimate, single.difference.low, single.difference.high, single.p_value]
        assert [ours.difference[k], ours.low[k], ours.high[k], ours.p_value[k]] == expected
    only_a, only_b = ((x & ~y).sum(1) for x, y in ((a == truth, b == truth), (b == truth, a == truth)))
    np.testing.assert_allclose(ours.odds_ratio, (only_a + 0.5) / (only_b + 0.5))
    assert ours.frame.shape == (13, 7)


def test_one_baseline_for_many_on_either_side():
    rng = np.random.default_rng(6)
    checkpoints, baseline = rng.random((5, 101)) < 0.8, rng.random(101) < 0.7
    forth, back = compare_accuracies(checkpoints, baseline), compare_accuracies(baseline, checkpoints.astype(int))
    repeated = compare_accuracies(checkpoints, np.tile(baseline, (5, 1)))
    np.testing.assert_array_equal(forth.p_value, repeated.p_value)
    np.testing.assert_array_equal(forth.p_value, back.p_value)
    np.testing.assert_allclose(forth.difference, -back.difference)
    assert compare_accuracies(baseline, baseline).p_value == [1]


def test_many_comparisons_print_as_one_sentence():
    right = np.arange(200) % 10 > 0
    text = str(compare_accuracies(right, np.arange(200) % np.array([[3], [5], [10]]) > 0))
    assert text == (
        "Of 3 comparisons 2 have p of at most 0.05, unadjusted, where 0.2 would at most be expected of equal models "
        "(McNemar, exact mid-p)."
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([[1, 0], [1, 2]], [1, 0]), r"right_a to hold only 0 and 1, or booleans, got 2 at index 1, 1"),
        (([1.0, np.nan], [1, 0]), r"right_a to hold only 0 and 1, or booleans, got nan at index 1"),
        (([1, 0, 1], [1, 0]), r"as many examples in both"),
        ((np.ones((2, 3)), np.ones((4, 3))), r"as many comparisons \(or one for all\), got \(2, 3\) and \(4, 3\)"),
        (([], []), r"right_a as \[examples\]"),
        ((["a"], ["b"]), r"right_a to be booleans, got dtype"),
    ],
)
def test_refuses_many(columns, message):
    with pytest.raises(ValueError, match=message):
        compare_accuracies(*columns)


def two_regressions(n=40, seed=0):
    rng = np.random.default_rng(seed)
    truth, hard = rng.normal(size=n), rng.exponential(size=n)
    return truth, truth + 0.3 * hard * rng.normal(size=n), truth + 0.5 * hard * rng.normal(size=n)


@pytest.mark.parametrize(
    ("metric", "theirs"),
    [("mae", mean_absolute_error), ("rmse", root_mean_squared_error), ("r2", r2_score)],
)
def test_the_difference_of_predicted_numbers_is_that_of_scikit_learn(metric, theirs):
    truth, a, b = two_regressions()
    ours = compare_paired(truth, a, b, metric=metric, n_resamples=199, seed=0)
    assert ours.difference.estimate == pytest.approx(theirs(truth, a) - theirs(truth, b))
    assert compare_paired(truth, b, a, metric=metric, n_resamples=199, seed=0).difference.high == pytest.approx(
        -ours.difference.low
    )


@pytest.mark.parametrize(("metric", "theirs"), [("brier", brier_score_loss), ("log_loss", log_loss)])
def test_the_difference_of_predicted_probabilities_is_that_of_scikit_learn(metric, theirs):
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0.05, 0.95, size=(2, 60))
    truth = (rng.random(60) < a).astype(int)
    ours = compare_paired(truth, a, b, metric=metric, seed=0)
    assert ours.difference.estimate == pytest.approx(theirs(truth, a) - theirs(truth, b))
    rows = [np.stack([1 - p, p], axis=1) for p in (a, b)]
    assert compare_paired(truth, *rows, metric=metric, seed=0).p_value == ours.p_value
    with pytest.raises(ValueError, match="expected pred_b between 0 and 1, got 1.2"):
        compare_paired(truth, a, np.full(60, 1.2), metric=metric)


def test_the_interval_of_mean_errors_is_the_paired_t_interval():
    truth, a, b = two_regressions()
    ours = compare_paired(truth, a, b, metric="mae", level=0.9, n_resamples=19, seed=0)
    theirs = stats.ttest_rel(np.abs(truth - a), np.abs(truth - b)).confidence_interval(0.9)
    assert (ours.difference.low, ours.difference.high) == pytest.approx(tuple(theirs))
    assert ours.test == "paired permutations, 19 drawn"


@pytest.mark.parametrize("metric", ["accuracy", "auc", "f1", "mae", "brier"])
def test_level_and_number_of_resamples_are_those_asked_for(metric):
    truth, a, b = two_models(101)
    narrow, wide = (
        compare_paired(truth, a, b, metric=metric, level=level, n_resamples=99, seed=0).difference
        for level in (0.5, 0.99)
    )
    assert (narrow.level, wide.level) == (0.5, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high
    assert metric != "f1" or "99 resamples" in wide.method
    with pytest.raises(ValueError, match="expected n_resamples of at least 1, got 0"):
        compare_paired(truth, a, b, metric=metric, n_resamples=0)
