"""Text of tokens that come one at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence


def pieces(decode: Callable[[list[int]], str], written: Iterable[int], *, before: Sequence[int] = ()) -> Iterator[str]:
    """The text of some tokens, then of those that are written, as soon as characters are whole; joined, it is all.

    One character of three bytes may be three tokens.
    """
    tokens, text = list(before), decode(list(before))
    yield text
    shown = len(text)
    for token in written:
        tokens.append(token)
        text = decode(tokens)
        whole = len(text.rstrip("\ufffd"))
        yield text[shown:whole]
        shown = max(shown, whole)
    yield text[shown:]
