"""The bootstrap against SciPy's, in clusters and strata, and on bad input."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.coverage.distributions import clustered
from companion.stats import bootstrap_ci
from companion.stats.resampling import bootstrap


def skewed(n, seed=0):
    return np.random.default_rng(seed).exponential(size=n)


@pytest.mark.parametrize("statistic", [np.mean, np.std, lambda x, axis=-1: np.quantile(x, 0.7, axis=axis)])
@pytest.mark.parametrize("n", [31, 101, 997])
def test_equals_scipys_bca_from_the_same_stream(statistic, n):
    data = skewed(n)
    ours = bootstrap_ci(data, statistic, n_resamples=997, seed=11)
    theirs = stats.bootstrap((data,), statistic, n_resamples=997, method="BCa", rng=np.random.default_rng(11))
    assert ours.estimate == pytest.approx(statistic(data), rel=1e-12)
    np.testing.assert_allclose([ours.low, ours.high], theirs.confidence_interval, rtol=1e-9)


@pytest.mark.parametrize("unit", [1e-60, 1e58])
def test_the_unit_changes_nothing_but_the_unit(unit):
    data = skewed(31)
    one, other = (bootstrap_ci(unit * data, np.mean, n_resamples=499, seed=3) for unit in (1.0, unit))
    assert [other.low / unit, other.high / unit] == pytest.approx([one.low, one.high], rel=1e-9)


def test_above_a_thousand_observations_the_grouped_jackknife_agrees_with_scipys():
    data = skewed(2_003)
    ours = bootstrap_ci(data, np.var, n_resamples=1_999, seed=5)
    theirs = stats.bootstrap((data,), np.var, n_resamples=1_999, method="BCa", rng=np.random.default_rng(5), batch=100)
    width = ours.high - ours.low
    np.testing.assert_allclose([ours.low, ours.high], theirs.confidence_interval, atol=0.02 * width)


def test_a_statistic_without_axis_gives_what_its_vectorized_twin_gives():
    data = skewed(53)
    assert bootstrap_ci(data, lambda x: x.mean(), n_resamples=499, seed=3) == bootstrap_ci(
        data, np.mean, n_resamples=499, seed=3
    )


def test_rows_are_resampled_whole():
    rng = np.random.default_rng(1)
    sizes = rng.integers(10, 1_000, size=61)
    rows = np.stack([sizes * rng.normal(2, 0.3, size=61), sizes], axis=1)
    rate = bootstrap_ci(rows, lambda r: r[:, 0].sum() / r[:, 1].sum(), n_resamples=1_999, seed=2)
    theirs = stats.bootstrap(
        (rows[:, 0], rows[:, 1]),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        paired=True,
        n_resamples=1_999,
        rng=np.random.default_rng(2),
    )
    np.testing.assert_allclose([rate.low, rate.high], theirs.confidence_interval, rtol=1e-9)


def test_the_block_size_bounds_memory_and_changes_nothing(monkeypatch):
    data = skewed(43)
    whole = bootstrap_ci(data, np.mean, n_resamples=301, seed=4)
    seen = []
    monkeypatch.setattr(bootstrap, "BLOCK", 5 * 43)
    in_blocks = bootstrap_ci(
        data, lambda x, axis: seen.append(x.size) or np.mean(x, axis=axis), n_resamples=301, seed=4
    )
    assert in_blocks == whole
    assert max(seen) == 5 * 43


def test_a_seed_fixes_the_interval_and_none_does_not():
    data = skewed(31)
    assert bootstrap_ci(data, np.mean, n_resamples=99, seed=1) == bootstrap_ci(data, np.mean, n_resamples=99, seed=1)
    assert bootstrap_ci(data, np.mean, n_resamples=99) != bootstrap_ci(data, np.mean, n_resamples=99)


def test_higher_levels_are_wider_and_nested():
    data = skewed(47)
    narrow, wide = (bootstrap_ci(data, np.mean, level=level, n_resamples=999, seed=0) for level in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high


@pytest.mark.parametrize("n", [31, 997])
def test_percentiles_equal_scipys_from_the_same_stream(n):
    data = skewed(n)
    ours = bootstrap_ci(data, np.std, n_resamples=997, seed=11, method="percentile")
    theirs = stats.bootstrap((data,), np.std, n_resamples=997, method="percentile", rng=np.random.default_rng(11))
    np.testing.assert_allclose([ours.low, ours.high], theirs.confidence_interval, rtol=1e-12)


def ratio_of_means(rows):
    first = rows[:, 1] == 0
    return rows[first, 0].mean() / rows[~first, 0].mean()


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_strata_equal_scipys_independent_samples(method):
    x, y = skewed(23), skewed(41, seed=2) + 1
    rows = np.stack([np.r_[x, y], np.repeat([0, 1], [23, 41])], axis=1)
    ours = bootstrap_ci(rows, ratio_of_means, strata=rows[:, 1], method=method, n_resamples=499, seed=5)
    theirs = stats.bootstrap(
        (x, y),
        lambda a, b, axis: a.mean(axis) / b.mean(axis),
        method=method,
        n_resamples=499,
        rng=np.random.default_rng(5),
    )
    np.testing.assert_allclose([ours.low, ours.high], theirs.confidence_interval, rtol=1e-9)
    assert ours.method.endswith("499 resamples in 2 strata")


def test_strata_may_lie_mixed_in_the_rows():
    strata = np.random.default_rng(3).integers(0, 3, size=47)
    sizes = []
    bootstrap_ci(
        np.stack([skewed(47), strata], axis=1),
        lambda rows: sizes.append(np.bincount(rows[:, 1].astype(int))) or rows[:, 0].mean(),
        strata=strata,
        method="percentile",
        n_resamples=19,
    )
    assert len(sizes) == 20
    np.testing.assert_array_equal(sizes, np.tile(np.bincount(strata), (20, 1)))


def mean_error(x):
    """The jackknife of a mean is s / √n."""
    return x.std(ddof=1) / np.sqrt(len(x))


def test_studentized_equals_its_definition_in_plain_loops():
    data = skewed(29)
    rng_of_draws = np.random.default_rng(13)
    rng_of_draws.permutation(29)  # the jackknife's groups, which here are single observations, are drawn first
    pivots = []
    for drawn in rng_of_draws.integers(0, 29, size=(499, 29)):
        sample = data[drawn]
        pivots.append((sample.mean() - data.mean()) / mean_error(sample))
    low, high = np.quantile(pivots, [0.05, 0.95])
    ours = bootstrap_ci(data, np.mean, method="studentized", level=0.9, n_resamples=499, seed=13)
    expected = [data.mean() - high * mean_error(data), data.mean() - low * mean_error(data)]
    np.testing.assert_allclose([ours.low, ours.high], expected, rtol=1e-9)


def test_studentized_in_clusters_and_strata_equals_its_definition():
    strata = np.repeat([0, 1], [33, 45])
    clusters = np.arange(78) // 3
    data = skewed(78) + 0.5 * skewed(26, seed=4)[clusters] + strata
    sums = data.reshape(26, 3).sum(1)  # clusters of one size: the mean is that of 11 and 15 sums
    design = np.random.default_rng(6)
    for size in (11, 15):
        design.permutation(size)
    pivots, estimate = [], data.mean()

    def jackknife(first, second):
        variance = 0.0
        for part, other in ((first, second), (second, first)):
            left = np.array([(part.sum() - x + other.sum()) / 75 for x in part])
            variance += (len(part) - 1) * left.var()
        return np.sqrt(variance)

    draws = zip(design.integers(0, 11, size=(199, 11)), design.integers(0, 15, size=(199, 15)), strict=True)
    for first, second in draws:
        parts = sums[:11][first], sums[11:][second]
        pivots.append((np.concatenate(parts).sum() / 78 - estimate) / jackknife(*parts))
    low, high = np.quantile(pivots, [0.025, 0.975])
    scale = jackknife(sums[:11], sums[11:])
    ours = bootstrap_ci(data, np.mean, method="studentized", clusters=clusters, strata=strata, n_resamples=199, seed=6)
    np.testing.assert_allclose([ours.low, ours.high], [estimate - high * scale, estimate - low * scale], rtol=1e-9)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_clusters_equal_scipys_bootstrap_of_their_sums(method):
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 8, size=37)
    names = np.array([f"document {k:02}" for k in range(37)])
    values = rng.normal(size=sizes.sum()) + np.repeat(rng.normal(size=37), sizes)
    shuffled = rng.permutation(len(values))
    ours = bootstrap_ci(
        values[shuffled], np.mean, clusters=np.repeat(names, sizes)[shuffled], method=method, n_resamples=299, seed=2
    )
    theirs = stats.bootstrap(
        (np.add.reduceat(values, np.cumsum(sizes) - sizes), sizes),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        paired=True,
        method=method,
        n_resamples=299,
        rng=np.random.default_rng(2),
    )
    np.testing.assert_allclose([ours.low, ours.high], theirs.confidence_interval, rtol=1e-9)
    assert ours.method.endswith("299 resamples of 37 clusters")


def test_clusters_of_one_change_nothing():
    data = skewed(43)
    for method in ("bca", "studentized"):
        plain = bootstrap_ci(data, np.mean, method=method, n_resamples=199, seed=1)
        ours = bootstrap_ci(data, np.mean, method=method, n_resamples=199, seed=1, clusters=np.arange(43))
        assert (ours.low, ours.high) == pytest.approx((plain.low, plain.high), rel=1e-12)


def test_ignored_clusters_cover_too_seldom():
    rng = np.random.default_rng(21)
    drawn = [clustered(rng, 60)[0] for _ in range(80)]
    intervals = [bootstrap_ci(values, np.mean, n_resamples=99, seed=k) for k, values in enumerate(drawn)]
    assert np.mean([interval.low <= 0 <= interval.high for interval in intervals]) < 0.9


def test_the_defaults_are_those_of_before():
    # np.random.default_rng(0).exponential(size=n), n_resamples=199, seed=1, as of version 0.1 (commit 3daee09)
    small = bootstrap_ci(skewed(17), np.mean, n_resamples=199, seed=1)
    large = bootstrap_ci(skewed(1_511), np.median, n_resamples=199, seed=1)
    assert [small.low, small.high] == [0.773918145878139, 2.297181758991062]
    assert [large.low, large.high] == [0.6706150191468351, 0.7674481207972808]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "basic"}, r"method to be one of bca, percentile, studentized; got 'basic'"),
        ({"clusters": [1] * 17}, r"at least 2 clusters in each stratum, got 1 in one of 1"),
        ({"clusters": [1, None] + [2] * 15}, r"clusters without missing values, got 1 .*index 1"),
        ({"clusters": [1, 2, 3]}, r"clusters to hold one value an example, got 3 for 17 examples"),
        ({"strata": [0] * 16 + [1]}, r"at least 2 rows in each stratum, got 1 in one of 2; merge small strata"),
        (
            {"clusters": [0, 0, *range(1, 16)], "strata": [0, 1] + [0, 1] * 7 + [0]},
            r"each cluster to lie in one stratum, got the cluster of row [01] in two",
        ),
    ],
)
def test_refuses_designs(options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_ci(skewed(17), np.mean, n_resamples=19, **options)


@pytest.mark.parametrize(
    ("data", "statistic", "message"),
    [
        ([-1.0, 0.0, 1.0] * 8, np.median, r"changes when a part of the data is left out, got 0 .*method 'percentile'"),
        ([0.0, 1.0, -np.inf, 2.0], np.std, r"finite numbers, got nan on some sample: "),
        ([0.0, 1.0, 2.0], "mean", r"statistic to be a function, got 'mean'"),
        ([0.0, 1.0, 2.0], lambda x: None, r"what statistic gives without missing values"),
        ([0.0, 1.0, 2.0], lambda x: 1 + 2j, r"statistic to give numbers, got dtype complex128"),
        ([[0.0, 1.0], [2.0]], np.mean, r"data to be an array, or rows of one length"),
        ([0.0, None, 2.0], np.mean, r"data without missing values, got 1 .*index 1"),
    ],
)
def test_refuses_data_and_statistics(data, statistic, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_ci(data, statistic, n_resamples=99, seed=0)


def test_bca_holds_in_a_unit_whose_cube_overflows():
    small, large = (bootstrap_ci(unit * skewed(17), np.mean, n_resamples=199, seed=1) for unit in (1.0, 2.0**500))
    assert [large.low / 2.0**500, large.high / 2.0**500] == [small.low, small.high]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_resamples": 2.5}, r"n_resamples to be a whole number, got 2.5"),
        ({"seed": -1}, r"seed of at least 0, got -1"),
        ({"seed": "x"}, r"seed to be a whole number, got 'x'"),
        ({"level": 1 - 2**-53}, r"level at least 1e-12 away from 0 and 1"),
        ({"level": "0.95"}, r"level strictly between 0 and 1, got '0.95'"),
        ({"method": ["bca"]}, r"method to be one of"),
        ({"clusters": ["a", np.nan] + ["b"] * 15}, r"clusters without missing values, got 1 .*index 1"),
    ],
)
def test_refuses_options_of_other_types(options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_ci(skewed(17), np.mean, **({"n_resamples": 19} | options))


def test_studentized_says_when_resamples_have_no_spread():
    with pytest.raises(ValueError, match=r"standard error above 0 .*too few observations differ"):
        bootstrap_ci([0.0] * 12 + [1.0], np.mean, method="studentized", n_resamples=199, seed=0)


def test_the_first_missing_row_is_named():
    with pytest.raises(ValueError, match=r"got 2 of 6; drop or impute them first \(the first is in row 1\)"):
        bootstrap_ci([[1.0, 2.0], [3.0, np.nan], [np.nan, 1.0]], lambda rows: rows.mean())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1.0], r"at least 2 observations.*got shape \(1,\)"),
        (3.0, "a list or an array, got the single value 3.0"),
        ([1.0, np.nan, 2.0], r"without NaN, got 1 of 3; drop or impute"),
        ([2.0] * 13, r"observations that differ, got 13 equal ones; check the data"),
        (["a", "b"], r"expected numbers, got dtype <U1"),
    ],
)
def test_refuses_data(data, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_ci(data, np.mean)


@pytest.mark.parametrize(
    ("statistic", "message"),
    [
        (lambda x: x[:3], r"one number a sample, got shape \(1, 3\) for 1 samples"),
        (lambda x: np.nan, r"finite numbers, got nan on some sample: "),
        (lambda x: 7.0, r"varies between resamples, got 7 in all 19"),
    ],
)
def test_refuses_statistics(statistic, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_ci(skewed(17), statistic, n_resamples=19, seed=0)


def test_says_when_the_resamples_lie_on_one_side_of_the_estimate():
    with pytest.raises(ValueError, match=r"both sides of the estimate .*raise n_resamples"):
        bootstrap_ci(skewed(17), np.mean, n_resamples=2, seed=0)


@pytest.mark.parametrize("level", [0, 1, 95, -0.1, np.nan])
def test_refuses_levels(level):
    with pytest.raises(ValueError, match=r"level strictly between 0 and 1, got .*; write 0.95 for 95%"):
        bootstrap_ci(skewed(17), np.mean, level=level)


def test_refuses_no_resamples():
    with pytest.raises(ValueError, match="n_resamples of at least 1, got 0"):
        bootstrap_ci(skewed(17), np.mean, n_resamples=0)


@pytest.mark.parametrize("method", ["bca", "percentile", "studentized"])
@pytest.mark.parametrize("statistic", [np.min, np.max, np.ptp, lambda x: max(0.0, -np.mean(x))])
def test_extremes_and_statistics_at_a_bound_are_refused_with_the_remedy(method, statistic):
    data, n_resamples = skewed(37), 99 if method == "studentized" else 999
    if statistic is np.min or statistic is np.max or statistic is np.ptp:
        with pytest.raises(ValueError, match=r"other samples move to both sides.*take companion.stats.quantile_ci"):
            bootstrap_ci(data, statistic, n_resamples=n_resamples, method=method, seed=0)
        with pytest.raises(ValueError, match="no bootstrap interval is valid"):
            bootstrap_ci(data, statistic, n_resamples=99, method=method, seed=0, clusters=np.arange(37) % 11)
    else:
        centered = data - data.mean() + 1e-3  # the statistic is 0 here, and above in near half of the samples
        with pytest.raises(ValueError, match="none lies below"):
            bootstrap_ci(centered, statistic, n_resamples=n_resamples, method=method, seed=0)


def test_a_quantile_within_the_sample_is_no_extreme():
    data = np.round(skewed(101), 1)  # with ties, which resamples often equal
    found = bootstrap_ci(data, np.median, n_resamples=999, seed=0, method="percentile")
    assert found.low < found.estimate < found.high
