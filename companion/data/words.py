"""A synthetic corpus in which analogies are planted, and skip-gram's pairs for :func:`companion.training.fit`."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from companion.data.fingerprint import digest
from companion.data.order import shuffled_items

Words = Int[np.ndarray, " time"]
Pairs = tuple[Int[Tensor, " batch"], Int[Tensor, " batch"], Int[Tensor, "batch noise"]]  # centers, contexts, negatives
_NONE = np.empty(0, dtype=np.int64)

#: Relations by the names of their two sides, and pairs of words that stand in them.
RELATIONS = {
    ("country", "capital"): (
        "france paris", "japan tokyo", "kenya nairobi", "peru lima", "norway oslo", "egypt cairo", "cuba havana",
        "china beijing", "italy rome", "austria vienna", "ghana accra",
    ),
    ("singular", "plural"): (
        "cat cats", "tree trees", "child children", "mouse mice", "house houses", "river rivers", "foot feet",
        "book books", "leaf leaves", "star stars", "knife knives",
    ),
}  # fmt: skip
_NEIGHBORS = 3  # words that belong to each pair, and to each side


@dataclass(frozen=True)
class PlantedCorpus:
    """What :func:`planted_corpus` returns.

    Attributes:
        tokens: the text, as numbers of words.
        vocabulary: the words by number.
        analogies: questions, a row each: a is to b as c is to d.

    Example:
        >>> corpus = planted_corpus(sentences=1)
        >>> " ".join(corpus.vocabulary[word] for word in corpus.tokens)
        'plural.0 book.0 books book.0 book.2'
    """

    tokens: Words
    vocabulary: tuple[str, ...]
    analogies: Int[np.ndarray, "question 4"]


def planted_corpus(*, sentences: int = 20_000, seed: int = 0) -> PlantedCorpus:
    """A synthetic corpus, no natural language: sentences of five words, whose middle one stands in a planted relation.

    A sentence draws one of the pairs of ``RELATIONS`` and one of its sides. Its middle word is the pair's word on
    that side. The four others are drawn, each by a fair coin, from words that belong to the pair (``france.0`` occurs
    around both *france* and *paris*) or to the side (``capital.1`` occurs around every capital). What is told of a word
    is thus told of its pair or of its side: what analogies by vector arithmetic suppose.

    Args:
        sentences: how many.
        seed: of all draws.

    Returns:
        The corpus. Its questions are all ordered pairs of pairs of a relation, asked from the first side to the second.

    Raises:
        ValueError: where ``sentences`` is below 1.

    Example:
        >>> corpus = planted_corpus(sentences=100)
        >>> len(corpus.tokens)
        500
        >>> [corpus.vocabulary[word] for word in corpus.analogies[0]]  # a is to b as c is to d
        ['france', 'paris', 'japan', 'tokyo']
    """
    if sentences < 1:
        raise ValueError(f"expected at least one sentence, got sentences={sentences}")
    members, around, questions = _planted_words()
    vocabulary = np.unique(np.concatenate([members.ravel(), around.ravel()]))
    rng = np.random.default_rng(seed)
    pair, side = rng.integers(len(members), size=(sentences, 1)), rng.integers(2, size=(sentences, 1))
    source, which = rng.integers(2, size=(sentences, 4)), rng.integers(_NEIGHBORS, size=(sentences, 4))
    others, middle = around[pair, side, source, which], members[pair, side]
    text = np.concatenate([others[:, :2], middle, others[:, 2:]], axis=1).ravel()
    number = vocabulary.searchsorted  # the vocabulary is sorted
    return PlantedCorpus(number(text), tuple(vocabulary.tolist()), number(questions))


def _planted_words() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Members [pair, side], the words around them [pair, side, pair's or side's, word], questions [question, 4]."""
    members, around, questions = [], [], []
    for sides, pairs in RELATIONS.items():
        words = [pair.split() for pair in pairs]
        for first, _ in words:
            around.append([(_numbered(first), _numbered(side)) for side in sides])
        members += words
        questions += [a + c for a, c in permutations(words, 2)]
    return np.array(members), np.array(around), np.array(questions)


def _numbered(word: str) -> list[str]:
    return [f"{word}.{i}" for i in range(_NEIGHBORS)]


