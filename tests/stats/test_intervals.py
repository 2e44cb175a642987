"""The interval itself, and those of shares, means, differences, ratios, quantiles and correlations."""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import torch
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans

from companion.stats import (
    Comparison,
    Interval,
    clustered_proportion_ci,
    correlation_ci,
    difference_ci,
    forest,
    mean_ci,
    proportion_ci,
    proportion_difference_ci,
    quantile_ci,
    ratio_ci,
    stratified_mean_ci,
)
from companion.stats.base.intervals import wilson

# Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3 (score, no continuity correction).
NEWCOMBE = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0000, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize(("successes", "trials", "low", "high"), NEWCOMBE)
def test_wilson_equals_the_published_bounds(successes, trials, low, high):
    interval = wilson(successes, trials)
    assert interval.estimate == successes / trials
    np.testing.assert_allclose([interval.low, interval.high], [low, high], atol=5e-5)


def test_wilson_bounds_solve_the_score_equation():
    interval = wilson(37, 41, level=0.9)
    for bound in (interval.low, interval.high):
        z = (37 / 41 - bound) / np.sqrt(bound * (1 - bound) / 41)
        assert abs(z) == pytest.approx(1.6448536, abs=1e-6)


def test_an_interval_prints_as_one_sentence_with_two_digits_of_its_half_width():
    interval = Interval(0.97234, 0.96012, 0.98055, 0.95, "Wilson score")
    assert str(interval) == (
        "The estimate is 0.972, with a 95% confidence interval from 0.960 to 0.981 (Wilson score)."
    )
    wide = Interval(1234.5, -40.0, 2500.0, 0.9, "BCa")
    assert str(wide) == "The estimate is 1234, with a 90% confidence interval from -40 to 2500 (BCa)."


def test_an_interval_prints_no_negative_zero():
    assert "from 0.00 to 0.80" in str(Interval(0.4, -0.001, 0.8, 0.95, "any"))


def test_an_interval_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        wilson(3, 7).low = 0.0


def bounds(interval):
    return [interval.low, interval.high]


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (5, 7), (7, 7), (13, 101)])
def test_clopper_pearson_equals_scipy(successes, trials):
    expected = stats.binomtest(successes, trials).proportion_ci(0.9, method="exact")
    np.testing.assert_allclose(
        bounds(proportion_ci(successes, trials, method="clopper_pearson", level=0.9)), expected, atol=1e-12
    )


@pytest.mark.parametrize("method", ["wilson", "clopper_pearson"])
def test_intervals_of_a_finite_population_cover_it(method):
    population, n, found = 61, 23, np.arange(24)
    intervals = [proportion_ci(int(k), n, method=method, population=population) for k in found]
    low, high = np.array([bounds(interval) for interval in intervals]).T
    coverage = [
        stats.hypergeom.pmf(found, population, right, n)
        @ ((low <= right / population + 1e-12) & (right / population - 1e-12 <= high))
        for right in range(population + 1)
    ]
    assert np.mean(coverage) > 0.945
    assert min(coverage) > (0.95 - 1e-9 if method == "clopper_pearson" else 0.85)
    assert proportion_ci(11, 23, method=method, population=61).high < proportion_ci(11, 23, method=method).high


def test_a_huge_population_changes_nothing_and_a_counted_one_leaves_no_doubt():
    for method in ("wilson", "clopper_pearson"):
        expected = bounds(proportion_ci(13, 41, method=method))
        np.testing.assert_allclose(bounds(proportion_ci(13, 41, method=method, population=10**6)), expected, atol=1e-4)
        assert bounds(proportion_ci(13, 41, method=method, population=41)) == [13 / 41, 13 / 41]
    values = [2.0, 3.0, 7.0]
    assert bounds(mean_ci(values, population=3)) == [4.0, 4.0]
    np.testing.assert_allclose(bounds(mean_ci(values, population=10**12)), bounds(mean_ci(values)), rtol=1e-9)


