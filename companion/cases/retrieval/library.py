"""Passages that can be asked: found by words, ordered by words and meaning, quoted."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from companion.cases.retrieval.abstention import Abstention, selective_answers
from companion.cases.retrieval.bm25 import BM25
from companion.cases.retrieval.dense import DenseIndex
from companion.cases.retrieval.passages import Passage, book_passages, folder_passages
from companion.cases.retrieval.words import words
from companion.models import SentenceEncoder, minilm

#: The most letters of a question.
QUESTION_LETTERS = 1_000
#: How many passages that share words with a question are read for their meaning.
CANDIDATES = 32

_IS_QUESTION = re.compile(r"[?？]\W*$")
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+(?=[^a-z])|(?<=[。！？])")


@dataclass(frozen=True)
class QuotedAnswer:
    """What a library answers.

    Attributes:
        question: as it was asked.
        known: whether the best passage fits well enough; where not, the answer is 'I do not know'.
        quote: the sentence of that passage that is nearest to the question, word for word, and no question itself where
            there is another; empty without a passage.
        passage: the best passage, also where it does not fit well enough; ``None`` where none shares a word.
        fit: of that passage, from -1 to 2.
        threshold: what ``fit`` has to exceed.
    """

    question: str
    known: bool
    quote: str
    passage: Passage | None
    fit: float
    threshold: float


class Library:
    r"""Passages, and the answers that they hold.

    Of the ``CANDIDATES`` passages that BM25 ranks first, the best has the largest

    .. math:: \text{fit} = \cos(\text{question}, \text{passage}) + \text{BM25} / \text{the most that BM25 can give},

    the agreement of meaning and the part of the question's words, weighted by rarity, that the passage has. Both were
    chosen on questions about other texts, SQuAD's.

    Args:
        passages: at least one.
        encoder: a sentence encoder and its tokenizer; by default :func:`companion.models.minilm`.

    Raises:
        ValueError: for no passage.
        FileNotFoundError: where the encoder's weights are not installed.

    >>> library = Library([Passage("faq.md", "FAQ", "Returns", "Send it back within 30 days. We pay the postage.")])
    >>> answer = library.ask("Who pays the postage when I send it back?", threshold=0.5)
    >>> answer.known, answer.quote
    (True, 'We pay the postage.')
    >>> library.ask("Who wrote Faust?").passage is None
    True
    """

    def __init__(
        self, passages: Sequence[Passage], *, encoder: tuple[SentenceEncoder, Tokenizer] | None = None
    ) -> None:
        self.passages = list(passages)
        self.index = BM25([f"{each.title} {each.heading} {each.text}" for each in self.passages])
        self._encoder = minilm() if encoder is None else encoder

    @classmethod
    def of_book(cls) -> "Library":
        """This book's chapters as they are now; errors as :func:`book_passages`."""
        return cls(book_passages())

    @classmethod
    def of_folder(cls, folder: str | Path) -> "Library":
        """One's own documents as they are now; errors as :func:`folder_passages`."""
        return cls(folder_passages(folder))

    def ask(self, question: str, *, threshold: float | None = None) -> QuotedAnswer:
        """The best passage and its quote, or that nothing fits.

        Args:
            question: is text and nothing else: what it may contain of code or commands is looked up as words.
            threshold: what the fit has to exceed; by default that of :func:`book_rule`, found with questions on this
                book. Documents of one's own need :meth:`calibrate` for a promise.

        Raises:
            ValueError: for a question without words, or longer than ``QUESTION_LETTERS``.
        """
        if not words(question) or len(question) > QUESTION_LETTERS:
            raise ValueError(
                f"expected a question of some words and at most {QUESTION_LETTERS:,} letters, got {len(question):,} "
                f"letters"
            )
        limit = book_rule().threshold if threshold is None else threshold
        place, fit = self._best(question)
        if place is None:
            return QuotedAnswer(question, False, "", None, fit, limit)
        passage = self.passages[place]
        return QuotedAnswer(question, fit > limit, self._quote(question, passage), passage, fit, limit)

    def calibrate(self, questions: Sequence[tuple[str, str | None]], *, risk: float = 0.05) -> Abstention:
        """The rule that keeps P(answered and wrong) to ``risk``, by :func:`selective_answers`.

        Args:
            questions: each with the source that answers it, or ``None`` where no document does.
            risk: bound on the risk, for questions like these.

        Raises:
            ValueError: as :meth:`ask` and :func:`selective_answers`, or for a source that no passage has.
        """
        known = {passage.source for passage in self.passages}
        if missing := {source for _, source in questions if source is not None} - known:
            raise ValueError(f"expected sources among the documents {sorted(known)[:3]}…, got {sorted(missing)[:3]}")
        answers = [self.ask(question, threshold=-math.inf) for question, _ in questions]
        wrong = [
            answer.passage is None or answer.passage.source != source
            for answer, (_, source) in zip(answers, questions, strict=True)
        ]
        return selective_answers([answer.fit for answer in answers], wrong, risk=risk)

    def _best(self, question: str) -> tuple[int | None, float]:
        """The place of the best passage, and its fit."""
        scores = self.index.scores(question)
        places = np.argsort(-scores, kind="stable")[:CANDIDATES]
        places = places[scores[places] > 0]
        if not len(places):
            return None, -1.0
        meaning = DenseIndex([f"{self.passages[i].heading}: {self.passages[i].text}" for i in places], self._encoder)
        fits = meaning.scores(question) + scores[places] / self.index.most(question)
        best = int(fits.argmax())
        return int(places[best]), float(fits[best])

    def _quote(self, question: str, passage: Passage) -> str:
        sentences = [part for part in _SENTENCE_END.split(passage.text) if words(part)] or [passage.text]
        sentences = [part for part in sentences if not _IS_QUESTION.search(part)] or sentences
        return sentences[int(DenseIndex(sentences, self._encoder).scores(question).argmax())].strip()


def book_rule() -> Abstention:
    """The rule for questions on this book, calibrated with those of ``book/recorded/language_app/questions.jsonl``."""
    path = Path(__file__).with_name("rule.json")
    return Abstention(**json.loads(path.read_text(encoding="utf-8")))
