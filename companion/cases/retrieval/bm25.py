r"""BM25: texts ranked by the words that they share with a question (Robertson et al. 1994), as Lucene computes it."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.sparse import csc_array

from companion.cases.retrieval.words import as_texts, words


class BM25:
    r"""Scores of texts for a question.

    With :math:`f` occurrences of a word in a text of :math:`l` words, :math:`\bar l` the mean length, :math:`N` texts
    and :math:`n` of them with the word,

    .. math:: \text{score} = \sum_{\text{words}} \ln\Bigl(1 + \frac{N - n + \frac12}{n + \frac12}\Bigr)
        \frac{f}{f + k_1 (1 - b + b \, l / \bar l)}.

    A rare word counts more; a second occurrence counts less than the first; a long text has to earn its matches. This
    is Lucene's formula since version 8, without the factor :math:`k_1 + 1`, which changes no order. Lucene rounds
    lengths above 40 words to one byte; we do not. A word that stands twice in the question counts twice.

    Args:
        texts: at least one.
        k1: how slowly further occurrences saturate, at least 0.
        b: how much length counts, from 0 to 1.

    Raises:
        ValueError: for no text, for what is no text, or for numbers outside their range.

    Source:
        Robertson and Zaragoza 2009, *Foundations and Trends in Information Retrieval* 3; Kamphuis, de Vries, Boytsov
        and Lin 2020, ECIR, on the variants.

    >>> index = BM25(["the door is locked", "the lamp is on", "unlock the front door"])
    >>> index.scores("is the door locked").round(3)
    array([0.934, 0.274, 0.274])
    """

    def __init__(self, texts: Sequence[str], *, k1: float = 1.2, b: float = 0.75) -> None:
        texts = as_texts(texts)
        if not (k1 >= 0 and 0 <= b <= 1 and math.isfinite(k1)):
            raise ValueError(f"expected k1 of at least 0 and b from 0 to 1, got k1={k1} and b={b}")
        self._columns: dict[str, int] = {}
        rows: list[int] = []
        columns: list[int] = []
        counts: list[int] = []
        lengths: list[int] = []
        for row, text in enumerate(texts):
            found = Counter(words(text))
            lengths.append(found.total())
            rows += [row] * len(found)
            columns += [self._columns.setdefault(word, len(self._columns)) for word in found]
            counts += found.values()
        f, length = np.array(counts, dtype=np.float64), np.array(lengths, dtype=np.float64)
        row_of, column_of = np.array(rows, dtype=int), np.array(columns, dtype=int)
        holding = np.bincount(column_of, minlength=len(self._columns))
        idf = np.log1p((len(texts) - holding + 0.5) / (holding + 0.5))
        relative = length / max(length.mean(), 1.0)  # texts of no words at all: nothing is scored
        weights = idf[column_of] * f / (f + k1 * (1 - b + b * relative[row_of]))
        shape = (len(texts), len(self._columns))
        self._weights = csc_array((weights, (row_of, column_of)), shape=shape)
        self._idf = idf
        self._idf_unseen = math.log1p((len(texts) + 0.5) / 0.5)

    def scores(self, question: str) -> Float[np.ndarray, " texts"]:
        """The score of each text, 0 where it shares no word with the question."""
        counts = np.zeros(self._weights.shape[1])
        for word, count in Counter(words(question)).items():
            if word in self._columns:
                counts[self._columns[word]] = count
        return self._weights @ counts

    def most(self, question: str) -> float:
        """What a text of endless repetitions of the question would score: the sum of its words' rarity.

        Words that no text has count, and most of all: what is asked for is not there.
        """
        return sum(
            float(self._idf[self._columns[word]]) if word in self._columns else self._idf_unseen
            for word in words(question)
        )