def test_a_finite_population_shrinks_the_variance():
    values, root = [2.0, 3.0, 7.0, 9.0], np.sqrt(1 - 4 / 11)
    half_width, whole = (np.ptp(bounds(mean_ci(values, population=size))) for size in (11, None))
    assert half_width == pytest.approx(root * whole)
    for bound in bounds(proportion_ci(13, 41, population=97)):  # the score equation, with (N - n) / (N - 1)
        error = np.sqrt(bound * (1 - bound) / 41 * (97 - 41) / (97 - 1))
        assert abs(13 / 41 - bound) / error == pytest.approx(1.959963985)


def test_the_mean_equals_scipy():
    values = np.random.default_rng(0).exponential(size=37)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    np.testing.assert_allclose(bounds(mean_ci(values, level=0.9)), expected, rtol=1e-12)


def clustered_values(seed, n_clusters=23):
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(n_clusters), rng.integers(1, 10, n_clusters))
    return rng.normal(size=n_clusters)[clusters] + rng.normal(size=len(clusters)), clusters


def test_the_clustered_mean_equals_statsmodels():
    values, clusters = clustered_values(1)
    fit = sm.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    np.testing.assert_allclose(bounds(mean_ci(values, clusters=clusters)), fit.conf_int()[0], rtol=1e-10)
    names = np.array([f"passage {cluster}" for cluster in clusters])
    assert bounds(mean_ci(values, clusters=names)) == pytest.approx(bounds(mean_ci(values, clusters=clusters)))


def test_clusters_of_one_example_are_none():
    values = np.random.default_rng(2).normal(size=17)
    np.testing.assert_allclose(bounds(mean_ci(values, clusters=np.arange(17))), bounds(mean_ci(values)), rtol=1e-12)
    rows = values + 5
    np.testing.assert_allclose(
        bounds(ratio_ci(values, rows, paired=True, clusters=np.arange(17))), bounds(ratio_ci(values, rows, paired=True))
    )


def test_the_clustered_share_is_wilsons_where_clusters_do_not_matter():
    right = np.random.default_rng(3).random(20_011) < 0.83
    clustered = clustered_proportion_ci(right, np.arange(20_011) // 2)
    expected = proportion_ci(int(right.sum()), 20_011)
    np.testing.assert_allclose(bounds(clustered), bounds(expected), atol=2e-4)


def test_answers_that_are_all_right_are_worth_as_many_as_there_are_clusters():
    all_right = clustered_proportion_ci(np.ones(50), np.repeat(np.arange(10), 5))
    quantile = stats.t.ppf(0.975, 9) ** 2
    assert bounds(all_right) == pytest.approx([10 / (10 + quantile), 1])  # Wilson's lower bound of 10 out of 10


def test_the_stratified_mean_by_hand():
    values, strata = np.array([1.0, 2.0, 4.0, 10.0, 13.0]), ["a", "a", "a", "b", "b"]
    interval = stratified_mean_ci(values, strata, weights={"a": 0.25, "b": 0.75})
    parts = np.array([0.25**2 * values[:3].var(ddof=1) / 3, 0.75**2 * values[3:].var(ddof=1) / 2])
    degrees = parts.sum() ** 2 / (parts[0] ** 2 / 2 + parts[1] ** 2 / 1)
    assert interval.estimate == pytest.approx(0.25 * 7 / 3 + 0.75 * 11.5)
    assert interval.high - interval.estimate == pytest.approx(stats.t.ppf(0.975, degrees) * np.sqrt(parts.sum()))
    finite = stratified_mean_ci(values, strata, population={"a": 10, "b": 30})
    assert finite.estimate == pytest.approx(interval.estimate)
    parts *= [1 - 3 / 10, 1 - 2 / 30]
    degrees = parts.sum() ** 2 / (parts[0] ** 2 / 2 + parts[1] ** 2 / 1)
    assert finite.high - finite.estimate == pytest.approx(stats.t.ppf(0.975, degrees) * np.sqrt(parts.sum()))
    assert bounds(stratified_mean_ci(values, strata, population={"a": 3, "b": 2})) == pytest.approx([6.0, 6.0])


def test_the_difference_of_means_equals_statsmodels():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=11), 3 * rng.normal(size=29)
    expected = CompareMeans.from_data(a, b).tconfint_diff(usevar="unequal")
    np.testing.assert_allclose(bounds(difference_ci(a, b)), expected, rtol=1e-10)


