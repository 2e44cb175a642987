"""Scores of a corpus: against plain loops, in bounded memory, on bad input."""

import tracemalloc

import numpy as np
import pytest

from companion.stats import corpus_ci
from companion.stats.estimates import corpus


def ratio(sums):
    return sums[..., 0] / sums[..., 1]


def documents(n, seed=0, sigma=0.5):
    """Errors and words; the rate is 0.2 on average."""
    rng = np.random.default_rng(seed)
    words = np.ceil(rng.lognormal(3, sigma, size=n))
    return np.stack([0.2 * words * np.exp(rng.normal(size=n) / 3 - 1 / 18), words], axis=1)


def linearized(rows):
    """The ratio of sums and its error, as in textbooks of survey sampling (Cochran 1977, section 6.4)."""
    errors, words = rows.T
    value = errors.sum() / words.sum()
    return value, np.sqrt(len(rows) / (len(rows) - 1) * np.sum((errors - value * words) ** 2)) / words.sum()


def test_a_ratio_equals_its_definition_in_plain_loops():
    rows, rng = documents(41), np.random.default_rng(7)
    value, error = linearized(rows)
    pivots = []
    for drawn in rng.integers(0, 41, size=(299, 41)):
        resampled, spread = linearized(rows[drawn])
        pivots.append((resampled - value) / spread)
    low, high = np.quantile(pivots, [0.05, 0.95])
    ours = corpus_ci(rows, ratio, level=0.9, n_resamples=299, seed=7)
    np.testing.assert_allclose([ours.estimate, ours.low, ours.high], [value, value - high * error, value - low * error])


def test_clusters_are_summed_first():
    rows, clusters = documents(77), np.array([f"author {k % 19}" for k in range(77)])
    summed = np.array([rows[clusters == name].sum(0) for name in np.unique(clusters)])
    ours, plain = (corpus_ci(*arguments, n_resamples=99, seed=1, **options) for arguments, options in
                   [((rows, ratio), {"clusters": clusters}), ((summed, ratio), {})])  # fmt: skip
    assert (ours.low, ours.high) == pytest.approx((plain.low, plain.high), rel=1e-9)
    assert ours.method.endswith("99 resamples of 19 clusters")


def test_groups_of_many_documents_have_the_same_interval():
    rows = documents(50_021)
    value, error = linearized(rows)
    ours = corpus_ci(rows, ratio, n_resamples=999, seed=3)
    assert ours.estimate == pytest.approx(value, rel=1e-12)
    # within the noise of 5,000 groups and 999 resamples
    np.testing.assert_allclose([ours.low, ours.high], value + 1.96 * error * np.array([-1, 1]), atol=0.3 * error)


def test_memory_does_not_grow_with_the_corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "MAX_GROUPS", 101)
    monkeypatch.setattr(corpus, "BLOCK", 2**14)
    np.save(tmp_path / "rows.npy", np.tile(documents(1_000), (300, 1)))
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")  # 5 MB
    tracemalloc.start()
    corpus_ci(rows, ratio, n_resamples=99, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < rows.nbytes / 4


@pytest.mark.parametrize(
    ("rows", "combine", "message"),
    [
        ([1.0, 2.0], ratio, r"a row of numbers a document, .*got shape \(2,\) of float64; for a mean of x"),
        ([[1.0, 2.0]], ratio, r"at least 2 documents or clusters, got 1"),
        ([[1.0, 2.0], [np.nan, 1.0]], ratio, r"finite statistics, got NaN or infinity in row 1"),
        ([[1e300, 1.0], [2.0, 1.0]], ratio, r"column 0 of statistics in a unit"),
        ([[1.0, 1.0], [2.0, 1.0]], None, r"combine to be a function, got None"),
        ([["a"], ["b"]], ratio, r"a row of numbers a document"),
        ([[1.0, 0.0], [2.0, 0.0]], ratio, r"finite scores, got NaN or infinity .*a denominator or a logarithm is 0"),
        (documents(7), lambda s: s, r"into scores \(1,\), got shape \(1, 2\); write s\[\.\.\., 0\]"),
        ([[1.0, 2.0]] * 5, ratio, r"varies between resamples, got 0.5 in all 99"),
    ],
)
def test_refuses(rows, combine, message):
    with pytest.raises(ValueError, match=message):
        corpus_ci(rows, combine, n_resamples=99, seed=0)


def test_a_document_drawn_again_and_again_has_no_spread_whatever_rounding_leaves():
    rows = [[140.2, 70], [138.1, 69], [142.3, 71]]  # 1 in 9 resamples of 3 documents holds one of them only
    with pytest.raises(ValueError, match=r"got 0 on 1[01]\.\d% of them; too few observations differ"):
        corpus_ci(rows, ratio, n_resamples=9_999, seed=0)


def test_long_doubles_are_summed_by_cluster():
    rows, clusters = np.random.default_rng(0).gamma(3.0, size=(40, 2)), np.arange(40) // 2
    expected = corpus_ci(rows, lambda s: s[..., 0] / s[..., 1], clusters=clusters, n_resamples=99, seed=0)
    assert expected == corpus_ci(
        rows.astype(np.longdouble), lambda s: s[..., 0] / s[..., 1], clusters=clusters, n_resamples=99, seed=0
    )
