"""Cross-validated scores, ranks over many sets, the Bayesian signed-rank test: against papers, SciPy and baycomp."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

from benchmarks.coverage.parts.algorithms import equal_learners
from companion.stats import adjust, bayesian_signed_rank, compare_cross_validated, compare_many
from companion.stats.compare import bayesian, ranking
from companion.stats.compare.rank_diagram import joined

A = np.array([0.81, 0.84, 0.79, 0.86, 0.82, 0.80, 0.83, 0.85, 0.78, 0.84])
B = np.array([0.78, 0.80, 0.80, 0.81, 0.79, 0.79, 0.81, 0.80, 0.79, 0.80])


def test_the_corrected_t_is_the_paired_t_with_a_wider_error():
    naive = stats.ttest_rel(A, B)
    statistic = naive.statistic * np.sqrt((1 / 10) / (1 / 10 + 1 / 9))
    ours = compare_cross_validated(A, B, test_fraction=0.1)
    assert ours.p_value == pytest.approx(2 * stats.t.sf(statistic, 9))
    half_width = stats.t.ppf(0.975, 9) * (A - B).mean() / statistic
    assert ours.difference.high - ours.difference.estimate == pytest.approx(half_width)
    assert ours.effect == pytest.approx((A - B).mean() / (A - B).std(ddof=1))


def test_sizes_and_repetitions_in_place_of_a_fraction():
    ours = compare_cross_validated(A.reshape(2, 5), B.reshape(2, 5), n_train=160, n_test=40)
    assert ours == compare_cross_validated(A, B, test_fraction=0.2)
    assert compare_cross_validated(1e59 * A, 1e59 * B, test_fraction=0.2).p_value == pytest.approx(ours.p_value)


def test_the_combined_f_by_hand():
    # differences 3 4 | -1 5 | 3 1 | 2 5 | -1 4 points: squares sum to 107; deviations from the means of the
    # repetitions 0.5 + 18 + 2 + 4.5 + 12.5 = 37.5; f = 107 / 75.
    ours = compare_cross_validated(A.reshape(5, 2), B.reshape(5, 2), method="5x2cv_f")
    assert ours.p_value == pytest.approx(stats.f.sf(107 / 75, 10, 5))
    for bound in (ours.difference.low, ours.difference.high):  # where the test is just about to reject
        assert compare_cross_validated(A, B + bound, method="5x2cv_f").p_value == pytest.approx(0.05)


def test_the_correction_brings_the_level_down():
    rng = np.random.default_rng(0)
    drawn = [equal_learners(rng, 100, 3, 5) for _ in range(200)]
    naive = np.mean([stats.ttest_rel(*scores).pvalue <= 0.05 for scores in drawn])
    corrected = np.mean([compare_cross_validated(*scores, test_fraction=0.2).p_value <= 0.05 for scores in drawn])
    assert corrected <= 0.07 < 0.15 < naive


BAD_SPLITS = [
    ((A, B[:9]), {"test_fraction": 0.1}, r"scores of the same splits, got shapes"),
    (([1.0], [2.0]), {"test_fraction": 0.1}, r"at least 2 splits, got 1"),
    ((A, A - 0.1), {"test_fraction": 0.1}, r"to hold values that differ"),
    ((A, np.where(A > 0.85, np.nan, B)), {"test_fraction": 0.1}, r"scores_b .*first at index 3"),
    ((A, B), {}, r"either test_fraction or both"),
    ((1e70 * A, B), {"test_fraction": 0.1}, r"the scores in a unit"),
    ((A, B), {"test_fraction": 0.1, "n_test": 10, "n_train": 90}, r"either test_fraction or both"),
    ((A, B), {"test_fraction": 10}, r"test_fraction strictly between 0 and 1"),
    ((A, B), {"n_train": 0, "n_test": 5}, r"n_train of at least 1, got 0"),
    ((A, B), {"n_train": 5e-324, "n_test": 20}, r"n_train to be a whole number, got 5e-324"),
    ((A, B), {"method": "t"}, r"method to be one of corrected_t, 5x2cv_f"),
    ((A[:8], B[:8]), {"method": "5x2cv_f"}, r"5 repetitions of 2 folds, got 8 splits"),
    ((np.repeat(A[:5], 2), np.repeat(B[:5], 2)), {"method": "5x2cv_f"}, r"2 folds of a repetition to differ"),
    ((np.repeat(A[:5], 2) + [0.001, 0] * 5, np.repeat(B[:5], 2)), {"method": "5x2cv_f"}, r"rejects every difference"),
]


@pytest.mark.parametrize(("columns", "options", "message"), BAD_SPLITS)
def test_refuses_splits(columns, options, message):
    with pytest.raises(ValueError, match=message):
        compare_cross_validated(*columns, **options)


def scores_of(n_sets=11, n_models=4, *, seed=0, decimals=6):
    rng = np.random.default_rng(seed)
    return np.round(rng.normal(size=(n_sets, n_models)) - 0.4 * np.arange(n_models), decimals)


@pytest.mark.parametrize("decimals", [6, 0])
def test_friedman_equals_scipys_and_iman_davenport_the_anova_of_ranks(decimals):
    scores = scores_of(decimals=decimals)
    ours = compare_many(scores, list("abcd"))
    assert ours.chi_square == pytest.approx(stats.friedmanchisquare(*scores.T).statistic)
    ranks = stats.rankdata(-scores, axis=1)
    of_models = 11 * np.sum((ranks.mean(0) - 2.5) ** 2) / 3
    left = np.sum((ranks - ranks.mean(0)) ** 2) / 30  # every set has the same mean rank
    assert [ours.f_statistic, ours.p_value] == pytest.approx([of_models / left, stats.f.sf(of_models / left, 3, 30)])
    order = ranks.mean(0).argsort()
    np.testing.assert_allclose(ours.mean_ranks, ranks.mean(0)[order])
    assert ours.names == tuple("abcd"[place] for place in order)


def test_the_statistics_of_demsars_example():
    # Demšar 2006, section 3.2.2: 14 sets and 4 models with mean ranks 3.143, 2.000, 2.893, 1.964 give F = 3.69 and,
    # with q = 2.569, a critical difference of 1.25.
    chi_square = 12 * 14 / 20 * np.sum((np.array([3.143, 2.000, 2.893, 1.964]) - 2.5) ** 2)
    assert chi_square == pytest.approx(9.28, abs=0.005)
    assert 13 * chi_square / (14 * 3 - chi_square) == pytest.approx(3.69, abs=0.005)
    assert ranking.critical_difference(4, 14, 0.05) == pytest.approx(1.25, abs=0.005)


def test_the_published_critical_values():
    # Demšar 2006, table 5: q for 2 to 10 models at 0.05
    published = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
    ours = [ranking.critical_difference(k, 7, 0.05) / np.sqrt(k * (k + 1) / (6 * 7)) for k in range(2, 11)]
    np.testing.assert_allclose(ours, published, atol=0.0011)


def test_the_pairs():
    scores = scores_of()
    ours = compare_many(scores, list("abcd"))
    for _, row in ours.frame.iterrows():
        a, b = ("abcd".index(row[side]) for side in "ab")
        assert row["p_wilcoxon"] == pytest.approx(stats.wilcoxon(scores[:, a], scores[:, b]).pvalue)
        assert (row["p_nemenyi"] <= 0.05) == (row["rank_difference"] >= ours.critical_difference)
        ranks = stats.rankdata(np.abs(scores[:, a] - scores[:, b]))
        assert row["rank_biserial"] == pytest.approx(np.sum(ranks * np.sign(scores[:, a] - scores[:, b])) / ranks.sum())
    np.testing.assert_array_equal(ours.pairs["p_holm"], adjust(ours.pairs["p_wilcoxon"]).adjusted)


def test_lower_is_better_turns_the_order_round():
    scores = scores_of()
    up, down = compare_many(scores, list("abcd")), compare_many(scores, list("abcd"), higher_is_better=False)
    assert up.names == down.names[::-1]
    assert up.p_value == pytest.approx(down.p_value)


def test_sets_that_all_agree():
    ours = compare_many([[3, 2, 1]] * 4, ["x", "y", "z"])
    assert ours.p_value == pytest.approx(1 / 6**3)
    assert ours.agreement == 1
    assert compare_many([[2, 1]] * 4, ["x", "y"]).p_value == pytest.approx(1 / 2**3)


def test_models_that_tie_everywhere_do_not_differ():
    scores = scores_of()
    scores[:, 3] = scores[:, 0]
    pairs = compare_many(scores, list("abcd")).pairs.set_index(["a", "b"])
    row = pairs.loc[("a", "d")]
    assert [row["p_wilcoxon"], row["rank_biserial"], row["rank_difference"]] == [1, 0, 0]


def test_runs_of_the_diagram():
    assert joined([1.0, 1.5, 2.9, 3.0, 5.0], 2.0) == [(0, 2), (1, 3)]
    assert joined([1.0, 1.5, 2.9, 3.0, 4.0], 1.95) == [(0, 2), (1, 3), (2, 4)]
    assert joined([1.0, 2.0, 3.0], 0.5) == []
    assert joined([1.0, 2.0, 3.0], 9.0) == [(0, 2)]


def test_the_diagram_names_every_model_apart():
    result = compare_many(scores_of(13, 7), [f"model {k}" for k in range(7)])
    axes = result.plot()
    axes.figure.canvas.draw()
    labels = [text for text in axes.texts if "model" in text.get_text()]
    assert len(labels) == 7
    boxes = [text.get_window_extent() for text in labels]
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])
    plt.close(axes.figure)


BAD_SETS = [
    ([[1, 2]], ["a", "b"], {}, r"scores to hold at least 2"),
    ([1, 2, 3], ["a"], {}, r"scores as \[sets, models\]"),
    ([[1], [2]], ["a"], {}, r"scores as \[sets, models\]"),
    ([[1, 2], [3, 4]], ["a"], {}, r"a name for each of 2 models, got 1"),
    ([[1, 2], [3, 4]], None, {}, "names for the columns, got none"),
    ([[1, 2], [3, 4]], ["a", "b"], {"alpha": 5e-324}, r"alpha at least 1e-12 away"),
    ([[1, 2], [3, 4]], ["a", "a"], {}, r"names that are all different"),
    ([[1, 1], [2, 2]], ["a", "b"], {}, r"models that differ on some set"),
    ([[1, 2], [np.nan, 2]], ["a", "b"], {}, r"first at index 1"),
    ([[1, 2], [3, 4]], ["a", "b"], {"alpha": 1}, r"alpha strictly between"),
]


@pytest.mark.parametrize(("scores", "names", "options", "message"), BAD_SETS)
def test_refuses_sets(scores, names, options, message):
    with pytest.raises(ValueError, match=message):
        compare_many(scores, names, **options)


@pytest.mark.parametrize(
    ("rope", "expected"), [(0, (0.97219, 0, 0.02781)), (1, (0.31549, 0.684455, 5.5e-5)), (2, (0.00461, 0.99539, 0))]
)
def test_the_bayesian_test_equals_baycomps(rope, expected):
    # baycomp 1.0.3: SignedRankTest.probs(b, a, rope, nsamples=200_000, random_state=0), in the order b, rope, a
    a = [76, 73, 79, 82, 86, 81, 77, 76, 84, 88, 81, 74, 75]
    b = [72, 72, 81, 81, 87, 81, 77, 76, 82, 87, 81, 72, 72]
    ours = bayesian_signed_rank(a, b, rope=rope, n_resamples=50_000, seed=0)
    np.testing.assert_allclose([ours.a_better, ours.equivalent, ours.b_better], expected, atol=0.008)


def test_sums_on_the_border_do_not_depend_on_rounding():
    a, b = np.array([76, 73, 79, 82, 86, 81]), np.array([72, 72, 81, 81, 87, 81])
    whole = bayesian_signed_rank(a, b, rope=1, n_resamples=999, seed=0)
    hundredths = bayesian_signed_rank(a / 100, b / 100, rope=0.01, n_resamples=999, seed=0)
    assert whole.a_better == hundredths.a_better
    assert whole.equivalent == hundredths.equivalent


def test_without_a_region_it_is_close_to_wilcoxons_one_sided_p():
    a, b = scores_of(31, 2, seed=3).T
    p_value = stats.wilcoxon(a, b, alternative="greater").pvalue
    assert bayesian_signed_rank(a, b, rope=0, seed=0).b_better == pytest.approx(p_value, abs=0.03)


def test_its_shares_are_those_of_all_pairs():
    differences, weights = np.sort([0.0, 0.3, -0.2, 0.9, 0.1]), np.random.default_rng(4).dirichlet(np.ones(5), 3)
    sums, products = np.add.outer(differences, differences), weights[:, :, None] * weights[:, None, :]
    expected = [(products * part).sum((1, 2)) for part in (sums < -0.25, np.abs(sums) < 0.25, sums > 0.25)]
    np.testing.assert_allclose(bayesian._shares(differences, weights, 0.125, 1e-12), np.array(expected).T, atol=1e-12)


def test_it_prints_as_one_sentence():
    text = str(bayesian_signed_rank([1.0, 2, 3, 4], [0.0, 0, 0, 0], rope=0.5, seed=0))
    assert text.startswith("The probability is 0.9")
    assert text.endswith("(Bayesian signed-rank test, 4 pairs); the rank effect is 0.95.")


@pytest.mark.parametrize(
    ("columns", "rope", "message"),
    [
        (([1.0, 2], [1.0, 2, 3]), 0, r"a has 2, b has 3"),
        (([1.0], [1.0]), 0, r"at least 2 values"),
        (([1.0, np.nan], [1.0, 2]), 0, r"a without missing values.*index 1"),
        (([1.0, 2], [1.0, 3]), -1, r"rope of at least 0, got -1"),
        (([1.0, 2], [1.0, 3]), np.nan, r"rope of at least 0, got nan"),
    ],
)
def test_refuses_scores(columns, rope, message):
    with pytest.raises(ValueError, match=message):
        bayesian_signed_rank(*columns, rope=rope)
