r"""Word error rate: how many words must be put right, for each word that was said.

.. math::

    \mathrm{WER} = \frac{S + D + I}{N}

substitutions, deletions and insertions on the cheapest way from what was heard to what was said, over the number of
words said. It can exceed 1.
"""

from collections.abc import Sequence


def word_errors(said: str, heard: str) -> int:
    """Substitutions, deletions and insertions between two texts: Levenshtein's distance of their words.

    Example:
        >>> word_errors("turn on the kitchen light", "turn off the light")
        2
    """
    row = list(range(len(heard.split()) + 1))
    for i, word in enumerate(said.split(), start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard.split(), start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def wer(said: Sequence[str], heard: Sequence[str]) -> float:
    """The word error rate over all texts together: long ones count more.

    Raises:
        ValueError: for a text in place of a list, lists of different lengths, or no word said at all.

    Example:
        >>> wer(["lamp on", "unlock"], ["lamp off", "unlock"])
        0.3333333333333333
    """
    if isinstance(said, str) or isinstance(heard, str):  # whose letters would be taken for texts
        raise ValueError("expected lists of texts, got a text: put each into a list, wer([said], [heard])")
    n = sum(len(text.split()) for text in said)
    if len(said) != len(heard) or not n:
        raise ValueError(
            f"expected as many heard as said texts, with words, got {len(heard)} and {len(said)}, {n} words"
        )
    return sum(map(word_errors, said, heard)) / n
