"""The monitor: false alarms at the promised rate, drift found, windows across updates, refusals."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from companion.serving import Monitor


def rows(rng: np.random.Generator, n: int, shift: float = 0.0) -> pd.DataFrame:
    """A normal column, a log-normal one, and their sum."""
    a, b = rng.normal(shift, 1, n), rng.lognormal(size=n)
    return pd.DataFrame({"a": a, "b": b, "sum": a + b})


def test_false_alarms_come_at_most_at_the_promised_rate_and_not_much_below() -> None:
    rng, runs = np.random.default_rng(0), 600
    alarms = sum(
        len(Monitor(rows(rng, 300), window=100, false_alarms=0.05).update(rows(rng, 100))) for _ in range(runs)
    )
    assert alarms <= stats.binom.ppf(0.9999, runs, 0.05)
    assert alarms >= stats.binom.ppf(0.0001, runs, 0.02)


def test_columns_that_are_equal_cost_power_and_no_false_alarms() -> None:
    rng, runs = np.random.default_rng(1), 300
    alarms = 0
    for _ in range(runs):
        before, now = (np.repeat(rng.normal(size=(n, 1)), 5, axis=1) for n in (200, 80))
        alarms += len(Monitor(before, window=80, false_alarms=0.1).update(now))
    assert alarms <= stats.binom.ppf(0.9999, runs, 0.1)


def test_drift_is_found_in_its_column_and_window() -> None:
    rng = np.random.default_rng(2)
    monitor = Monitor(rows(rng, 500), window=200)
    found = monitor.update(pd.concat([rows(rng, 400), rows(rng, 200, shift=1.0)]))
    assert [(alarm.window, alarm.column) for alarm in found] == [(2, "a")]
    assert "Window 2, column a: The Kolmogorov-Smirnov distance of 200 current against 500" in str(found[0])


def test_windows_go_across_updates() -> None:
    rng = np.random.default_rng(3)
    reference, came = rows(rng, 100), rows(rng, 95, shift=2.0)
    whole, pieces = Monitor(reference, window=30), Monitor(reference, window=30)
    at_once = whole.update(came)
    one_by_one = [alarm for row in range(95) for alarm in pieces.update(came.iloc[row : row + 1])]
    assert at_once == one_by_one
    assert len(at_once) == whole.windows == pieces.windows == 3


@pytest.mark.parametrize(
    ("reference", "options", "said"),
    [
        ({}, {}, "rows with columns"),
        ({"a": []}, {}, "rows with columns"),
        ({"a": [1.0]}, {"window": 1}, "window of at least 2"),
        ({"a": [1.0]}, {"false_alarms": 1.5}, "false_alarms"),
    ],
)
def test_what_cannot_be_watched_is_refused(reference: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Monitor(reference, **({"window": 10} | options))


def test_rows_of_another_kind_are_refused() -> None:
    monitor = Monitor({"a": [1.0, 2.0], "b": [1.0, 2.0]}, window=2)
    with pytest.raises(ValueError, match=r"expected columns \['a', 'b'\], got \['b', 'a'\]"):
        monitor.update({"b": [1.0], "a": [1.0]})
    with pytest.raises(ValueError, match="NaN"):
        monitor.update({"a": [1.0, float("nan")], "b": [1.0, 2.0]})
