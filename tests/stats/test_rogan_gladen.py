"""A judge's count, corrected: the formula, its limits, bad input."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from companion.stats import rogan_gladen_ci


def counted(passed, n, right_passed, right, wrong_failed, wrong):
    """Columns with these counts."""
    labels = np.repeat([1, 0], [right, wrong])
    verdicts = np.repeat([1, 0, 0, 1], [right_passed, right - right_passed, wrong_failed, wrong - wrong_failed])
    return labels, verdicts, np.repeat([1, 0], [passed, n - passed])


def test_it_undoes_what_a_judge_does_to_a_proportion():
    passed = round(10_000 * (0.7 * 0.9 + 0.3 * 0.2))
    found = rogan_gladen_ci(*counted(passed, 10_000, 90, 100, 80, 100))
    assert found.estimate == pytest.approx(0.7)


def test_its_width_is_rogan_and_gladens():
    a, s, c, n, right, wrong = 0.63, 0.9, 0.8, 400_000, 200_000, 100_000
    columns = counted(round(a * n), n, round(s * right), right, round(c * wrong), wrong)
    p = (a + c - 1) / (s + c - 1)
    variance = a * (1 - a) / n + p**2 * s * (1 - s) / right + (1 - p) ** 2 * c * (1 - c) / wrong
    found = rogan_gladen_ci(*columns, level=0.9)
    assert found.high - found.low == pytest.approx(2 * stats.norm.ppf(0.95) * np.sqrt(variance) / (s + c - 1), rel=1e-3)


def test_with_errors_known_it_is_agresti_and_coulls_interval_of_what_passes():
    s, c, many = 0.9, 0.7, 10_000_000
    found = rogan_gladen_ci(*counted(23, 41, round(s * many), many, round(c * many), many))
    expected = (np.array(proportion_confint(23, 41, method="agresti_coull")) + c - 1) / (s + c - 1)
    np.testing.assert_allclose([found.low, found.high], expected, atol=1e-3)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_bounds_solve_fiellers_equation(level):
    found = rogan_gladen_ci(*counted(311, 499, 61, 67, 41, 59), level=level)
    z = stats.norm.ppf((1 + level) / 2)
    a, s, c = (311 + z**2 / 2) / (499 + z**2), 62 / 69, 42 / 61
    for p in (found.low, found.high):
        variance = a * (1 - a) / (499 + z**2) + p**2 * s * (1 - s) / 69 + (1 - p) ** 2 * c * (1 - c) / 61
        assert (a - p * s - (1 - p) * (1 - c)) / np.sqrt(variance) == pytest.approx(z if p == found.low else -z)


def test_a_judge_that_may_go_by_chance_says_nothing():
    found = rogan_gladen_ci(*counted(30, 50, 7, 10, 4, 10))
    assert (found.low, found.high) == (0, 1)


def test_the_mirrored_question_has_the_mirrored_answer():
    labels, verdicts, more = counted(311, 499, 61, 67, 41, 59)
    found, mirrored = rogan_gladen_ci(labels, verdicts, more), rogan_gladen_ci(1 - labels, 1 - verdicts, 1 - more)
    assert (mirrored.low, mirrored.estimate, mirrored.high) == pytest.approx(
        (1 - found.high, 1 - found.estimate, 1 - found.low)
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([1, 1, 1], [1, 1, 0], [1, 0]), "labels to hold at least two classes"),
        (([1, 1, 0], [1, 0.5, 0], [1, 0]), "judged_labeled to hold only 0 and 1"),
        (([1, 1, 0], [1, 1, 0], [1, 2]), "judged_unlabeled to hold only 0 and 1"),
        (([1, 1, 0], [1, 1], [1, 0]), "other lengths: labels has 3, judged_labeled has 2"),
        (
            ([1, 1, 0, 0], [1, 0, 1, 0], [1, 0]),
            "more often than wrong ones, got 0.5 and 0.5 of them; check that 1 means",
        ),
        (([1, 1, 0, 0], [1, 0, 1, 0], [1, float("nan")]), "judged_unlabeled without missing values"),
    ],
)
def test_refuses(columns, message):
    with pytest.raises(ValueError, match=message):
        rogan_gladen_ci(*columns)