def test_the_difference_of_shares_equals_newcombes_table():
    # Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10: 56/70 - 48/80, 9/10 - 3/10, 5/56 - 0/29.
    for counts, expected in [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
    ]:
        np.testing.assert_allclose(bounds(proportion_difference_ci(*counts)), expected, atol=5e-5)


def test_agresti_caffo_adds_a_success_and_a_failure_to_each():
    a, b = 57 / 72, 49 / 82
    error = 1.959963985 * np.sqrt(a * (1 - a) / 72 + b * (1 - b) / 82)
    interval = proportion_difference_ci(56, 70, 48, 80, method="agresti_caffo")
    np.testing.assert_allclose(bounds(interval), [a - b - error, a - b + error], rtol=1e-9)
    assert bounds(proportion_difference_ci(0, 5, 5, 5, method="agresti_caffo"))[0] == -1.0


def test_samples_of_zeros_and_ones_are_shares():
    a, b = np.repeat([1, 0], [56, 14]), np.repeat([1, 0], [48, 32])
    assert difference_ci(a, b) == proportion_difference_ci(56, 70, 48, 80)


@pytest.mark.parametrize("paired", [True, False])
def test_fiellers_bounds_are_where_students_test_turns(paired):
    rng = np.random.default_rng(5)
    x = rng.normal(7, 2, size=19)
    y = 3 * x + rng.normal(size=19)
    interval = ratio_ci(y, x, paired=paired)
    assert interval.estimate == pytest.approx(y.mean() / x.mean())
    for bound in bounds(interval):
        test = stats.ttest_1samp(y - bound * x, 0) if paired else stats.ttest_ind(y, bound * x, equal_var=False)
        assert test.pvalue == pytest.approx(
            0.05, abs=1e-9 if paired else 2e-3
        )  # degrees at the estimate, not the bound


def test_the_clustered_ratio_approaches_the_sandwich_of_statsmodels():
    rng = np.random.default_rng(6)
    clusters = np.repeat(np.arange(401), rng.integers(1, 6, 401))
    x = rng.uniform(1, 2, size=len(clusters))
    y = x * (0.8 + 0.1 * rng.normal(size=401)[clusters])
    fit = sm.WLS(y / x, np.ones(len(x)), weights=x).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    np.testing.assert_allclose(bounds(ratio_ci(y, x, paired=True, clusters=clusters)), fit.conf_int()[0], atol=1e-4)


@pytest.mark.parametrize(("n", "q"), [(6, 0.5), (20, 0.5), (73, 0.95), (101, 0.25), (997, 0.9)])
def test_the_quantile_equals_scipy(n, q):
    values = np.random.default_rng(7).permutation(n).astype(float)
    expected = stats.quantile_test(values, q=0.0, p=q).confidence_interval(0.95)
    interval = quantile_ci(values, q)
    assert bounds(interval) == list(expected)
    assert interval.coverage == pytest.approx(
        stats.binom.cdf(interval.high, n, q) - stats.binom.cdf(interval.low, n, q)
    )
    assert interval.coverage >= 0.95


def test_a_coverage_that_meets_the_level_exactly_will_do():
    assert quantile_ci([3.0, 5.0], level=0.5).coverage == 0.5


@pytest.mark.parametrize(("n", "q", "needed"), [(5, 0.5, 6), (71, 0.95, 72), (367, 0.99, 368)])
def test_too_few_values_for_a_quantile_say_how_many_it_takes(n, q, needed):
    with pytest.raises(ValueError, match=f"at least {needed} values"):
        quantile_ci(np.arange(n), q)


