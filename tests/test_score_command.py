"""``python -m companion score``: a card, applicants, a table of one's own, and what is refused in one line."""

import re

import pandas as pd
import pytest

from companion.__main__ import main
from companion.cases.scorecard import load_card, score_applicants
from companion.data import GERMAN_PROTECTED, german_credit


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loans")
    table = german_credit()
    table.drop(columns="bad").head(25).to_csv(folder / "applicants.csv", index=False)
    table.to_csv(folder / "past.csv", index=False)
    table.drop(columns=["bad", "status"]).to_csv(folder / "narrow.csv", index=False)
    table.head(2).assign(duration="long").to_csv(folder / "words.csv", index=False)
    return folder


def test_without_applicants_the_card_is_printed(capsys):
    assert main(["score"]) == 0
    lines = capsys.readouterr().out.splitlines()
    card = load_card().card
    assert lines[0] == f"everybody starts with {card.base} points"
    assert sum("no checking account" in line for line in lines) == 1


def test_applicants_get_score_reasons_and_decision(files, capsys):
    out = files / "decisions.csv"
    assert main(["score", str(files / "applicants.csv"), "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    expected = score_applicants(german_credit().head(25), load_card())
    kept = pd.read_csv(out)
    assert kept["score"].tolist() == [each.score for each in expected]
    assert kept["decision"].tolist() == ["refuse" if each.refuse else "accept" for each in expected]
    assert lines[0].endswith("refuse from 0.167 probability of bad on")
    assert f"refuse {sum(each.refuse for each in expected)};" in lines[1]
    assert re.match(rf"   1  {expected[0].score} points", lines[2])
    assert lines[-1] == "5 more: --out FILE writes all of them"


def test_other_costs_and_another_base_rate(files, capsys):
    path = str(files / "applicants.csv")
    assert main(["score", path, "--cost-bad", "1", "--cost-good", "1", "--base-rate", "0.05"]) == 0
    assert "refuse from 0.500" in capsys.readouterr().out.splitlines()[0]


def test_a_table_of_ones_own_makes_a_card_that_is_read_again(files, capsys):
    left_out = ", ".join(GERMAN_PROTECTED)
    own = ["--train", str(files / "past.csv"), "--leave-out", left_out, "--save", str(files / "own.json")]
    assert main(["score", str(files / "applicants.csv"), *own]) == 0
    first = capsys.readouterr().out
    assert load_card(files / "own.json") == load_card()
    assert main(["score", str(files / "applicants.csv"), "--card", str(files / "own.json")]) == 0
    assert capsys.readouterr().out == first
    assert main(["score", str(files / "applicants.csv")]) == 0
    assert capsys.readouterr().out == first


def test_what_a_terminal_would_obey_is_not_printed(files, capsys):
    table = german_credit().head(1).assign(purpose="\x1b[2J<script>")
    table.to_csv(files / "hostile.csv", index=False)
    assert main(["score", str(files / "hostile.csv")]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "?[2J<script>' was never seen" in out.replace("\\x1b", "?")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], "expected a CSV file of applicants, got nowhere.csv"),
        (["narrow.csv"], "expected the columns status in narrow.csv too"),
        (["words.csv"], "numbers in the column 'duration', got 'long' in data row 1"),
        (["applicants.csv", "--train", "past.csv", "--card", "x.json"], "expected --train or --card, got both"),
        (["applicants.csv", "--train", "past.csv", "--label", "default"], "expected the columns default in past.csv"),
        (
            ["applicants.csv", "--train", "past.csv", "--label", "housing"],
            r"expected 1 \(bad\) or 0 in the column 'housing'",
        ),
        (["applicants.csv", "--train", "past.csv", "--leave-out", "sex"], "expected --leave-out to name columns"),
        (["applicants.csv", "--card", "past.csv"], "expected a scorecard as save_card writes it"),
        (["applicants.csv", "--cost-bad", "-1"], "expected a positive cost_bad, got -1"),
        (["applicants.csv", "--cost-bad", "nan"], "expected a positive cost_bad, got nan"),
        (["applicants.csv", "--base-rate", "1.5"], r"expected the proportion of bad \(here\) between 0 and 1"),
        (["applicants.csv", "--out", "no/such/folder.csv"], "expected --out in a folder that exists"),
    ],
)
def test_what_a_user_can_put_right_is_one_line(files, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(files)
    assert main(["score", *arguments]) == 2
    errors = capsys.readouterr().err
    assert re.fullmatch("error: expected .*\n", errors)
    assert re.search(message, errors)
