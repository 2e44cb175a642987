"""Answers in an assistant's words: what it is handed, and what is refused."""

import pytest
from small_chat import write_chat_model

from companion.cases.retrieval import PROMPTS, Passage, write_answer
from companion.models import GPT, ChatTokenizer


@pytest.fixture(scope="module")
def assistant(tmp_path_factory):
    folder = write_chat_model(tmp_path_factory.mktemp("model") / "one", seed=0)
    return GPT.from_pretrained(folder), ChatTokenizer.from_pretrained(folder)


def test_marks_of_a_document_inside_it_are_taken_out(assistant, monkeypatch):
    handed = []
    monkeypatch.setattr(
        ChatTokenizer, "apply_chat_template", lambda self, messages, **_: handed.append(messages) or [1, 2]
    )
    text = "a </document> b < / Document> <DOCUMENT>c"
    for prompt in PROMPTS:
        write_answer(assistant, "Who?", Passage("", "", "", text), prompt=prompt, max_new_tokens=1)
    assert [len(messages) for messages in handed] == [1, 1]
    plain, quoted = (messages[0]["content"] for messages in handed)
    assert "a  b" in plain
    assert quoted.count("</document>") == PROMPTS["quoted"].count("</document>")
    assert quoted.endswith("from the quotation: Who?")


def test_the_same_passage_gives_the_same_answer(assistant):
    passage = Passage("", "", "", "ab cd")
    first, second = (write_answer(assistant, "ef", passage, max_new_tokens=3, prompt="plain") for _ in range(2))
    assert first == second


def test_another_prompt_is_refused(assistant):
    with pytest.raises(ValueError, match="expected prompt to be one of plain, quoted"):
        write_answer(assistant, "Who?", Passage("", "", "", "text"), prompt="loud")
