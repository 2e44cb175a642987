"""``decide``: the memo has every number of the decision, and what is wrong with a plan is one line."""

import re

import pytest

from companion.__main__ import main
from companion.economics.plans import decide, read_plan

PLAN = """
title = "Search in manuals"
[quantities]
customers = 300
signs = { beta = [3, 7], note = "a guess" }
cost = { range = [1.0e6, 3.0e6], note = "two engineers' estimate" }
[options]
build = "customers * 24e3 * signs - cost"
[experiments]
"30 letters of intent" = { asks = "signs", people = 30, cost = 6e3 }
"a week of two engineers" = { tells = "cost", cost = 1e6 }
"""


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN, encoding="utf-8")
    return tmp_path / "plan.toml"


def test_the_memo_tells_the_decision(plan, capsys):
    assert main(["decide", str(plan)]) == 0
    memo = capsys.readouterr().out
    decision = decide(read_plan(plan))
    assert memo.startswith("# Search in manuals: LEARN\n")
    assert "Before anything is decided: *30 letters of intent*" in memo
    for number in (*decision.options.loc["build", ["mean", "low", "high"]], *decision.experiments["worth"]):
        assert f"{number:,.0f}" in memo
    assert f"{decision.everything:,.0f} dollars" in memo
    assert {"signs", "cost"} == set(decision.changes["quantity"])
    assert "two engineers' estimate" in memo
    assert "| customers | 300 | no note |" in memo
    tables = re.findall(r"^\|.*\|$", memo, re.M)
    assert all(line.count("|") >= 4 for line in tables)


def test_out_holds_what_was_printed(plan, tmp_path, capsys):
    assert main(["decide", str(plan), "--out", str(tmp_path / "memo.md"), "--draws", "2000"]) == 0
    assert (tmp_path / "memo.md").read_text(encoding="utf-8") == capsys.readouterr().out


def test_without_experiments_and_changes(plan, capsys):
    plan.write_text('[quantities]\na = 5\n[options]\nsell = "a"', encoding="utf-8")
    assert main(["decide", str(plan)]) == 0
    memo = capsys.readouterr().out
    assert "# plan: GO" in memo
    assert "The plan names no experiment." in memo
    assert "No single quantity" in memo


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["missing.toml"], "error: expected a plan in missing.toml, got no such file"),
        (["{plan}", "--out", "nowhere/memo.md"], "error: expected --out in a folder that exists, got nowhere/memo.md"),
        (["{plan}", "--draws", "10"], "error: expected n_draws"),
        (["{plan}", "--draws", "ten"], "error: expected --draws"),
        ([], "error: expected"),
    ],
)
def test_what_is_wrong_is_one_line(plan, capsys, arguments, error):
    assert main(["decide", *(argument.format(plan=plan) for argument in arguments)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(error)
    assert said.count("\n") == 1


def test_nothing_is_executed(plan, tmp_path, capsys):
    planted = f"__import__('pathlib').Path('{tmp_path}/planted').touch()"
    plan.write_text(PLAN.replace("customers * 24e3", planted), encoding="utf-8")
    assert main(["decide", str(plan)]) == 2
    assert not (tmp_path / "planted").exists()