class SkipGramBatches:
    r"""Pairs of neighboring words, each with words drawn from the noise distribution (Mikolov et al. 2013, NIPS).

    A word of frequency f stays with probability :math:`\min(1, \sqrt{t / f})` (equation 5); neighbors are counted in
    what is left. Each word that is left is the center of one pair an epoch, but for the first and last ``window``. Its
    context lies d = 1 … ``window`` words before or after, d with a probability in proportion to ``window`` + 1 − d, as
    under windows of random size (Mikolov et al. 2013, ICLR workshop, section 3.2). Noise has a probability in
    proportion to :math:`f^{3/4}` (section 2.2).

    Departure: words are left out once, not anew each epoch, so that a batch depends on its step alone.

    Args:
        train: the training text, as numbers of words.
        validation: the validation text; empty for none. Frequencies are those of ``train``.
        window: largest distance of a pair, in words.
        negatives: noise words a pair.
        subsample: t, a frequency; 1 leaves every word in.
        seed: of which words stay, and of validation's pairs and noise.

    Raises:
        ValueError: for a number out of its range, or a text that is no text or too short for one pair.

    Example:
        >>> batches = SkipGramBatches(planted_corpus(sentences=100).tokens, negatives=3, subsample=1.0)
        >>> [tensor.shape for tensor in batches.batch(0, 8, seed=0)]  # centers, contexts, noise
        [torch.Size([8]), torch.Size([8]), torch.Size([8, 3])]
    """

    def __init__(
        self,
        train: Words,
        validation: Int[np.ndarray, " validation_time"] = _NONE,
        *,
        window: int = 5,
        negatives: int = 5,
        subsample: float = 1e-3,
        seed: int = 0,
    ) -> None:
        if window < 1 or negatives < 1 or not 0 < subsample <= 1:
            got = f"{window}, {negatives} and {subsample}"
            raise ValueError(f"expected window and negatives of at least 1 and subsample in (0, 1], got {got}")
        _check_words(train=train, validation=validation)
        self.window, self.negatives, self.seed = window, negatives, seed
        counts = np.bincount(train, minlength=int(validation.max(initial=0)) + 1)
        stays = np.sqrt(subsample * len(train) / np.maximum(counts, 1))
        rng = np.random.default_rng(seed)
        self.train, self.validation_words = (text[rng.random(len(text)) < stays[text]] for text in (train, validation))
        for name, text, needed in (("training", self.train, True), ("validation", self.validation_words, False)):
            if len(text) <= 2 * window and (needed or len(text)):
                raise ValueError(
                    f"expected more than 2 * window = {2 * window} {name} words after subsampling, got {len(text)}: "
                    f"give more text, a smaller window or a larger subsample"
                )
        self._counts, self._cumulative = counts, np.cumsum(counts**0.75)
        self._distances = np.repeat(np.arange(1, window + 1), np.arange(window, 0, -1))

    def batch(self, step: int, batch_size: int, *, seed: int) -> Pairs:
        """Centers, contexts and noise of training step ``step``."""
        centers = shuffled_items(len(self.train) - 2 * self.window, step, batch_size, seed=seed) + self.window
        return self._pairs(self.train, centers, np.random.default_rng([seed, step, 1]))

    def fingerprint(self) -> dict[str, Any]:
        """What tells these batches from others."""
        return {
            "window": self.window,
            "negatives": self.negatives,
            "seed": self.seed,
            "train": digest(self.train),
            "validation": digest(self.validation_words),
            "counts": digest(self._counts),
        }

    def validation(self, batch_size: int) -> Iterator[Pairs]:
        """One pair of each word of the validation text, in order; the same pairs and noise each time."""
        centers = np.arange(self.window, len(self.validation_words) - self.window)
        if len(centers):
            pairs = self._pairs(self.validation_words, centers, np.random.default_rng(self.seed))
            yield from zip(*(words.split(batch_size) for words in pairs), strict=True)

    def _pairs(self, text: Words, centers: Int[np.ndarray, " batch"], rng: np.random.Generator) -> Pairs:
        """A context and noise for the words at these places."""
        distance = rng.choice(self._distances, size=len(centers)) * rng.choice([-1, 1], size=len(centers))
        places = rng.random((len(centers), self.negatives)) * self._cumulative[-1]
        noise = self._cumulative.searchsorted(places, side="right")  # right: no word of probability 0
        return _as_tensor(text[centers]), _as_tensor(text[centers + distance]), _as_tensor(noise)


def _as_tensor(words: np.ndarray) -> Tensor:
    return torch.from_numpy(words.astype(np.int64))


def _check_words(**texts: np.ndarray) -> None:
    for name, text in texts.items():
        if text.ndim != 1 or text.dtype.kind not in "ui" or text.min(initial=0) < 0:
            got = f"{text.dtype} of shape {text.shape} from {text.min(initial=0)}"
            raise ValueError(f"expected {name} to be numbers of words from 0, in one dimension, got {got}")
