"""pass@k: against all subsets, in expectation, and where it is refused."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binom

from companion.stats import mean_ci, pass_at_k, pass_at_k_ci


@pytest.mark.parametrize(("n", "c", "k"), [(7, 3, 2), (7, 0, 3), (7, 7, 7), (7, 5, 3), (1, 1, 1), (11, 2, 5)])
def test_it_is_the_proportion_of_subsets_with_a_right_answer(n, c, k):
    right = [any(one < c for one in subset) for subset in combinations(range(n), k)]
    assert pass_at_k([n], [c], k)[0] == pytest.approx(np.mean(right))


def test_it_is_unbiased_and_the_plug_in_is_not():
    n, k, p = 11, 5, 0.13
    chances = binom.pmf(np.arange(n + 1), n, p)
    truth = 1 - (1 - p) ** k
    assert chances @ pass_at_k(np.full(n + 1, n), np.arange(n + 1), k) == pytest.approx(truth)
    assert chances @ (1 - (1 - np.arange(n + 1) / n) ** k) < truth - 0.01


def test_thousands_of_answers_keep_their_digits():
    assert pass_at_k([10_000], [1], 100)[0] == pytest.approx(0.01, rel=1e-12)


def test_its_interval_is_that_of_a_bounded_mean():
    n, c = np.full(13, 10), np.arange(13) % 11
    assert pass_at_k_ci(n, c, 5) == mean_ci(pass_at_k(n, c, 5), bounds=(0, 1))
    all_solved = pass_at_k_ci(n, n, 5)
    assert (all_solved.estimate, all_solved.high) == (1.0, 1.0)
    assert all_solved.low < 1


@pytest.mark.parametrize(
    ("n", "c", "k", "said"),
    [
        ([10, 10], [3, 11], 5, "swapped"),
        ([10, 4], [3, 1], 5, "draw more answers"),
        ([10, 10], [0.3, 0.1], 5, "whole numbers"),
        ([10, 10], [-1, 1], 5, "whole numbers"),
        ([10, 10], [1, 1], 0, "k as a whole number"),
        ([10, 10], [1, 1], 2.5, "k as a whole number"),
    ],
)
def test_counts_that_cannot_be_are_refused(n, c, k, said):
    with pytest.raises(ValueError, match=said):
        pass_at_k(n, c, k)
