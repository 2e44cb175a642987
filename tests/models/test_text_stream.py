"""Text as tokens come: no broken characters, nothing of a stop text."""

import pytest
from small_chat import small_tokenizer

from companion.models import ChatTokenizer
from companion.models.hub.text_stream import TextStream


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    return small_tokenizer()


def pieces(tokenizer: ChatTokenizer, text: str, stop: tuple[str, ...] = ()) -> tuple[list[str], TextStream]:
    stream, given = TextStream(tokenizer.decode, stop), []
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
        TextStream(tokenizer.decode, ["a", ""])


@pytest.mark.parametrize("cut", range(12))
def test_text_goes_on_from_what_stands_before(tokenizer: ChatTokenizer, cut: int) -> None:
    tokens = tokenizer.encode("plain text")
    stream = TextStream(tokenizer.decode, before=tokens[:cut])
    given = list(stream.pieces(iter(tokens[cut:])))
    assert stream.before == "plain text"[:cut]
    assert stream.before + "".join(given) == "plain text"
    assert len(given) == len(tokens[cut:]) + 1


def test_a_half_character_at_the_end_comes_after_all(tokenizer: ChatTokenizer) -> None:
    assert list(TextStream(tokenizer.decode).pieces(tokenizer.encode("aé")[:-1])) == ["a", "", "\ufffd"]
