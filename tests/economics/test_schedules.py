"""The latest of parallel tasks: Clark's formulas, order statistics, simulation."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from companion.economics import finish_probability, merge_bias


def test_two_alike():
    assert merge_bias([7, 7], [3, 3]) == pytest.approx(3 / math.sqrt(math.pi), rel=1e-8)


@pytest.mark.parametrize(("gap", "spreads"), [(1.0, (2.0, 1.0)), (5.0, (1.0, 4.0)), (40.0, (2.0, 2.0))])
def test_clark_s_formula_for_two(gap, spreads):
    means = (10.0 + gap, 10.0)
    theta = math.hypot(*spreads)
    alpha = gap / theta
    expected = means[0] * norm.cdf(alpha) + means[1] * norm.cdf(-alpha) + theta * norm.pdf(alpha)
    assert merge_bias(means, spreads) == pytest.approx(expected - means[0], rel=1e-6, abs=1e-9)


def test_the_largest_of_five_and_of_twenty_alike():
    assert merge_bias([0] * 5, [1] * 5) == pytest.approx(1.16296, abs=1e-5)  # Tippett 1925: order statistics
    assert merge_bias([0] * 20, [1] * 20) == pytest.approx(1.86748, abs=1e-5)


def test_many_tasks_by_simulation():
    rng = np.random.default_rng(0)
    means, spreads = rng.uniform(5, 15, 30), rng.uniform(0.5, 4, 30)
    ends = rng.normal(means, spreads, (200_000, 30)).max(axis=1)
    assert merge_bias(means, spreads) == pytest.approx(ends.mean() - means.max(), abs=0.02)
    assert finish_probability(17, means, spreads) == pytest.approx((ends <= 17).mean(), abs=0.005)


def test_one_task_is_as_late_as_planned():
    assert merge_bias([10], [2]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("means", "spreads"), [([], []), ([1, 2], [1]), ([1], [0]), ([float("nan")], [1])])
def test_refusals(means, spreads):
    with pytest.raises(ValueError, match="expected"):
        merge_bias(means, spreads)


@pytest.mark.parametrize("spreads", [(0.01, 0.01), (1e-6, 1e-6), (3.0, 0.5), (0.5, 20.0)])
@pytest.mark.parametrize("gap", [0.0, 1e-3, 90.0, 1e4])
def test_ends_far_apart_do_not_delay_each_other(gap, spreads):
    """Clark's formula; all steps of the integrand lie in a millionth of its range where tasks end far apart."""
    theta = math.hypot(*spreads)
    expected = theta * norm.pdf(gap / theta) - gap * norm.cdf(-gap / theta)
    assert merge_bias([10 + gap, 10], spreads) == pytest.approx(expected, rel=1e-6, abs=1e-7 * theta)


def test_many_sharp_tasks():
    assert merge_bias(np.arange(300) * 100.0, np.full(300, 0.1)) == pytest.approx(0, abs=1e-6)
