"""Drift: against SciPy and definitions, shifts that are found, memory, bad input."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist, pdist

from companion.stats.monitoring.drift import ks_drift, mmd_drift, population_stability_index
from companion.stats.resampling import bootstrap


def test_ks_is_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=97), rng.normal(0.3, 1, size=61)
    result, theirs = ks_drift(a, b), stats.ks_2samp(a, b)
    assert (result.statistic, result.p_value) == (theirs.statistic, theirs.pvalue)
    assert (result.n_reference, result.n_current) == (97, 61)


def test_ks_of_large_samples_is_asymptotic_and_quick():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=20_011), rng.normal(size=10_007)
    assert ks_drift(a, b).p_value == stats.ks_2samp(a, b, method="asymp").pvalue


def test_the_index_is_its_formula():
    # shares 0.5, 0.3, 0.2 against 0.4, 0.3, 0.3 of 1,000 each; half an example added
    a, b = np.repeat(["x", "y", "z"], [500, 300, 200]), np.repeat(["x", "y", "z"], [400, 300, 300])
    p, q = (np.array([500, 300, 200]) + 0.5) / 1001.5, (np.array([400, 300, 300]) + 0.5) / 1001.5
    result = population_stability_index(a, b, seed=0)
    assert result.statistic == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert result.p_value == 1e-4


def test_the_p_value_of_the_index_is_close_to_the_chi_squared_one():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=1_009), rng.normal(0.07, 1, size=2_003)
    result = population_stability_index(a, b, seed=0)
    expected = stats.chi2.sf(result.statistic / (1 / 1_009 + 1 / 2_003), 9)
    assert result.p_value == pytest.approx(expected, abs=0.02)


def test_bins_do_not_depend_on_units_and_sides():
    rng = np.random.default_rng(3)
    a, b = rng.exponential(size=211), rng.exponential(size=307)
    result = population_stability_index(a, b, seed=0)
    assert population_stability_index(np.log(a), np.log(b), seed=0) == result
    assert population_stability_index(b, a, seed=0).statistic == pytest.approx(result.statistic)
    whole = population_stability_index(rng.integers(0, 3, 101), rng.integers(0, 3, 101), seed=0)
    assert "(3 bins," in whole.test


def test_no_threshold_suits_all_sizes():
    rng = np.random.default_rng(4)
    small = [population_stability_index(*rng.normal(size=(2, 100)), n_resamples=1).statistic for _ in range(200)]
    assert np.mean(small) == pytest.approx(9 * 2 / 100, rel=0.1)
    assert np.mean(np.array(small) > 0.1) > 0.7
    shifted = population_stability_index(rng.normal(size=10_007), rng.normal(0.2, 1, size=10_007), n_resamples=999)
    assert shifted.statistic < 0.1
    assert shifted.p_value == 0.001


def by_definition(x, y, sigma):
    def kernel(a, b):
        return np.exp(-cdist(a, b, "sqeuclidean") / (2 * sigma**2))

    n, m = len(x), len(y)
    inside, outside = (kernel(z, z).sum() - len(z) for z in (x, y))
    return inside / (n * (n - 1)) + outside / (m * (m - 1)) - 2 * kernel(x, y).mean()


def test_the_discrepancy_and_its_p_value_are_their_definitions():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(37, 3)), rng.normal(0.3, 1, size=(23, 3))
    pooled = np.vstack([x, y])
    sigma = np.median(pdist(pooled))
    result = mmd_drift(x, y, n_resamples=499, seed=0)
    assert result.statistic == pytest.approx(by_definition(x, y, sigma))
    permuted = np.array([by_definition(*np.split(rng.permutation(pooled), [37]), sigma) for _ in range(499)])
    assert result.p_value == pytest.approx((1 + np.sum(permuted >= result.statistic)) / 500, abs=0.05)


def test_blocks_bound_memory_and_change_nothing(monkeypatch):
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(61, 3)), rng.normal(size=(43, 3))
    whole = mmd_drift(x, y, n_resamples=97, seed=1)
    monkeypatch.setattr(bootstrap, "BLOCK", 104 * 7)
    in_blocks = mmd_drift(x, y, n_resamples=97, seed=1)
    assert in_blocks.statistic == pytest.approx(whole.statistic, abs=1e-12)
    assert in_blocks.p_value == pytest.approx(whole.p_value, abs=0.02)


def test_the_discrepancy_does_not_depend_on_scale_place_or_rotation():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(61, 3)), rng.normal(size=(43, 3))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    expected = mmd_drift(x, y, seed=2)
    for moved in ((1e9 * x, 1e9 * y), (x + 1e3, y + 1e3), (x @ rotation, y @ rotation)):
        assert mmd_drift(*moved, seed=2).statistic == pytest.approx(expected.statistic, abs=1e-9)
    assert mmd_drift(x[:, 0], y[:, 0], seed=3) == mmd_drift(x[:, :1], y[:, :1], seed=3)


TESTS = {
    "ks": lambda a, b, seed: ks_drift(a, b),
    "psi": lambda a, b, seed: population_stability_index(a, b, n_resamples=199, seed=seed),
    "mmd": lambda a, b, seed: mmd_drift(a, b, n_resamples=199, seed=seed),
}


@pytest.mark.parametrize("name", TESTS)
def test_a_shift_is_found(name):
    rng = np.random.default_rng(9)
    pairs = [(rng.standard_t(3, size=211), 1 + rng.standard_t(3, size=197)) for _ in range(30)]
    assert np.mean([TESTS[name](a, b, k).p_value <= 0.05 for k, (a, b) in enumerate(pairs)]) > 0.95


def test_mmd_sees_a_dependence_that_no_single_feature_shows():
    rng = np.random.default_rng(11)
    x, z = rng.normal(size=(2, 301, 2))
    y = np.column_stack([z[:, 0], 0.9 * z[:, 0] + np.sqrt(1 - 0.81) * z[:, 1]])
    assert min(ks_drift(x[:, k], y[:, k]).p_value for k in range(2)) > 0.05
    assert mmd_drift(x, y, seed=0).p_value == 0.001


def test_drift_prints_one_sentence():
    text = str(ks_drift(np.arange(10), np.arange(100, 117)))
    assert text == ("The Kolmogorov-Smirnov distance of 17 current against 10 reference examples is 1; p < 0.0001.")


@pytest.mark.parametrize("n", [5, 7, 60, 135])
def test_the_least_distance_of_samples_of_one_size_has_a_p_of_1(n):
    assert 0.9999 < ks_drift(np.arange(n), np.arange(n) + 0.5).p_value <= 1


BAD = [
    (ks_drift, ([1.0, np.nan, 2.0], [1.0, 2.0]), {}, r"reference without missing values, got 1 .*index 1"),
    (ks_drift, ([1.0, 2.0], [1.0]), {}, r"current to hold at least 2 values, got 1"),
    (ks_drift, (["a", "b"], [1.0, 2.0]), {}, r"reference to be numbers"),
    (population_stability_index, ([1.0, 2.0], ["a", "b"]), {}, r"of one kind, got dtypes float64 and <U1"),
    (population_stability_index, ([1.0, 1.0], [1.0]), {}, r"values that differ, got equal ones throughout"),
    (population_stability_index, ([1.0, 1.0], []), {}, r"current to hold at least one example"),
    (population_stability_index, (["a", None], ["b", "a"]), {}, r"reference without missing values, got 1 .*index 1"),
    (population_stability_index, ([1.0, 2.0], [1.0, np.inf]), {}, r"current to be finite, got inf at index 1"),
    (mmd_drift, ([1e-140, 2e-140, 3e-140], [2.5e-140, 1e30]), {}, r"within 1e\+60 median distances.*at index 4"),
    (population_stability_index, ([1.0, 2.0], [1.0, 3.0]), {"bins": 2.5}, r"bins to be a whole number, got 2.5"),
    (population_stability_index, ([1.0, 2.0], [1.0, 3.0]), {"bins": 1}, r"bins of at least 2, got 1"),
    (population_stability_index, ([1.0, 2.0], [1.0, 3.0]), {"n_resamples": 0}, r"n_resamples of at least 1"),
    (mmd_drift, (np.ones((5, 3)), np.ones((5, 2))), {}, r"as many features in both, got 3 in reference and 2 in"),
    (mmd_drift, (np.ones((5, 3)), np.ones((5, 3))), {}, r"most of which differ, got a median distance of 0"),
    (mmd_drift, (np.ones((1, 3)), np.ones((5, 3))), {}, r"reference to hold at least 2 examples .*shape \(1, 3\)"),
    (mmd_drift, ([[1.0, 2.0], [1.0]], np.ones((5, 3))), {}, r"rows of one length"),
    (mmd_drift, ([[1.0, 2.0], [1.0, np.nan]], np.ones((5, 2))), {}, r"NaN or infinity in 1 .*index 1"),
]


@pytest.mark.parametrize(("function", "columns", "options", "message"), BAD)
def test_refuses(function, columns, options, message):
    with pytest.raises(ValueError, match=message):
        function(*columns, **options)
