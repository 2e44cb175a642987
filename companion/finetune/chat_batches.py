"""Conversations as :func:`companion.training.fit` takes them: only the answers' tokens are weighed."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from companion.data.fingerprint import digest
from companion.data.order import shuffled_items
from companion.finetune.conversations import Conversation, encode_conversation
from companion.models import ChatTokenizer
from companion.models.checks import IGNORED

Row = tuple[Int[Tensor, " time"], Int[Tensor, " time"]]  # tokens, and each one's next where that is an answer's
Rows = tuple[Int[Tensor, "batch time"], Int[Tensor, "batch time"]]


class ChatBatches:
    """Batches of conversations: tokens, and as targets the answers' tokens; what was asked, and padding, is -100.

    A batch is as long as its longest conversation. :meth:`companion.models.GPT.loss` is then the mean over the tokens
    of answers, and its ``n_targets`` counts these: a long answer weighs more than a short one, and what users said
    nothing.

    Args:
        tokenizer: with the chat template that the model was trained by.
        train: conversations, as :func:`read_conversations` gives them.
        validation: others; none where it is left out.
        block_size: the most tokens that the model sees; a longer conversation is refused, not cut, for the answer may
            stand in what would be cut off.

    Raises:
        ImportError: where Jinja2 is not installed.
        ValueError: for no conversation, one that is too long, or as :func:`encode_conversation`, naming the row.

    Example:
        >>> from companion.data import train_tokenizer
        >>> template = "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}<|endoftext|>{% endfor %}"
        >>> template += "{% if add_generation_prompt %}a:{% endif %}"
        >>> tokenizer = ChatTokenizer(train_tokenizer(["a text"], 257), template, {"eos_token": "<|endoftext|>"})
        >>> chat = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
        >>> tokens, targets = ChatBatches(tokenizer, [chat], block_size=64).batch(0, 1, seed=0)
        >>> tokenizer.decode(targets[targets != -100])
        '4<|endoftext|>'
    """

    def __init__(
        self,
        tokenizer: ChatTokenizer,
        train: Sequence[Conversation],
        validation: Sequence[Conversation] = (),
        *,
        block_size: int,
    ) -> None:
        if not train:
            raise ValueError("expected at least one conversation to train on, got none")
        self.train = [_row(tokenizer, chat, f"train[{i}]", block_size) for i, chat in enumerate(train)]
        self.validation_set = [
            _row(tokenizer, chat, f"validation[{i}]", block_size) for i, chat in enumerate(validation)
        ]

    def batch(self, step: int, batch_size: int, *, seed: int) -> Rows:
        """The conversations that training step ``step`` sees."""
        return _stacked([self.train[i] for i in shuffled_items(len(self.train), step, batch_size, seed=seed)])

    def fingerprint(self) -> dict[str, Any]:
        """What tells these batches from others."""
        sets = {"train": self.train, "validation": self.validation_set}
        return {name: _digests(rows) for name, rows in sets.items() if rows}

    def validation(self, batch_size: int) -> Iterator[Rows]:
        """All validation conversations, in order."""
        for first in range(0, len(self.validation_set), batch_size):
            yield _stacked(self.validation_set[first : first + batch_size])


def _row(tokenizer: ChatTokenizer, chat: Conversation, name: str, block_size: int) -> Row:
    try:
        tokens, learned = encode_conversation(tokenizer, chat)
    except ValueError as error:
        raise ValueError(f"{error} (in {name})") from error
    end = len(tokens) - learned[::-1].index(True)  # what comes behind the last answer teaches nothing
    if end - 1 > block_size:
        raise ValueError(f"expected conversations of at most {block_size} tokens, got {end - 1} in {name}: shorten it")
    whole, counted = torch.tensor(tokens[:end]), torch.tensor(learned[:end])
    return whole[:-1], whole[1:].masked_fill(~counted[1:], IGNORED)


def _digests(rows: Sequence[Row]) -> list[str]:
    tokens, targets = zip(*rows, strict=True)
    lengths = torch.tensor([len(row) for row in tokens])
    return [digest(lengths), digest(torch.cat(tokens)), digest(torch.cat(targets))]


def _stacked(rows: Sequence[Row]) -> Rows:
    tokens, targets = map(list, zip(*rows, strict=True))
    return pad_sequence(tokens, batch_first=True), pad_sequence(targets, batch_first=True, padding_value=IGNORED)
