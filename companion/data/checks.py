"""Refusing what is no list of texts, and what is no text."""

from collections.abc import Iterable, Iterator


def refuse_bare_text(name: str, values: object, *, of: str = "texts") -> None:
    """Refuses one text where several are meant: it would be read as a list of its characters.

    Raises:
        ValueError: naming the argument, and what to write.
    """
    if isinstance(values, str | bytes):
        shown = repr(values if len(values) < 40 else values[:37]) + ("" if len(values) < 40 else "…")
        raise ValueError(f"expected {name} as a list of {of}, got one {type(values).__name__}: write [{shown}]")


def checked_texts(texts: Iterable[str]) -> Iterator[str]:
    """The texts one by one, so that they may be more than memory holds.

    Raises:
        ValueError: where one of them holds half of a surrogate pair, which no encoding can write; or is no text.
    """
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"expected texts, got {type(text).__name__} at place {place}: {text!r}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"expected Unicode text, got half of a surrogate pair ({text[error.start]!r}) at character "
                f"{error.start} of text {place}: read its bytes in their own encoding, or with errors='replace'"
            ) from error
        yield text
