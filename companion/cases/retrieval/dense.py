"""Texts ranked by what they mean: vectors of sentences, compared by the cosine of their angle."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from tokenizers import Tokenizer

from companion.cases.retrieval.words import as_texts
from companion.models import SentenceEncoder, embed_texts


class DenseIndex:
    r"""Cosines of texts and a question, whose vectors come from one encoder.

    .. math:: \text{score} = e(\text{text}) \cdot e(\text{question}), \qquad \lVert e \rVert = 1.

    Unlike BM25 it finds a text that shares no word with the question, and it has no score that means 'nothing fits'.
    The encoder cuts texts at its limit, for :func:`companion.models.minilm` 256 tokens.

    Args:
        texts: at least one.
        encoder: a model and its tokenizer, such as :func:`companion.models.minilm` gives.

    Raises:
        ValueError: for no text, and for what is no text.

    Source:
        Karpukhin et al. 2020, EMNLP (dense passage retrieval); Reimers and Gurevych 2019, EMNLP (sentence vectors).

    >>> from companion.models import minilm
    >>> index = DenseIndex(["The invoice is due.", "The cat sleeps."], minilm())
    >>> int(index.scores("When do I have to pay the bill?").argmax())
    0
    """

    def __init__(self, texts: Sequence[str], encoder: tuple[SentenceEncoder, Tokenizer]) -> None:
        self._encoder = encoder
        #: Vectors of the texts, of length 1 ``[texts, width]``.
        self.vectors: Float[np.ndarray, "texts width"] = _embedded(texts, encoder)

    def scores(self, question: str) -> Float[np.ndarray, " texts"]:
        """The cosine of each text with the question, from -1 to 1."""
        return self.vectors @ _embedded([question], self._encoder)[0]


def _embedded(texts: Sequence[str], encoder: tuple[SentenceEncoder, Tokenizer]) -> Float[np.ndarray, "texts width"]:
    """Vectors of texts; those of similar length go through the model together, which leaves little padding."""
    listed = as_texts(texts)
    order = np.argsort([len(text) for text in listed], kind="stable")
    found = embed_texts(*encoder, [listed[place] for place in order]).cpu().numpy()
    vectors = np.empty_like(found)
    vectors[order] = found
    return vectors
