"""Every interval covers as its docstring says, every test holds its level: the cases of ``benchmarks.coverage``."""

import inspect

import numpy as np
import pytest

import companion.stats
from benchmarks.coverage import CASES
from benchmarks.coverage.__main__ import main, report
from benchmarks.coverage.case import Case, Claim, Outcome, covers, rejects
from benchmarks.coverage.simulation import simulate
from companion.stats import Interval, mean_ci
from companion.stats.metrics.metrics import ALL_METRICS

#: What the quick run, and the slow one, take of the samples of the report.
QUICK, SLOW = 1 / 80, 1 / 4

#: Functions that give neither an interval nor a p-value.
WITHOUT = {"forest", "isotonic_scaling", "local_outlier_factor", "mode_counts", "pass_at_k", "robust_z"}


def titles(cases):
    return {"argvalues": cases, "ids": [case.title for case in cases]}


@pytest.mark.parametrize("case", **titles([case for case in CASES if case.samples * QUICK >= 5]))
def test_a_few_samples_do_not_refute(case):
    for found in simulate(case, int(case.samples * QUICK)):
        assert not found.refutes(level=0.999), f"{found.claim}: {found.proportion(level=0.999)}"


@pytest.mark.slow
@pytest.mark.parametrize("case", **titles(CASES))
def test_many_samples_do_not_refute(case):
    for found in simulate(case, int(case.samples * SLOW)):
        assert not found.refutes(), f"{found.claim}: {found.proportion()}"


def halved(rng):
    interval = mean_ci(rng.normal(size=10))
    half_width = (interval.high - interval.low) / 4
    return Interval(interval.estimate, interval.estimate - half_width, interval.estimate + half_width, 0.95, "halved")


def test_an_interval_of_half_the_width_is_refuted():
    [found] = simulate(covers("mean_ci", "normal", "10", halved, 0), 100)
    assert found.refutes(level=0.999)
    [found] = simulate(covers("mean_ci", "normal", "10", lambda rng: mean_ci(rng.normal(size=10)), 0), 100)
    assert not found.refutes()


def test_a_test_at_ten_percent_is_refuted():
    claim = Claim("level", (0.0, 0.06))
    [found] = simulate(Case("adjust", "none", "1", lambda rng: (rejects(rng.random(), alpha=0.1),), (claim,)), 4_000)
    assert found.refutes()


def test_a_case_draws_the_same_whatever_runs_beside_it():
    case = CASES[0]
    first, again = simulate(case, 5), simulate(case, 5)
    assert [found.hits for found in first] == [found.hits for found in again]
    assert len({case.title for case in CASES}) == len(CASES)


def fails_at_times(rng):
    if rng.random() < 0.2:
        raise ValueError("expected another sample")
    return (Outcome(True),)


def test_only_a_case_that_says_so_may_refuse_samples():
    [found] = simulate(Case("mean_ci", "any", "1", fails_at_times, may_refuse=True), 50)
    assert (found.samples, found.hits) == (50, 50)
    assert found.refused > 0
    with pytest.raises(ValueError, match="expected another sample"):
        simulate(Case("mean_ci", "any", "1", fails_at_times), 50)


def test_every_function_has_a_case():
    entries = [getattr(companion.stats, name) for name in companion.stats.__all__]
    public = {entry.__name__ for entry in entries if inspect.isfunction(entry)}
    assert sorted(public | {"ABTest"}) == sorted({case.function for case in CASES} | WITHOUT)
    assert sorted(ALL_METRICS) == sorted({case.options for case in CASES if case.function == "metric_ci"})


def test_a_range_of_its_own_comes_with_a_reason():
    usual = {(0.93, 0.97), (0.0, 0.06), (0.0, 0.05)}
    assert [case.title for case in CASES for c in case.claims if c.allowed not in usual and not c.reason] == []


def test_the_report_names_what_is_refuted(monkeypatch, capsys):
    right = covers("mean_ci", "normal", "10", lambda rng: mean_ci(rng.normal(size=10)), 0)
    wrong = covers("mean_ci", "normal, halved", "10", halved, 0)
    text = report({"means": [*simulate(right, 200), *simulate(wrong, 200)]}, 200)
    rows = [line for line in text.splitlines() if line.startswith("| `mean_ci`")]
    assert [line.count("**refuted**") for line in rows] == [0, 1]
    assert "| 0.93 to 0.97 |" in rows[0]
    written = []
    monkeypatch.setattr("benchmarks.coverage.__main__.PARTS", {"means": [right, wrong]})
    monkeypatch.setattr("benchmarks.coverage.__main__.write", lambda name, text: written.append((name, text)))
    assert main(["--samples", "200"]) == 1
    assert written[0][0] == "coverage.md"
    assert np.char.count(written[0][1], "**refuted**") == 1
    assert "mean_ci: normal, halved" in capsys.readouterr().err


def test_some_parts_alone_leave_the_tables_of_the_others(monkeypatch, tmp_path):
    right = covers("mean_ci", "normal", "10", lambda rng: mean_ci(rng.normal(size=10)), 0)
    monkeypatch.setattr("benchmarks.coverage.__main__.PARTS", {"means": [right], "proportions": [right]})
    monkeypatch.setattr("benchmarks.report.RESULTS", tmp_path)
    monkeypatch.setattr("benchmarks.coverage.__main__.RESULTS", tmp_path)
    main(["--samples", "4000"])
    whole = (tmp_path / "coverage.md").read_text()
    main(["--samples", "200", "--parts", "means"])
    of_means, of_proportions = (tmp_path / "coverage.md").read_text().split("\n## ")[1:]
    assert "| 4,000 |" not in of_means
    assert "| 200 |" in of_means
    assert of_proportions.strip() == whole.split("\n## ")[2].strip()
