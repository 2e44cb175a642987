"""Text of files, as a terminal may show it."""

import unicodedata


def plain(text: str) -> str:
    """The text without characters that steer a terminal."""
    return "".join(letter if unicodedata.category(letter)[0] != "C" else "?" for letter in text)
