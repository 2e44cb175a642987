"""``python -m companion ask``: a quotation with its place, 'I do not know', and what is refused."""

import re

import pytest

from companion.__main__ import main

FAQ = """# Shop

We open at nine in the morning.

## Returns

Goods come back within 30 days. We pay the postage if something is broken.
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "faq.md").write_text(FAQ, encoding="utf-8")
    return str(tmp_path)


def test_own_documents_are_quoted_without_a_promise(folder, capsys):
    assert main(["ask", "Who pays the postage of broken goods?", "--folder", folder]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "“We pay the postage if something is broken.”"
    assert re.fullmatch(r"— Shop, Returns \(faq\.md\); fit \d\.\d\d, answered above \d\.\d\d", lines[1])
    assert lines[2].startswith("The threshold was found with questions on this book")


def test_what_is_not_there_is_not_answered(folder, capsys):
    assert main(["ask", "What is the capital of Mongolia?", "--folder", folder]) == 0
    assert capsys.readouterr().out.startswith("I do not know")
    assert main(["ask", "Who pays the postage?", "--folder", folder, "--threshold", "2"]) == 0
    assert capsys.readouterr().out.startswith("I do not know. Nearest, and not near enough: Shop, Returns (faq.md)")
    assert main(["ask", "哪里?", "--folder", folder]) == 0
    assert capsys.readouterr().out == "I do not know: no document shares a word with the question.\n"


def test_the_book_is_asked_as_it_is(capsys):
    assert main(["ask", "What is nested cross-validation, and why must stacking use out-of-fold predictions?"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"\(book/\w+/\w+\.ipynb\); fit \d\.\d\d, answered above \d\.\d\d", out)


def test_a_script_in_a_question_is_words(folder, tmp_path, capsys):
    bad = f"<script>alert(1)</script>'; touch {tmp_path}/made; $(touch {tmp_path}/made) postage?"
    assert main(["ask", bad, "--folder", folder, "--threshold", "0"]) == 0
    assert "faq.md" in capsys.readouterr().out
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("question", "more", "message"),
    [
        ("", [], "a question of some words"),
        ("a " * 501, [], "at most 1,000 letters, got 1,002 letters"),
        ("What?", ["--threshold", "high"], "--threshold to be a number"),
        ("What?", ["--folder", "nowhere"], "no such file or folder"),
    ],
)
def test_what_a_user_can_put_right_is_one_line(folder, monkeypatch, capsys, question, more, message):
    monkeypatch.chdir(folder)
    assert main(["ask", question, "--folder", folder, *more]) == 2
    errors = capsys.readouterr().err
    assert re.fullmatch("error: expected .*\n", errors)
    assert re.search(message, errors)


def test_the_assistant_may_say_it_too(folder, capsys, monkeypatch):
    from companion import models
    from companion.cases import retrieval

    monkeypatch.setattr(models, "smollm2", lambda: "the assistant")
    monkeypatch.setattr(retrieval, "write_answer", lambda *given: f"{given[0]} read {given[2].source}")
    assert main(["ask", "Who pays the postage?", "--folder", folder, "--threshold", "0", "--write"]) == 0
    assert "In the assistant's words, unchecked: the assistant read faq.md" in capsys.readouterr().out
