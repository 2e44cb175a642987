"""Conversations to learn from: rows of a file, their tokens, and which of these the assistant is to learn."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from companion.data.corpora import check_fraction
from companion.data.json_lines import Record, json_lines, texts_of
from companion.models import ChatTokenizer
from companion.models.hub.chat_template import Message, check_messages

#: Who said what, in order.
Conversation = list[Message]


def read_conversations(path: str | Path) -> list[Conversation]:
    """The conversations of a file of JSON lines.

    A line is ``{"prompt": …, "answer": …}``, with ``"system": …`` where the model is to be told something first, or
    ``{"messages": [{"role": …, "content": …}, …]}`` as OpenAI's files for fine-tuning have them.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: naming the line, where it is no such object, has a role that nobody knows, or no answer to learn
            from; or where the file is empty.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "rows.jsonl"
        >>> _ = path.write_text('{"prompt": "2 + 2?", "answer": "4"}\\n')
        >>> read_conversations(path)
        [[{'role': 'user', 'content': '2 + 2?'}, {'role': 'assistant', 'content': '4'}]]
    """
    found = [_conversation(record, place) for place, record in json_lines(path)]
    if not found:
        raise ValueError(f"expected a file with a conversation a line, got {path}, which is empty")
    return found


def encode_conversation(tokenizer: ChatTokenizer, messages: Conversation) -> tuple[list[int], list[bool]]:
    """The tokens of a conversation, and for each whether the assistant is to learn it: those that it writes itself.

    An answer's tokens are those that the chat template puts behind the beginning of the assistant's turn, up to the
    token that ends it, which counts: without it no answer would learn to end. What a template writes behind that token
    (SmolLM2's a line break) does not count, for the model is not asked again there. An answer with ``"weight": 0``, as
    OpenAI's files mark those that only lead to a later one, does not count either.

    Args:
        tokenizer: with the chat template that the model was trained by.
        messages: who said what; each of the assistant's messages counts, unless its weight is 0.

    Raises:
        ImportError: where Jinja2 is not installed.
        ValueError: where the tokenizer has no template, or that refuses the conversation; where no message is the
            assistant's, one is empty, or it comes first; where the template writes earlier turns in another way once
            later ones have come, or does not write the token that ends an answer, or an answer's first characters (a
            line break) make one token with the prompt's last.

    Example:
        >>> from companion.data import train_tokenizer
        >>> template = "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}<|endoftext|>{% endfor %}"
        >>> template += "{% if add_generation_prompt %}a:{% endif %}"
        >>> tokenizer = ChatTokenizer(train_tokenizer(["a text"], 257), template, {"eos_token": "<|endoftext|>"})
        >>> chat = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
        >>> tokens, learned = encode_conversation(tokenizer, chat)
        >>> tokenizer.decode([token for token, answer in zip(tokens, learned) if answer])
        '4<|endoftext|>'
    """
    check_learnable(messages)
    whole = tokenizer.apply_chat_template(messages)
    learned = [False] * len(whole)
    for place, message in enumerate(messages):
        if message["role"] == "assistant":
            before = tokenizer.apply_chat_template(messages[:place], add_generation_prompt=True)
            after = tokenizer.apply_chat_template(messages[: place + 1])
            if whole[: len(before)] != before or whole[: len(after)] != after:
                raise ValueError(
                    f"expected the tokens of message {place} to follow those of the messages before it, got others: "
                    f"it begins with white space, or the template writes earlier turns in another way"
                )
            ends = _end(whole[len(before) : len(after)], tokenizer)
            learned[len(before) : len(before) + ends] = [bool(message.get("weight", 1))] * ends
    return whole, learned


def _end(answer: list[int], tokenizer: ChatTokenizer) -> int:
    """How many tokens an answer has up to the one that ends it."""
    stops = tokenizer.stop_tokens
    end = next((place for place, token in enumerate(answer, start=1) if token in stops), None)
    if end is None:
        names = ", ".join(repr(tokenizer.decode([token])) for token in stops)
        raise ValueError(
            f"expected a template that ends an answer with {names}, at which the model stops, got one without: no "
            f"answer would learn to end; name the token that ends a turn as eos_token"
        )
    return end


def hold_out(
    conversations: Sequence[Conversation], *, fraction: float = 0.1, seed: int = 0
) -> tuple[list[Conversation], list[Conversation]]:
    """Training and validation conversations; those that begin with the same question are on one side.

    Validation gets the questions with the smallest hash of their text and ``seed``, at least one: more conversations
    move few. Questions that only resemble each other may be on both sides: :func:`companion.data.near_duplicates`.

    Raises:
        ValueError: for a fraction outside (0, 1), or fewer than two different questions.

    Example:
        >>> answer = {"role": "assistant", "content": "Let me count."}
        >>> [len(side) for side in hold_out([[{"role": "user", "content": f"{i} + 1?"}, answer] for i in range(20)])]
        [18, 2]
    """
    check_fraction(fraction)
    asked = [_first_question(chat) for chat in conversations]
    ordered = sorted(set(asked), key=lambda text: hashlib.sha256(f"{seed} {text}".encode()).digest())
    if len(ordered) < 2:
        raise ValueError(f"expected at least two different questions to hold one out, got {len(ordered)}: give more")
    held_out = set(ordered[: max(1, round(fraction * len(ordered)))])
    sides: tuple[list[Conversation], list[Conversation]] = ([], [])
    for chat, question in zip(conversations, asked, strict=True):
        sides[question in held_out].append(chat)
    return sides


def count_asked_before(validation: Sequence[Conversation], train: Sequence[Conversation]) -> int:
    """How many conversations begin with a question that others begin with too, but for case and white space."""
    asked = {" ".join(_first_question(chat).casefold().split()) for chat in train}
    return sum(" ".join(_first_question(chat).casefold().split()) in asked for chat in validation)


def check_learnable(messages: Conversation) -> None:
    """Refuses a conversation that an assistant can learn nothing from.

    Raises:
        ValueError: for what is no conversation, one without an answer, one that begins with an answer, an empty answer.
    """
    check_messages(messages)
    answers = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    weights = [messages[place].get("weight", 1) for place in answers]
    if wrong := [weight for weight in weights if weight not in (0, 1)]:
        raise ValueError(f"expected an assistant's message with weight 0 or 1, got {wrong[0]!r}")
    if not any(weights):
        got = "none" if not answers else "none with a weight above 0"
        raise ValueError(f"expected an assistant's message to learn from, got {got}")
    if answers[0] == 0:
        raise ValueError("expected a conversation that begins with a user or the system, got the assistant's first")
    if empty := [place for place in answers if not messages[place]["content"].strip()]:
        raise ValueError(f"expected an answer with some text, got an empty one in message {empty[0]}")


def _first_question(chat: Conversation) -> str:
    return next((message["content"] for message in chat if message["role"] == "user"), chat[0]["content"])


def _conversation(record: Record, place: str) -> Conversation:
    if record.get("tools") or record.get("functions"):
        raise ValueError(f"expected conversations without tools, got some in {place}: no template here is told of them")
    if "messages" in record:
        found = record["messages"]
    else:
        prompt, answer = texts_of(record, place, "prompt", "answer")
        system = texts_of(record, place, "system") if "system" in record else []
        found = [{"role": "system", "content": text} for text in system]
        found += [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    try:
        check_learnable(found)
    except ValueError as error:
        raise ValueError(f"{error} (in {place})") from error
    return found
