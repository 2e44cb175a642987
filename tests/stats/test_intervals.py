"""The interval itself, and Wilson's for a proportion."""

import dataclasses

import numpy as np
import pytest

from companion.stats import Interval
from companion.stats.intervals import wilson

# Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3 (score, no continuity correction).
NEWCOMBE = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0000, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize(("successes", "trials", "low", "high"), NEWCOMBE)
def test_wilson_equals_the_published_bounds(successes, trials, low, high):
    interval = wilson(successes, trials)
    assert interval.estimate == successes / trials
    np.testing.assert_allclose([interval.low, interval.high], [low, high], atol=5e-5)


def test_wilson_bounds_solve_the_score_equation():
    interval = wilson(37, 41, level=0.9)
    for bound in (interval.low, interval.high):
        z = (37 / 41 - bound) / np.sqrt(bound * (1 - bound) / 41)
        assert abs(z) == pytest.approx(1.6448536, abs=1e-6)


def test_an_interval_prints_as_one_sentence_with_two_digits_of_its_half_width():
    interval = Interval(0.97234, 0.96012, 0.98055, 0.95, "Wilson score")
    assert str(interval) == (
        "The estimate is 0.972, with a 95% confidence interval from 0.960 to 0.981 (Wilson score)."
    )
    wide = Interval(1234.5, -40.0, 2500.0, 0.9, "BCa")
    assert str(wide) == "The estimate is 1234, with a 90% confidence interval from -40 to 2500 (BCa)."


def test_an_interval_prints_no_negative_zero():
    assert "from 0.00 to 0.80" in str(Interval(0.4, -0.001, 0.8, 0.95, "any"))


def test_an_interval_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        wilson(3, 7).low = 0.0