def test_correlations():
    rng = np.random.default_rng(8)
    x = rng.normal(size=29)
    y = x + rng.normal(size=29)
    pearson = correlation_ci(x, y, method="pearson")
    np.testing.assert_allclose(bounds(pearson), stats.pearsonr(x, y).confidence_interval(), rtol=1e-10)
    spearman = correlation_ci(x, y)
    rho = stats.spearmanr(x, y).statistic
    half_width = 1.959963985 * np.sqrt((1 + rho**2 / 2) / 26)  # Bonett and Wright 2000
    assert spearman.estimate == pytest.approx(rho)
    np.testing.assert_allclose(
        np.arctanh(bounds(spearman)), np.arctanh(rho) + half_width * np.array([-1, 1]), rtol=1e-7
    )
    np.testing.assert_allclose(bounds(correlation_ci(np.exp(x), y**3)), bounds(spearman))  # only order counts


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: proportion_ci(3, 0), "1 trial at least"),
        (lambda: proportion_ci(8, 7), "successes <= trials"),
        (lambda: proportion_ci(0.8, 7), "whole number"),
        (lambda: proportion_ci(3, 7, population=6), "at least the 7 sampled"),
        (lambda: proportion_ci(3, 7, method="wald"), "wilson, clopper_pearson"),
        (lambda: proportion_ci(3, 7, level=95), "write 0.95"),
        (lambda: mean_ci([1.0, np.nan, 2.0]), "first at index 1"),
        (lambda: mean_ci([1.0, np.inf]), "inf at index 1"),
        (lambda: mean_ci([1.0]), "at least 2 values"),
        (lambda: mean_ci([]), "got none"),
        (lambda: mean_ci([0.1, 0.1, 0.1]), "3 times 0.1"),
        (lambda: mean_ci(["a", "b"]), "numbers"),
        (lambda: mean_ci([1, 2, 3], clusters=[1, 2, None]), "first at index 2"),
        (lambda: mean_ci([1, 2, 3], clusters=[1, 2]), "2 for 3"),
        (lambda: mean_ci([1, 2, 3], clusters=[7, 7, 7]), "at least 2 clusters"),
        (lambda: mean_ci([1, 2, 1, 2], clusters=[1, 1, 2, 2]), "equal means"),
        (lambda: mean_ci([1, 2, 3], clusters=[1, 2, 3], population=9), "got both"),
        (lambda: clustered_proportion_ci([0, 1, 2], [1, 2, 3]), "only 0 and 1"),
        (lambda: clustered_proportion_ci([0, 1], [1, 1]), "at least 2 clusters"),
        (lambda: stratified_mean_ci([1, 2, 3], [1, 1, 2], weights={1: 0.5, 2: 0.5}), "at least 2 examples in each"),
        (lambda: stratified_mean_ci([1, 2, 3, 4], [1, 1, 2, 2], weights={1: 0.5, 2: 0.6}), "sum to one"),
        (lambda: stratified_mean_ci([1, 2, 3, 4], [1, 1, 2, 2], weights={1: 1.0}), "for each of the strata"),
        (lambda: stratified_mean_ci([1, 2, 3, 4], [1, 1, 2, 2]), "exactly one"),
        (lambda: stratified_mean_ci([1, 1, 3, 3], [1, 1, 2, 2], weights={1: 0.5, 2: 0.5}), "differ"),
        (lambda: difference_ci([1, 2], [3, 3]), "2 times 3"),
        (lambda: difference_ci([1, 5], [3]), "at least 2 values"),
        (lambda: ratio_ci([1, 2, 3], [3, 5], paired=True), "other lengths"),
        (lambda: ratio_ci([1, 2, 3], [-1, 0.5, 1], paired=True), "no bounds"),
        (lambda: ratio_ci([2, 4, 6], [1, 2, 3], paired=True), "ratio"),
        (lambda: ratio_ci([1, 2], [3, 4], paired=False, clusters=[1, 2]), "paired=True only"),
        (lambda: ratio_ci([1, 2], [3, 4], paired=True, clusters=[1, 1]), "at least 2"),
        (lambda: quantile_ci([1, 2, 3], 50), "between 0 and 1"),
        (lambda: quantile_ci([1, 2, 3], 5e-324), "q at least 1e-12 away from 0 and 1"),
        (lambda: ratio_ci([1e140, 2e140], [1e-300, 2e-300], paired=False), "numerators in a unit"),
        (lambda: proportion_ci(1, 7, population=10**30, method="clopper_pearson"), "beyond 2\\*\\*53"),
        (lambda: mean_ci([1.0, None, 2.0]), "values without missing values.*index 1"),
        (lambda: mean_ci(pd.Series([1, None, 2], dtype="Int64")), "values without missing values.*index 1"),
        (lambda: mean_ci(np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0])), "values without missing values.*index 1"),
        (lambda: mean_ci([[1.0], [1.0, 2.0]]), "rows of one length"),
        (lambda: mean_ci(torch.ones(3, dtype=torch.bfloat16)), "NumPy cannot read .*float"),
        (lambda: mean_ci([1, 2, 3], clusters=["a", np.nan, "b"]), "clusters without missing values.*index 1"),
        (lambda: mean_ci([1, 2, 3], clusters=[1, "b", 2]), "clusters to be all numbers or all text"),
        (lambda: stratified_mean_ci([1, 2, 3, 4], [1, 1, 2, 2], population={1: 0, 2: 0}), "a stratum with weight"),
        (lambda: stratified_mean_ci([1, 2, 3, 4], [1, 1, 2, 2], weights={1: "a", 2: 1}), "numbers from 0 on"),
        (lambda: Interval(np.nan, 0.0, 1.0, 0.95, "none"), "estimate, low and high as numbers, .*got estimate nan"),
        (lambda: Interval(0.5, 1.0, 0.0, 0.95, "none"), "<= high, got estimate 0.5, low 1.0 and high 0.0"),
        (lambda: Interval(0.5, 0.0, 1.0, 95, "none"), "level strictly between"),
        (lambda: proportion_ci(1, 2).plot(at=None), "at strictly between"),
        (lambda: correlation_ci([1, 2, 3], [1, 3, 2]), "at least 4"),
        (lambda: correlation_ci([1, 2, 3, 4], [2, 2, 2, 2]), "y to hold values that differ"),
        (lambda: correlation_ci([1, 2, 3, 4], [2, 4, 6, 9]), "1 exactly"),
        (lambda: forest([], []), "one at least"),
        (lambda: forest(3, ["a"]), "results in a list, got 3"),
        (lambda: forest(["a"], ["a"]), "a result with one interval, got 'a'"),
        (lambda: forest([proportion_ci(1, 2)], 3), "names in a list, got 3"),
        (lambda: forest([proportion_ci(1, 2)], ["a"], reference=np.array([0, 1])), "reference strictly between"),
        (lambda: forest([proportion_ci(1, 2)], ["a", "b"]), "1 and 2"),
        (lambda: forest([proportion_ci(1, 2), proportion_ci(1, 2, level=0.9)], ["a", "b"]), "one level"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_quantile_interval_is_a_row_with_its_coverage():
    frame = quantile_ci(np.arange(20)).frame
    assert frame.loc[0, "coverage"] == pytest.approx(0.9586, abs=5e-5)  # the median of 20: the 6th and the 15th
    assert isinstance(frame, pd.DataFrame)


def test_pictures():
    interval = proportion_ci(81, 90)
    axes = interval.plot()
    assert axes.get_xlabel() == "estimate and 95% confidence interval"
    comparison = Comparison(interval, 0.04, "any")
    axes = forest([interval, comparison], ["first", "second"], quantity="accuracy", reference=0.5)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert axes.yaxis_inverted()  # the first on top
    ((start, end),) = axes.collections[1].get_segments()
    np.testing.assert_allclose([start, end], [[interval.low, 1], [interval.high, 1]])
    plt.close("all")


def test_the_mean_of_right_or_wrong_is_a_proportion():
    right = [True, False, True, True]
    found, wilson = mean_ci(right), proportion_ci(3, 4)
    assert (found.low, found.high) == (wilson.low, wilson.high)
    assert found.method == "Wilson score"
    pool = mean_ci([0, 1, 1], population=9)
    assert (pool.low, pool.high) == pytest.approx(
        (proportion_ci(2, 3, population=9).low, proportion_ci(2, 3, population=9).high)
    )
    clustered = mean_ci(right, clusters=[0, 0, 1, 1])
    assert clustered == clustered_proportion_ci(right, [0, 0, 1, 1])
    assert mean_ci([1, 1, 1]).low == pytest.approx(proportion_ci(3, 3).low)


def test_bounded_means_by_hand():
    x, z, student = np.array([1, 0.5, 1, 1, 0, 1]), stats.norm.ppf(0.975), stats.t.ppf(0.975, 5)
    p, pseudo = x.mean(), (x.sum() + 2) / 10
    worth = max(6, p * (1 - p) / ((x - p) @ (x - p) / 36 + pseudo * (1 - pseudo) / 36)) * (z / student) ** 2
    center, spread = p + z**2 / (2 * worth), z * np.sqrt(p * (1 - p) / worth + z**2 / (4 * worth**2))
    expected = np.array([center - spread, center + spread]) / (1 + z**2 / worth)
    found = mean_ci(x, bounds=(0, 1))
    assert (found.low, found.high) == pytest.approx(tuple(expected), rel=1e-12)
    wide = mean_ci(20 * x - 10, bounds=(-10, 10))
    assert (wide.low, wide.high) == pytest.approx(tuple(20 * expected - 10))
    same = mean_ci(x, bounds=(0, 1), clusters=range(6))
    assert (same.low, same.high) == pytest.approx(tuple(expected))


def test_bounded_differences_join_the_two_intervals():
    a, b = [1, 0.5, 1, 1, 0, 1], [0, 0.5, 0, 1]
    one, other = mean_ci(a, bounds=(0, 1)), mean_ci(b, bounds=(0, 1))
    found = difference_ci(a, b, bounds=(0, 1))
    difference = one.estimate - other.estimate
    assert found.low == pytest.approx(difference - np.hypot(one.estimate - one.low, other.high - other.estimate))
    assert found.high == pytest.approx(difference + np.hypot(one.high - one.estimate, other.estimate - other.low))
    right = difference_ci([1, 1, 0, 1], [0, 1, 0], bounds=(0, 1))
    newcombe = proportion_difference_ci(3, 4, 1, 3)
    assert (right.low, right.high) == pytest.approx((newcombe.low, newcombe.high), abs=1e-9)


def test_a_stratified_proportion_joins_the_strata_and_stays_in_range():
    found = stratified_mean_ci([1, 1, 1, 0, 1], ["a", "a", "a", "b", "b"], weights={"a": 0.9, "b": 0.1})
    a, b = proportion_ci(3, 3), proportion_ci(1, 2)
    assert found.estimate == pytest.approx(0.95)
    assert found.low == pytest.approx(0.95 - np.hypot(0.9 * (1 - a.low), 0.1 * (0.5 - b.low)))
    assert found.high == pytest.approx(0.95 + 0.1 * (b.high - 0.5))
    counted = stratified_mean_ci([1, 0, 1, 1], ["a", "a", "b", "b"], population={"a": 2, "b": 20})
    assert counted.low == pytest.approx((1 + 20 * proportion_ci(2, 2, population=20).low) / 22)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_ci([0.5, 1.5], bounds=(0, 1)), r"values within bounds \(0, 1\), got 1.5 at index 1"),
        (lambda: mean_ci([0.5, 1.5], bounds=1), r"bounds as \(low, high\)"),
        (lambda: difference_ci([0.5, 1], [0.5, -1], bounds=(0, 1)), "b within bounds .* -1 at index 1"),
        (lambda: difference_ci([0.5, 1], [0.5], bounds=(0, 1)), "b to hold at least 2"),
    ],
)
def test_what_is_not_between_the_bounds_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((3.12e-7, 2.93e-7, 3.31e-7), "3.12e-07, with a 95% confidence interval from 2.93e-07 to 3.31e-07"),
        ((2e-12, -4.8e-13, 4.5e-12), "2e-12, with a 95% confidence interval from -4.8e-13 to 4.5e-12"),
        ((0.5, 0.499999978, 0.500000022), "0.5, with a 95% confidence interval from 0.499999978 to 0.500000022"),
        ((0.0, 0.0, 1e-9), "0, with a 95% confidence interval from 0 to 1e-09"),
        ((0.42, 0.42, 0.42), "0.4200000, with a 95% confidence interval from 0.4200000 to 0.4200000"),
        ((5e-324, 0.0, 1e-323), "4.9e-324, with a 95% confidence interval from 0 to 9.9e-324"),
    ],
)
def test_small_numbers_do_not_read_as_zero(numbers, words):
    assert Interval(*numbers, 0.95, "by hand").in_words().startswith(words)
