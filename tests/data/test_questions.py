import json

import pytest

from companion.data import ChoiceQuestion, OpenQuestion, json_lines, read_questions

CHOICE = {"question": "2 + 2 =", "choices": ["5", "4"], "answer": 1}
OPEN = {"question": "2 + 2?", "answers": ["4", "four"]}


def rows_of(tmp_path, *lines):
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf8")
    return path


def test_questions_of_each_kind(tmp_path):
    read = read_questions(rows_of(tmp_path, CHOICE, "", CHOICE | {"answer": "4"}))
    assert read == [ChoiceQuestion("2 + 2 =", ["5", "4"], 1)] * 2
    read = read_questions(rows_of(tmp_path, OPEN | {"group": "sums"}, {"question": "?", "answer": "4", "group": "x"}))
    assert read == [OpenQuestion("2 + 2?", ("4", "four"), "sums"), OpenQuestion("?", ["4"], "x")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"choices": ["4", "5"], "answer": 0}, r"text in its field 'question' in .*:2, got an object with 'choices'"),
        (CHOICE | {"answer": 2}, r"expected answer from 0 to 1, got 2 \(in .*:2\)"),
        (CHOICE | {"answer": True}, r"expected answer from 0 to 1, got True \(in .*:2\)"),
        (CHOICE | {"answer": "6"}, r"expected answer from 0 to 1, got '6' \(in .*:2\)"),
        (CHOICE | {"answer": None}, r"expected answer from 0 to 1, got None \(in .*:2\)"),
        (CHOICE | {"choices": ["4", "4"]}, r"at least two different choices with some text, got \['4', '4'\] \(in"),
        (CHOICE | {"choices": "45"}, r"expected choices as a list of texts, got '45' \(in"),
        ({"question": "2 + 2?"}, r"text in its field 'answer' in .*:2, got an object with 'question'"),
        (OPEN | {"answers": []}, r"expected at least one answer with some text, got \[\] \(in"),
        (OPEN | {"answers": [4]}, r"expected answers as a list of texts, got \[4\] \(in"),
        (OPEN, r"expected questions of one kind in .*, got 1 with choices and 1 without: make two files"),
        (CHOICE | {"group": "a"}, r"expected a group in all questions of .* or in none"),
        (CHOICE | {"group": 3}, r"text in its field 'group' in .*:2"),
    ],
)
def test_a_line_that_is_no_question_is_refused_where_it_stands(tmp_path, line, message):
    with pytest.raises(ValueError, match=message) as refused:
        read_questions(rows_of(tmp_path, CHOICE, line))
    assert str(refused.value).startswith("expected ")
    assert "\n" not in str(refused.value)


def test_no_questions_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"questions\.jsonl, which is empty"):
        read_questions(rows_of(tmp_path, ""))
    with pytest.raises(FileNotFoundError, match="got no such file"):
        read_questions(tmp_path / "nowhere.jsonl")
    with pytest.raises(ValueError, match="choices as a list"):
        ChoiceQuestion("2 + 2 =", "45", 0)


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n\n{"b": 2}', encoding="utf-8-sig")
    assert list(json_lines(path)) == [(f"{path}:1", {"a": 1}), (f"{path}:3", {"b": 2})]
