"""The bootstrap of the area by weighted ranks: against SciPy with scikit-learn, in clusters, on bad input."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from companion.stats import auc_bootstrap_ci, bootstrap_ci, metric_ci
from companion.stats.resampling import bootstrap


def scans(n_patients, seed=0, decimals=9):
    """Several scans of each patient, ill or not, whose scores share the patient's own level; the area is 0.8."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n_patients), rng.integers(1, 6, size=n_patients))
    ill = (rng.permutation(n_patients) < 0.4 * n_patients)[patient] ^ (rng.random(len(patient)) < 0.2)
    noise = rng.normal(size=n_patients)[patient] + rng.normal(size=len(patient))
    return ill.astype(int), np.round(2 * stats.norm.ppf(0.8) * ill + noise, decimals), patient


def test_equals_scipys_bca_of_scikit_learns_area():
    truth, score, _ = scans(23)  # no ties: there rounding decides in SciPy which resamples lie below the estimate
    ours = auc_bootstrap_ci(truth, score, n_resamples=299, seed=3)
    theirs = stats.bootstrap(
        (truth, score), roc_auc_score, paired=True, vectorized=False, n_resamples=299, rng=np.random.default_rng(3)
    )
    assert ours.estimate == pytest.approx(roc_auc_score(truth, score), rel=1e-12)
    np.testing.assert_allclose([ours.low, ours.high], theirs.confidence_interval, rtol=1e-9)


@pytest.mark.parametrize("decimals", [0, 9])
def test_clusters_equal_a_bootstrap_of_their_rows(decimals):
    truth, score, patient = scans(31, decimals=decimals)
    ours = auc_bootstrap_ci(truth, score, clusters=patient, n_resamples=99, seed=4)
    rows = np.stack([truth, score], axis=1)
    of_rows = bootstrap_ci(
        rows, lambda rows: roc_auc_score(rows[:, 0], rows[:, 1]), clusters=patient, n_resamples=99, seed=4
    )
    assert (ours.low, ours.high) == pytest.approx((of_rows.low, of_rows.high), rel=1e-9)
    assert ours.method == of_rows.method == "BCa bootstrap, 99 resamples of 31 clusters"


def test_independent_examples_give_delongs_interval():
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 2, size=1_511)
    score = truth + rng.normal(size=1_511)
    ours, delong = auc_bootstrap_ci(truth, score, n_resamples=999, seed=0), metric_ci(truth, score, metric="auc")
    np.testing.assert_allclose([ours.low, ours.high], [delong.low, delong.high], atol=0.1 * (delong.high - delong.low))


def test_the_block_size_changes_nothing(monkeypatch):
    truth, score, patient = scans(31)
    whole = auc_bootstrap_ci(truth, score, clusters=patient, n_resamples=101, seed=5)
    monkeypatch.setattr(bootstrap, "BLOCK", 7 * 4 * len(truth))
    assert auc_bootstrap_ci(truth, score, clusters=patient, n_resamples=101, seed=5) == whole


def test_ignored_clusters_cover_too_seldom():
    found = [metric_ci(*scans(60, seed=k)[:2], metric="auc") for k in range(300)]
    assert np.mean([each.low <= 0.8 <= each.high for each in found]) < 0.92


@pytest.mark.parametrize(
    ("arguments", "clusters", "message"),
    [
        (([0, 1, 1], [0.1, 0.2, 0.3]), None, r"both classes in every resample"),
        (([0, 1, 2], [0.1, 0.2, 0.3]), None, r"only 0 and 1 for metric 'auc'"),
        (([1, 1], [0.1, 0.2]), None, r"at least two classes"),
        (([0, 1], [0.1, np.nan]), None, r"y_pred without missing values"),
        (([0, 1], [0.1, 0.2]), ["a", "a"], r"at least 2 clusters, got 1"),
        (([0, 1], [0.1, 0.2]), ["a"], r"one value an example, got 1 for 2"),
        ((np.arange(40) % 2, np.arange(40) % 2), None, r"varies between resamples, got 1 in all 99"),
        ((np.arange(40) % 2, np.zeros(40)), None, r"varies between resamples, got 0.5 in all 99"),
    ],
)
def test_refuses(arguments, clusters, message):
    with pytest.raises(ValueError, match=message):
        auc_bootstrap_ci(*arguments, clusters=clusters, n_resamples=99, seed=0)
