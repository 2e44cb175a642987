"""P-values from drawn permutations count the one seen: never 0, and 1 over one more where nothing drawn is as large."""

import numpy as np
import pytest

from companion import stats

RNG = np.random.default_rng(0)
LOW, HIGH = RNG.normal(size=40), RNG.normal(100, size=40)
TRUTH = np.arange(100) % 2

#: Samples so far apart that one permutation in 2**40, or 10**22, is as far: none of 99.
FAR_APART = {
    "paired": lambda: stats.permutation_test(HIGH, LOW, paired=True, n_resamples=99, seed=0),
    "independent": lambda: stats.permutation_test(HIGH, LOW, paired=False, n_resamples=99, seed=0),
    "counts": lambda: stats.compare_paired(TRUTH, TRUTH, 1 - TRUTH, metric="f1", n_resamples=99, seed=0),
    "losses": lambda: stats.compare_paired(LOW, LOW, HIGH + LOW, metric="rmse", n_resamples=99, seed=0),
    "stability": lambda: stats.population_stability_index(LOW, HIGH, n_resamples=99, seed=0),
    "discrepancy": lambda: stats.mmd_drift(LOW, HIGH, n_resamples=99, seed=0),
}

#: Samples that no permutation brings nearer: the outcome seen is the least of all.
AS_NEAR_AS_CAN_BE = {
    "paired": lambda: stats.permutation_test([1.0, -1] * 20, [-1.0, 1] * 20, paired=True, n_resamples=99, seed=0),
    "independent": lambda: stats.permutation_test([1.0, -1] * 20, [-1.0, 1] * 20, paired=False, n_resamples=99, seed=0),
    "counts": lambda: stats.compare_paired(
        TRUTH, np.roll(TRUTH, 1) * (np.arange(100) < 50), np.roll(TRUTH, 1) * (np.arange(100) >= 50), metric="f1",
        n_resamples=99, seed=0,
    ),
    "stability": lambda: stats.population_stability_index([0, 1] * 20, [1, 0] * 20, n_resamples=99, seed=0),
}  # fmt: skip


@pytest.mark.parametrize("name", FAR_APART)
def test_the_permutation_seen_is_one_of_all(name):
    assert FAR_APART[name]().p_value == 1 / 100


@pytest.mark.parametrize("name", AS_NEAR_AS_CAN_BE)
def test_ties_count_as_at_least_as_large(name):
    assert AS_NEAR_AS_CAN_BE[name]().p_value == 1


def test_listed_permutations_count_each_once():
    # of 2**5 signs only all or none give a mean of 1, of 20 splits only two
    assert stats.permutation_test(np.arange(5) + 1.0, [0.0] * 5, paired=True).p_value == 2 / 32
    assert stats.permutation_test([1.0, 1.1, 1.2], [0.0, 0.1, 0.2], paired=False).p_value == 2 / 20
