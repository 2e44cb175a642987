"""Text as tokens come: no broken characters, nothing of a stop text."""

import pytest

from companion.models import ChatTokenizer
from companion.serving.text import TextStream


def pieces(tokenizer: ChatTokenizer, text: str, stop: tuple[str, ...] = ()) -> tuple[list[str], TextStream]:
    stream, given = TextStream(tokenizer, stop), []
    for token in tokenizer.encode(text):
        given.append(stream.push(token))
        if stream.stopped:
            break
    return [*given, stream.flush()], stream


@pytest.mark.parametrize("text", ["plain", "héé 大模型 🙂 end", "a�b", "half a character é"])
def test_all_of_it_comes_and_no_part_of_a_character(tokenizer: ChatTokenizer, text: str) -> None:
    given, _ = pieces(tokenizer, text)
    assert "".join(given) == text
    if "�" not in text:
        assert not any("�" in piece for piece in given)


@pytest.mark.parametrize(
    ("text", "stop", "kept"),
    [
        ("one. two. three", ("two",), "one. "),
        ("one. two. three", ("three", "."), "one"),
        ("the thread", ("three",), "the thread"),  # a beginning that comes to nothing
        ("ends with th", ("three",), "ends with th"),
        ("大模型", ("模",), "大"),
    ],
)
def test_a_stop_text_ends_it(tokenizer: ChatTokenizer, text: str, stop: tuple[str, ...], kept: str) -> None:
    given, stream = pieces(tokenizer, text, stop)
    assert "".join(given) == kept
    assert stream.stopped == (kept != text)


def test_an_empty_stop_text_is_refused(tokenizer: ChatTokenizer) -> None:
    with pytest.raises(ValueError, match="at least one character"):
        TextStream(tokenizer, ["a", ""])
