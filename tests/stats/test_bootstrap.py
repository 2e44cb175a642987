"""The bootstrap against SciPy's, by simulation, and on bad input."""

import numpy as np
import pytest
from scipy import stats

from companion.stats import bootstrap, bootstrap_ci


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


def test_above_a_thousand_observations_the_grouped_jackknife_agrees_with_scipys():
    data = skewed(2_003)
    ours = bootstrap_ci(data, np.var, n_resamples=1_999, seed=5)
    theirs = stats.bootstrap((data,), np.var, n_resamples=1_999, method="BCa", rng=np.random.default_rng(5), batch=100)
    width = ours.high - ours.low
    np.testing.assert_allclose([ours.low, ours.high], theirs.confidence_interval, atol=0.02 * width)


def test_a_statistic_without_axis_gives_what_its_vectorised_twin_gives():
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


def test_coverage_at_95_percent():
    rng = np.random.default_rng(20)
    intervals = [bootstrap_ci(rng.exponential(size=100), np.mean, n_resamples=399, seed=k) for k in range(500)]
    covered = np.mean([interval.low <= 1 <= interval.high for interval in intervals])
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1.0], r"at least 2 observations.*got shape \(1,\)"),
        (3.0, r"at least 2 observations.*got shape \(\)"),
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
        (lambda x: x[:3], r"one number a sample, got shape \(3,\)"),
        (lambda x: np.nan, r"finite numbers, got NaN or infinity"),
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
