"""Permutation tests: against SciPy's, all subsets listed, the law of drawn subsets, bad input."""

import math
import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from companion.stats import compare_paired, permutation_test, proportion_difference_ci
from companion.stats.compare import subsets
from companion.stats.compare.subsets import (
    all_subsets,
    all_subsets_of_size,
    random_subsets,
    random_subsets_of_size,
    random_sums,
    subset_sums,
)
from companion.stats.resampling import bootstrap


def samples(n_a=7, n_b=5, *, seed=0, shift=0.9):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n_a) + shift, rng.normal(size=n_b)


def absolute(x, y, axis):
    return np.abs(x.mean(axis) - y.mean(axis))


def scipys(a, b, statistic, kind, **options):
    return stats.permutation_test(
        (a, b), statistic, permutation_type=kind, vectorized=True, alternative="greater", **options
    ).pvalue


@pytest.mark.parametrize("n", [2, 5, 13])
def test_all_pairs_equal_scipys(n):
    a, b = samples(n, n, seed=n)
    ours = permutation_test(a, b, paired=True)
    assert ours.p_value == pytest.approx(scipys(a, b, absolute, "samples", n_resamples=10_000))
    assert f"all {2**n:,}" in ours.test


@pytest.mark.parametrize(("n_a", "n_b"), [(2, 3), (7, 5), (3, 11)])
def test_all_splits_equal_scipys(n_a, n_b):
    a, b = samples(n_a, n_b, seed=n_a)
    ours = permutation_test(a, b, paired=False)
    assert ours.p_value == pytest.approx(scipys(a, b, absolute, "independent", n_resamples=10_000))


@pytest.mark.parametrize(("paired", "kind", "n_b"), [(True, "samples", 101), (False, "independent", 67)])
def test_drawn_permutations_come_close_to_scipys(paired, kind, n_b):
    a, b = samples(101, n_b, shift=0.2)
    ours = permutation_test(a, b, paired=paired, seed=0).p_value
    theirs = scipys(a, b, absolute, kind, n_resamples=9_999, rng=np.random.default_rng(1))
    assert ours == pytest.approx(theirs, abs=0.02)


def test_a_ratio_of_means_equals_scipys():
    rng = np.random.default_rng(2)
    a, b = (rng.uniform(1, 3, size=(6, 2)) for _ in range(2))

    def ratio(x, y, axis):  # scipy moves the axis of observations to the end
        means = [np.take(sample, k, axis=0).mean(-1) for sample in (x, y) for k in (0, 1)]
        return np.abs(means[0] / means[1] - means[2] / means[3])

    swaps = np.array(list(np.ndindex(*[2] * 6)))[:, :, None]
    x, y = np.where(swaps, b, a), np.where(swaps, a, b)
    values = ratio(np.moveaxis(x, 2, 0), np.moveaxis(y, 2, 0), -1)
    expected = np.mean(values >= values[0] - 1e-12)
    ours = permutation_test(a, b, paired=True, statistic=lambda means: means[..., 0] / means[..., 1])
    assert ours.p_value == pytest.approx(expected)
    assert ours.difference.estimate == pytest.approx(np.divide(*a.mean(0)) - np.divide(*b.mean(0)))


def test_interval_and_effect_of_means_are_students_welchs_and_cohens():
    a, b = samples(23, 23)
    student = stats.ttest_rel(a, b).confidence_interval(0.9)
    ours = permutation_test(a, b, paired=True, level=0.9)
    np.testing.assert_allclose([ours.difference.low, ours.difference.high], student)
    assert ours.effect == pytest.approx((a - b).mean() / (a - b).std(ddof=1))
    a, b = samples(23, 11)
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    ours = permutation_test(a, b, paired=False)
    np.testing.assert_allclose([ours.difference.low, ours.difference.high], welch)
    pooled = np.sqrt((22 * a.var(ddof=1) + 10 * b.var(ddof=1)) / 32)
    assert ours.effect == pytest.approx((a.mean() - b.mean()) / pooled)


def test_swapping_the_samples_mirrors_the_comparison():
    a, b = samples(9, 5)
    forth, back = permutation_test(a, b, paired=False), permutation_test(b, a, paired=False)
    assert forth.p_value == back.p_value
    assert [forth.difference.low, forth.effect] == pytest.approx([-back.difference.high, -back.effect])


@pytest.mark.parametrize("n", [5, 8, 11])
def test_listed_subsets_are_all_there_are(n):
    values = 3.0 ** np.arange(n)[:, None]  # each subset has a sum of its own
    every = [sum(subset) for size in range(n + 1) for subset in combinations(values[:, 0], size)]
    np.testing.assert_array_equal(np.sort(subset_sums(all_subsets(n), values)[:, 0]), np.sort(every))
    of_three = [sum(subset) for subset in combinations(values[:, 0], 3)]
    np.testing.assert_array_equal(np.sort(subset_sums(all_subsets_of_size(n, 3), values)[:, 0]), np.sort(of_three))


def assert_equally_likely(sums, n_possible):
    _, counts = np.unique(sums, return_counts=True)
    assert len(counts) == n_possible
    assert stats.chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize(("n", "size", "share"), [(7, 3, 3 / 7), (11, 2, 0.5), (6, 5, 0.1), (9, 1, 1 / 9), (8, 4, 1)])
def test_drawn_subsets_of_a_size_are_equally_likely(n, size, share):
    values = 2.0 ** np.arange(n)[:, None]
    codes = random_subsets_of_size(n, np.full(20_000, size), share, np.random.default_rng(3))
    assert_equally_likely(subset_sums(codes, values), math.comb(n, size))


