"""One rule of ties: what rounding alone tells apart is tied, so that no test depends on the unit."""

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import average_precision_score, roc_auc_score

from companion import stats
from companion.stats.base.ties import between, differences, rounding, tied

A = np.array([89, 60, 60, 63, 84, 77, 61, 68, 60, 68.0])
B = np.array([87, 57, 56, 59, 81, 76, 63, 70, 59, 66.0])
LABELS = np.array([1, 0, 1, 0, 1, 1, 0, 0, 1, 0] * 6)
SCORES, OTHERS = np.tile(A, 6), np.tile(B, 6)


def test_wilcoxon_is_the_same_in_percent_and_in_proportions():
    for unit in (1, 100, 1000):
        (p_value,) = stats.compare_many(np.c_[A, B] / unit, ["a", "b"]).pairs["p_wilcoxon"]
        assert p_value == pytest.approx(0.0625, abs=5e-5)
        assert p_value == pytest.approx(scipy_stats.wilcoxon(A - B).pvalue, rel=1e-12)


def of_many(a, b):
    found = stats.compare_many(np.c_[a, b, np.roll(a, 3)], list("abc"))
    return [found.p_value, *found.mean_ranks, *found.pairs["p_wilcoxon"], *found.pairs["rank_biserial"]]


#: Functions of two samples that look at order or equality only, whatever the unit and the origin.
OF_ORDER = {
    "compare_many": of_many,
    "permutation_test, all pairs": lambda a, b: [
        stats.permutation_test(a[:10], b[:10], paired=True, n_resamples=2_000).p_value
    ],
    "permutation_test, drawn pairs": lambda a, b: [stats.permutation_test(a, b, paired=True, seed=0).p_value],
    "permutation_test, all splits": lambda a, b: [
        stats.permutation_test(a[:6], b[:6], paired=False, n_resamples=2_000).p_value
    ],
    "permutation_test, drawn splits": lambda a, b: [stats.permutation_test(a, b, paired=False, seed=0).p_value],
    "bayesian_signed_rank": lambda a, b: [
        getattr(stats.bayesian_signed_rank(a, b, rope=0, n_resamples=500, seed=0), name)
        for name in ("a_better", "equivalent", "b_better")
    ],
    "correlation_ci": lambda a, b: [stats.correlation_ci(a, b).estimate],
    "auc": lambda a, b: [stats.metric_ci(LABELS, a, metric="auc").low],
    "average_precision": lambda a, b: [stats.metric_ci(LABELS, a, metric="average_precision").low],
    "auc_bootstrap_ci": lambda a, b: [stats.auc_bootstrap_ci(LABELS, a, n_resamples=99, seed=0).low],
    "compare_paired, auc": lambda a, b: [stats.compare_paired(LABELS, a, b, metric="auc").p_value],
    "ks_drift": lambda a, b: [stats.ks_drift(a, b).p_value, stats.ks_drift(a, b).statistic],
    "population_stability_index": lambda a, b: [
        getattr(stats.population_stability_index(a, b, n_resamples=99, seed=0), name)
        for name in ("statistic", "p_value")
    ],
    "krippendorff_alpha": lambda a, b: [stats.krippendorff_alpha(np.c_[a, np.where(LABELS == 1, a, b)]).estimate],
    "krippendorff_alpha, ordinal": lambda a, b: [stats.krippendorff_alpha(np.c_[a, b], scale="ordinal").estimate],
    "quantile_ci": lambda a, b: [stats.quantile_ci(a).coverage],
    "robust_z": lambda a, b: [stats.robust_z(a).flagged.sum()],
}

NOISE = np.random.default_rng(0)


def with_noise(values):
    """As if computed in another way, which moves the last place of some."""
    return values * (1 + np.finfo(float).eps * NOISE.integers(-2, 3, size=len(values)))


CHANGES = {
    "x / 100": lambda x: x / 100,
    "x * 3": lambda x: x * 3,
    "x / 7": lambda x: x / 7,
    "x + 0.1": lambda x: x + 0.1,
    "(x - 70) / 30": lambda x: (x - 70) / 30,
    "x * 1e-30": lambda x: x * 1e-30,
    "the last place": with_noise,
    "x / 100, the last place": lambda x: with_noise(x / 100),
}


#: A model's scores are ranked as they are given, so that these look at the last place.
OF_SCORES = {"auc", "average_precision", "auc_bootstrap_ci", "compare_paired, auc"}


@pytest.mark.parametrize(
    ("name", "change"),
    [(name, change) for name in OF_ORDER for change in CHANGES if not ("last place" in change and name in OF_SCORES)],
)
def test_another_unit_or_origin_changes_nothing(name, change):
    expected = OF_ORDER[name](SCORES, OTHERS)
    assert OF_ORDER[name](CHANGES[change](SCORES), CHANGES[change](OTHERS)) == pytest.approx(expected, rel=1e-9)


def test_saturated_probabilities_are_ranked_to_the_last_place():
    scores = 1 - np.finfo(float).eps * np.array([5, 4, 3, 2, 1, 0.5, 0, 7.0])
    y = np.array([0, 0, 1, 0, 1, 1, 1, 0])
    assert stats.metric_ci(y, scores, metric="auc").estimate == roc_auc_score(y, scores)
    assert stats.metric_ci(y, scores, metric="average_precision").estimate == average_precision_score(y, scores)


def test_bins_do_not_depend_on_the_last_place():
    p = np.tile([0.1, 0.2, 0.3, 0.6, 0.7, 0.9], 20)
    y = np.arange(120) % 7 > 2
    for equal in ("mass", "width"):
        expected = stats.reliability(y, p, bins=10, equal=equal).ece
        for _ in range(5):
            assert stats.reliability(y, with_noise(p), bins=10, equal=equal).ece == pytest.approx(expected, rel=1e-9)


def test_a_bootstrap_does_not_depend_on_the_unit():
    small = stats.bootstrap_ci(SCORES * 2.0**-60, np.mean, n_resamples=199, seed=0)
    whole = stats.bootstrap_ci(SCORES, np.mean, n_resamples=199, seed=0)
    assert (small.low * 2.0**60, small.high * 2.0**60) == (whole.low, whole.high)


def test_values_are_tied_relative_to_their_own_size():
    assert tied(np.array([0.1 + 0.2, 0.3, 1e-30, 2e-30])).tolist() == [0.3, 0.3, 1e-30, 2e-30]
    assert tied(np.array([1.0, 1 + 1e-13])).tolist() == [1.0, 1 + 1e-13]
    assert tied(np.array([3, 2])).tolist() == [3, 2]


def test_differences_are_tied_relative_to_what_was_subtracted():
    found = differences(np.array([0.89, 0.60, 0.7, 0.1 + 0.2]), np.array([0.87, 0.62, 0.5, 0.3]))
    assert found.tolist() == [found[0], -found[0], pytest.approx(0.2), 0]


def test_a_value_on_an_edge_lies_below_it():
    assert between(np.array([0.1, 0.1 + 0.2]), np.array([0.1, 0.2, 0.3, 0.31])).tolist() == [0, 1, 1, 2]


def test_rounding_grows_as_a_random_walk():
    assert rounding(2.0, 100) == pytest.approx(320 * 2**-52)
