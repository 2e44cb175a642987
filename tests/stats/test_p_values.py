"""A p-value is the level at which its interval just touches 0: both come from one standard error."""

import numpy as np
import pytest

from companion.stats import compare_paired, cuped

RNG = np.random.default_rng(0)
TRUTH = np.arange(240) % 2
GROUPS = np.repeat(np.arange(40), 6)
SCORES = TRUTH + RNG.normal(size=240)
WORSE = SCORES + RNG.normal(size=240)


def nearer_bound(interval):
    return interval.low if interval.estimate > 0 else interval.high


def test_areas_in_clusters():
    found = compare_paired(TRUTH, SCORES, WORSE, metric="auc", clusters=GROUPS)
    assert 1e-4 < found.p_value < 0.5
    touching = compare_paired(TRUTH, SCORES, WORSE, metric="auc", clusters=GROUPS, level=1 - found.p_value)
    assert nearer_bound(touching.difference) == pytest.approx(0, abs=1e-9)


def test_areas():
    found = compare_paired(TRUTH, SCORES, WORSE, metric="auc")
    touching = compare_paired(TRUTH, SCORES, WORSE, metric="auc", level=1 - found.p_value)
    assert nearer_bound(touching.difference) == pytest.approx(0, abs=1e-9)


def test_adjusted_experiments_and_their_effect():
    before, treated = RNG.normal(size=240), TRUTH == 1
    outcome = before + 0.2 * treated + RNG.normal(size=240)
    found = cuped(outcome, before, treated)
    touching = cuped(outcome, before, treated, level=1 - found.p_value)
    assert nearer_bound(touching.difference) == pytest.approx(0, abs=1e-9)
    pooled = np.sqrt(sum(np.sum((outcome[arm] - outcome[arm].mean()) ** 2) for arm in (treated, ~treated)) / 238)
    assert found.effect == pytest.approx(found.difference.estimate / pooled)
