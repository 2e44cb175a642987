"""``python -m companion evaluate``: scores with intervals, two models on the same questions, what is refused."""

import json
import re

import pandas as pd
import pytest
from small_chat import write_chat_model

from companion.__main__ import main
from companion.data import read_questions
from companion.models import GPT, ChatTokenizer
from companion.stats import compare_paired, mean_ci, proportion_ci
from companion.training import choose_answers, write_answers

CHOICES = [
    {"question": animal, "choices": ["hay", "oat", "fig"], "answer": i % 3, "group": animal[0]}
    for i, animal in enumerate(["cow", "cat", "dog", "deer", "goat", "gnu", "ox", "owl", "pig", "pony", "rat", "ram"])
]
OPEN = [{"question": f"say {word}", "answers": [word, f"{word} ab"]} for word in ("a", "b", "cd", "ef", "gh", "ij")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return [write_chat_model(folder / name, seed=seed) for seed, name in enumerate(("one", "other"))]


def rows_of(tmp_path, records):
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def opened(folder):
    return GPT.from_pretrained(folder), ChatTokenizer.from_pretrained(folder)


def numbers(line):
    return [float(number) for number in re.findall(r"-?\d+\.\d+", line.partition("%")[0] + line.partition("%")[2])]


def shown(interval):
    return [round(value, 3) for value in (interval.estimate, interval.low, interval.high)]


def test_choices_with_intervals_and_the_paired_difference(folders, tmp_path, capsys):
    path, out = rows_of(tmp_path, CHOICES), tmp_path / "rows.csv"
    assert main(["evaluate", "--data", path, "--model", folders[0], "--against", folders[1], "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    one, other = (choose_answers(*opened(folder), read_questions(path)) for folder in folders)
    right = [(rows["by_sum"] == rows["answer"]).astype(float) for rows in (one, other)]
    assert lines[0] == f"{folders[0]}, 12 questions; guessing gives 0.333"
    assert numbers(lines[1]) == shown(mean_ci(right[0], bounds=(0, 1), clusters=one["group"]))
    assert numbers(lines[4]) == shown(mean_ci(right[1], bounds=(0, 1), clusters=one["group"]))
    found = mean_ci(right[0] - right[1], bounds=(-1, 1), clusters=one["group"])
    assert lines[6] == f"{folders[0]} minus {folders[1]}, on the same questions"
    assert numbers(lines[7]) == shown(found)
    assert lines[7].endswith(("undecided", "better", "worse"))
    kept = pd.read_csv(out)
    assert kept["model"].unique().tolist() == folders
    assert kept["by_sum"].tolist() == [*one["by_sum"], *other["by_sum"]]


def test_without_groups_the_interval_is_that_of_independent_questions(folders, tmp_path, capsys):
    path = rows_of(tmp_path, [{name: record[name] for name in record if name != "group"} for record in CHOICES])
    assert main(["evaluate", "--data", path, "--model", folders[0], "--limit", "7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = choose_answers(*opened(folders[0]), read_questions(path)[:7])
    right = (rows["by_sum"] == rows["answer"]).astype(int)
    assert numbers(lines[1]) == shown(proportion_ci(int(right.sum()), 7))
    assert len(lines) == 3
    assert main(["evaluate", "--data", path, "--model", folders[0], "--against", folders[1], "--limit", "7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = choose_answers(*opened(folders[1]), read_questions(path)[:7])
    found = compare_paired([1] * 7, right, (rows["by_sum"] == rows["answer"]).astype(int))
    assert numbers(lines[7])[:3] == shown(found.difference)
    assert f"p = {found.p_value:.3g} " in lines[7].replace(":", " ")


def test_written_answers(folders, tmp_path, capsys):
    path = rows_of(tmp_path, OPEN)
    for more, chat in (([], True), (["--no-chat"], False)):
        assert main(["evaluate", "--data", path, "--model", folders[0], "--max-new-tokens", "9", *more]) == 0
        lines = capsys.readouterr().out.splitlines()
        rows = write_answers(*opened(folders[0]), read_questions(path), chat=chat, max_new_tokens=9)
        assert [line.split("  ")[1].strip() for line in lines[1:]] == ["exact match", "F1 of words"]
        assert numbers(lines[2]) == shown(mean_ci(rows["f1"], bounds=(0, 1)))


def test_a_model_is_as_good_as_itself(folders, tmp_path, capsys):
    command = ["evaluate", "--data", rows_of(tmp_path, OPEN), "--model", folders[0], "--against", folders[0]]
    assert main([*command, "--max-new-tokens", "3"]) == 0
    assert capsys.readouterr().out.count("the same on every question") == 2


@pytest.mark.parametrize(
    ("records", "more", "message"),
    [
        ([], [], r"questions\.jsonl, which is empty"),
        ([{"question": "a"}], [], r"text in its field 'answer' in .*questions\.jsonl:1"),
        ([*CHOICES, OPEN[0] | {"group": "a"}], [], "questions of one kind"),
        (CHOICES, ["--limit", "0"], "expected --limit of at least 1, got 0"),
        (CHOICES, ["--against", "nowhere"], "expected a model's config in nowhere"),
        (CHOICES, ["--out", "no/such/folder.csv"], "expected --out in a folder that exists"),
        (CHOICES, ["--limit", "2"], "cluster"),
    ],
)
def test_what_a_user_can_put_right_is_one_line(folders, tmp_path, monkeypatch, capsys, records, more, message):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "--data", rows_of(tmp_path, records), "--model", folders[0], *more]) == 2
    errors = capsys.readouterr().err
    assert re.fullmatch("error: expected .*\n", errors)
    assert re.search(message, errors)
