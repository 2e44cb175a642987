"""A conversation with an assistant that remembers what was said, as far as it fits."""

from collections.abc import Generator

import torch

from companion.models import GPT, ChatTokenizer
from companion.models.gpt_layers.writing import WritingOptions
from companion.models.hub.chat_template import Message
from companion.models.hub.text_stream import TextStream


class ChatSession:
    """What was said so far, and what the assistant says next.

    Args:
        model: the assistant.
        tokenizer: its tokenizer, with a chat template.
        system: what it is told before; None for what the template says by itself.
        max_new_tokens: an answer's tokens, at most.
        options: of :meth:`companion.models.GPT.generate`.
    """

    def __init__(
        self, model: GPT, tokenizer: ChatTokenizer, *, system: str | None, max_new_tokens: int, options: WritingOptions
    ) -> None:
        self._model, self._tokenizer, self._max_new, self._options = model, tokenizer, max_new_tokens, options
        self._system: list[Message] = [] if system is None else [{"role": "system", "content": system}]
        self._said: list[Message] = []
        #: How many questions it no longer knows, for want of room.
        self.forgotten = 0

    def answer(self, text: str) -> Generator[str, None, None]:
        """The assistant's answer in pieces, as they are written; what was written before a stop is remembered.

        Raises:
            ValueError: for a message that leaves no room for an answer; it is as if it had not been said.
        """
        said, tokens = self._fit([*self._said, {"role": "user", "content": text}])
        device = next(self._model.parameters()).device
        options: WritingOptions = {**self._options, "stop_tokens": self._tokenizer.stop_tokens}
        written = self._model.generate_stream(torch.tensor([tokens], device=device), self._max_new, **options)
        self.forgotten += (len(self._said) + 1 - len(said)) // 2
        answer: list[str] = []
        try:
            for piece in TextStream(self._decode).pieces(int(token) for token in written):
                answer.append(piece)
                yield piece
        finally:
            self._said = [*said, {"role": "assistant", "content": "".join(answer)}]

    def _fit(self, said: list[Message]) -> tuple[list[Message], list[int]]:
        """What has room, and its tokens; the oldest questions that have none are left out, with their answers."""
        room = self._model.config.block_size - self._max_new
        tokens = self._tokenizer.apply_chat_template([*self._system, *said], add_generation_prompt=True)
        if len(tokens) <= room:
            return said, tokens
        if len(said) == 1:
            raise ValueError(
                f"expected a message of at most {max(0, room)} tokens with what is told before, got {len(tokens)}: "
                f"shorten it, or lower --max-new-tokens"
            )
        return self._fit(said[2:])

    def _decode(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=True)