@pytest.mark.parametrize("segment", [1, 4, 8])  # 3 is left over
@pytest.mark.parametrize("size", [2, 7, None])
def test_subsets_drawn_in_segments_and_blocks_are_equally_likely(monkeypatch, segment, size):
    monkeypatch.setattr(subsets, "SEGMENT", segment)
    monkeypatch.setattr(bootstrap, "BLOCK", 2**16)
    sums = list(random_sums(2.0 ** np.arange(11)[:, None], 40_000, np.random.default_rng(7), size=size))
    assert len(sums) > 2
    assert_equally_likely(np.concatenate(sums), 2**11 if size is None else math.comb(11, size))


@pytest.mark.parametrize("size", [10_007, 70_001, None])
def test_sums_over_drawn_subsets_of_many_have_their_moments(size):
    n, n_subsets = 100_003, 503
    values = np.random.default_rng(8).exponential(size=(n, 2))
    (sums,) = random_sums(values, n_subsets, np.random.default_rng(9), size=size)
    share = 0.5 if size is None else size / n
    # of a sum of coins; of a sample without replacement
    squares = (values**2).sum(0) if size is None else n * values.var(0, ddof=1)
    deviations = (sums - share * values.sum(0)) / np.sqrt(share * (1 - share) * squares)
    np.testing.assert_allclose(deviations.mean(0), 0, atol=4 / np.sqrt(n_subsets))
    np.testing.assert_allclose(deviations.std(0), 1, atol=4 / np.sqrt(2 * n_subsets))


def test_drawn_subsets_of_large_and_lopsided_samples_have_their_size():
    rng = np.random.default_rng(4)
    for n, size in [(10_007, 5_003), (10_007, 3), (1_009, 1_008), (4_001, 1_231)]:
        sizes = size - np.arange(3)
        codes = random_subsets_of_size(n, sizes, size / n, rng)
        np.testing.assert_array_equal(np.unpackbits(codes, axis=0, count=n).sum(0), sizes)
        np.testing.assert_array_equal(np.bitwise_count(codes).sum(0), sizes)  # no spare bit
    assert np.unpackbits(random_subsets(4_001, 101, rng), axis=0, count=4_001).mean() == pytest.approx(0.5, abs=0.003)


def test_what_resampling_holds_is_bounded():
    held = []
    for n in (101, 10_007, 200_003):
        values = np.random.default_rng(0).normal(size=(n, 1))
        tracemalloc.start()
        next(random_sums(values, 10**6, np.random.default_rng(1), size=n // 3))
        held.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(held) <= 8 * bootstrap.BLOCK


BAD = [
    (([1.0, np.nan], [1.0, 2.0]), {}, r"a to be finite numbers.*first at index 1"),
    (([1.0], [2.0]), {}, r"a to hold at least 2"),
    (([1.0, 2.0, 3.0], [1.0, 2.0]), {}, r"a has 3, b has 2"),
    (([1.0, 2.0], [0.0, 1.0]), {}, r"the differences a - b to hold values that differ"),
    (([[1.0, 2], [2, 3]], [[1.0, 2], [2, 4]]), {}, r"statistic for rows of 2 columns, got None"),
    (([[1.0, 2], [2, 3]], [1.0, 2.0]), {}, r"equally many columns, got 2 in a and 1 in b"),
    (([1.0, 2.0], [1.0, 3.0]), {"statistic": lambda means: means}, r"statistic to turn means"),
    (([1.0, 2.0], [-1.0, -3.0]), {"statistic": lambda means: np.log(means[..., 0])}, r"statistic to give finite"),
    (([1.0, 2.0], [1.0, 3.0]), {"level": 95}, r"level strictly between"),
    (([1.0, 2.0], [1.0, 3.0]), {"n_resamples": 0}, r"n_resamples of at least 1"),
    (([1.0, 2.0], [1.0, 3.0]), {"statistic": 3}, r"statistic to be a function, got 3"),
    (([1.0, 2.0], [1.0, 3.0]), {"statistic": lambda means: "text"}, r"statistic to give numbers"),
    ((np.ones((2, 2, 2)), [1.0, 3.0]), {}, r"a as numbers \[n\] or rows"),
]


@pytest.mark.parametrize(("columns", "options", "message"), BAD)
def test_refuses(columns, options, message):
    with pytest.raises(ValueError, match=message):
        permutation_test(*columns, paired=True, **options)


def test_right_or_wrong_answers_stay_in_range():
    a, b = [1, 1, 1, 0, 1, 1], [0, 0, 1, 0, 0, 0]
    paired = permutation_test(a, b, paired=True).difference
    same = compare_paired([1] * 6, a, b).difference
    assert (paired.estimate, paired.low, paired.high) == (same.estimate, same.low, same.high)
    independent = permutation_test(a, b, paired=False).difference
    assert independent == proportion_difference_ci(5, 6, 1, 6)


@pytest.mark.parametrize("paired", [True, False])
def test_known_bounds_cut_the_interval(paired):
    a, b = [1.0, 0.9, 1.0, 0.2], [0.0, 0.1, 0.0, 0.1]
    free = permutation_test(a, b, paired=paired).difference
    cut = permutation_test(a, b, paired=paired, bounds=(0, 1)).difference
    assert free.high > 1 == cut.high
    assert (cut.estimate, cut.low) == (free.estimate, free.low)
    with pytest.raises(ValueError, match="a within bounds"):
        permutation_test(a, b, paired=paired, bounds=(0, 0.5))
    with pytest.raises(ValueError, match="bounds of plain means only"):
        permutation_test(a, b, paired=paired, bounds=(0, 1), statistic=lambda means: means[..., 0])
