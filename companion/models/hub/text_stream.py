"""Tokens to text as they come: whole characters only, and nothing from a stop text on."""

from collections.abc import Callable, Iterable, Iterator, Sequence

_BROKEN = "\ufffd"


class TextStream:
    """The text of tokens that arrive one at a time.

    Args:
        decode: the tokenizer's; its text of more tokens begins with that of fewer, but for broken characters.
        stop: texts that end the answer; none of them is given out, not even its beginning.
        before: tokens that stand before, whose text :attr:`before` is given out already.

    Raises:
        ValueError: for an empty stop text.

    Example:
        >>> from companion.data import train_tokenizer
        >>> tokenizer = train_tokenizer(["é"], 257)
        >>> stream = TextStream(tokenizer.decode)
        >>> [stream.push(token) for token in tokenizer.encode("aé").ids]  # é is two tokens
        ['a', '', 'é']
    """

    def __init__(
        self, decode: Callable[[list[int]], str], stop: Sequence[str] = (), *, before: Sequence[int] = ()
    ) -> None:
        if not all(stop):
            raise ValueError("expected stop texts with at least one character each, got an empty one")
        self._decode, self._stop, self._tokens = decode, tuple(stop), list(before)
        #: What the tokens before say.
        self.before = self._text() if before else ""
        self._given = len(self.before)
        self.stopped = False

    def push(self, token: int) -> str:
        """What may be given out now that this token is there."""
        self._tokens.append(token)
        text = self._text()
        ends = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        self.stopped = bool(ends)
        return self._give(text, min(ends) if ends else self._safe(text))

    def flush(self) -> str:
        """What was held back: no more tokens come."""
        text = self._text()
        return "" if self.stopped else self._give(text, len(text))

    def pieces(self, tokens: Iterable[int]) -> Iterator[str]:
        """The text of all of them, as it comes; joined, it is what they say."""
        for token in tokens:
            yield self.push(token)
        yield self.flush()

    def _text(self) -> str:
        return self._decode(self._tokens)

    def _safe(self, text: str) -> int:
        """How much of the text no later token can change, and holds no beginning of a stop text at its end."""
        whole = len(text.rstrip(_BROKEN))
        begun = [n for stop in self._stop for n in range(1, len(stop)) if text[:whole].endswith(stop[:n])]
        return whole - max(begun, default=0)

    def _give(self, text: str, end: int) -> str:
        new = text[self._given : end]
        self._given = max(self._given, end)
        return new
