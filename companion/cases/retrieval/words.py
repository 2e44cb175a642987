"""Texts as lists of words, for an index that counts them."""

import re

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
