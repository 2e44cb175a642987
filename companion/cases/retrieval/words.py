"""Texts as lists of words, for an index that counts them."""

import re
from collections.abc import Iterable

# A Chinese character is a word of its own, as in Lucene's StandardAnalyzer; in other scripts a run of letters and
# digits is.
_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_HAN}]|(?:(?![{_HAN}])[^\W_])+")


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation; each Chinese character is one.

    >>> words("How do I use K-means (K均值)?")
    ['how', 'do', 'i', 'use', 'k', 'means', 'k', '均', '值']
    """
    return _WORD.findall(text.lower())


def as_texts(texts: Iterable[str]) -> list[str]:
    """The texts in order, whatever their index; what is no text, such as a missing one, is refused with its place.

    Raises:
        ValueError: for one text in place of a list, for none, and for what is no text.
    """
    listed = [] if isinstance(texts, str) else list(texts)
    if not listed:
        raise ValueError(f"expected a list of at least one text to index, got {texts!r}")
    if wrong := [place for place, text in enumerate(listed) if not isinstance(text, str)]:
        raise ValueError(f"expected texts to index, got {listed[wrong[0]]!r} at place {wrong[0]}: drop it, or write ''")
    return listed
