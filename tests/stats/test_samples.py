"""Copies among generated samples, and modes reached, against counts by hand, planted copies and simulation."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from companion.stats import copying_ci, mode_counts, proportion_ci


def test_it_is_welchs_interval_of_counts():
    rng = np.random.default_rng(3)
    train, held_out, samples = rng.normal(size=(11, 3)), rng.normal(size=(13, 3)), rng.normal(size=(47, 3))
    examples = np.concatenate([train, held_out])
    nearest = [min(range(24), key=lambda i: np.square(examples[i] - sample).sum()) for sample in samples]
    counts = np.bincount(nearest, minlength=24)
    expected = ttest_ind(counts[:11], counts[11:], equal_var=False)
    limits = expected.confidence_interval(0.9)
    found = copying_ci(samples, train, held_out, level=0.9)
    assert found.estimate == pytest.approx(11 / 47 * (counts[:11].mean() - counts[11:].mean()))
    assert (found.low, found.high) == pytest.approx((11 / 47 * limits.low, 11 / 47 * limits.high))


def test_a_copier_is_caught_and_what_it_copies_may_be_blurred():
    rng = np.random.default_rng(0)
    train, held_out = rng.normal(size=(2, 200, 7))
    for blur in (0.0, 0.1, 0.3):
        copies = train[rng.integers(200, size=300)] + blur * rng.normal(size=(300, 7))
        assert copying_ci(copies, train, held_out).low > 0.7
    assert copying_ci(copies, held_out, train).high < -0.7


def test_an_innocent_generator_is_not_accused_however_many_samples_it_makes():
    """At 95% of 200 splits, where the binomial interval accuses it in half of them."""
    rng, covered, binomial = np.random.default_rng(1), 0, 0
    for _ in range(200):
        train, held_out = rng.normal(size=(2, 100, 2))
        samples = rng.normal(size=(3_000, 2))
        found = copying_ci(samples, train, held_out)
        covered += found.low <= 0 <= found.high
        nearer = proportion_ci(round(3_000 * (1 + found.estimate) / 2), 3_000)
        binomial += nearer.low <= 0.5 <= nearer.high
    assert covered >= 178  # 95% of 200, less three standard errors
    assert binomial < 120


def test_each_example_copied_once_is_a_copier_with_an_interval():
    """Counts of 1 and 0 alone, whose variances are 0."""
    train, held_out = np.random.default_rng(0).normal(size=(2, 100, 3))
    found = copying_ci(train, train, held_out)
    assert found.estimate == pytest.approx(1)
    assert 0.7 < found.low < 0.9
    assert copying_ci(held_out, train, held_out).estimate == pytest.approx(-1)


def test_rare_copies_are_found_among_the_closest():
    rng = np.random.default_rng(2)
    train, held_out = rng.normal(size=(2, 300, 5))
    samples = np.concatenate([train[:30] + 0.01, rng.normal(size=(970, 5))])
    assert copying_ci(samples, train, held_out).low < 0
    assert copying_ci(samples, train, held_out, closest=0.03).low > 0.5


def test_a_tie_is_shared():
    """Every sample is as near to a training example as to a held-out one; without sharing the first would win."""
    points = np.arange(10.0)[:, None]
    samples = np.repeat(points[:5], 3, axis=0)
    assert copying_ci(samples, points, points).estimate == pytest.approx(0, abs=1e-12)


def test_pictures_count_as_rows():
    rng = np.random.default_rng(0)
    train, held_out, samples = rng.random((3, 20, 4, 5))
    flat = (x.reshape(20, 20) for x in (samples, train, held_out))
    assert copying_ci(samples, train, held_out) == copying_ci(*flat)


def test_modes_are_counted():
    centers = [[0, 0], [4, 0], [0, 4]]
    samples = [[0.5, 0], [0, 0.9], [4, 0.5], [2, 2], [1.5, 0]]
    assert mode_counts(samples, centers, radius=1).tolist() == [2, 1, 0]
    assert mode_counts(samples, centers, radius=3).tolist() == [4, 1, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: copying_ci(x, x, x[:, :1]), "as many features in each, got other numbers: .* held_out has 1"),
        (lambda x: copying_ci(x, x, x, closest=0.0), "closest strictly between 0 and 1, got 0"),
        (lambda x: copying_ci(x, x[:1], x), "train to hold at least 2 examples"),
        (lambda x: mode_counts(x, x, radius=0), "radius strictly between 0 and inf, got 0"),
        (lambda x: mode_counts(x, x[:, :1], radius=1), "as many features in each"),
    ],
)
def test_what_cannot_be_judged_is_refused(call, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        call(np.random.default_rng(0).normal(size=(9, 2)))
