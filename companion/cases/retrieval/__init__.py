"""Questions answered from documents: found by words and by meaning, quoted with their source, or not answered."""

from companion.cases.retrieval.abstention import Abstention, selective_answers
from companion.cases.retrieval.bm25 import BM25
from companion.cases.retrieval.dense import DenseIndex
from companion.cases.retrieval.fusion import reciprocal_rank_fusion
from companion.cases.retrieval.library import Library, QuotedAnswer, book_rule
from companion.cases.retrieval.passages import Passage, book_passages, folder_passages
from companion.cases.retrieval.words import words
from companion.cases.retrieval.writing import PROMPTS, write_answer

__all__ = [
    "BM25",
    "PROMPTS",
    "Abstention",
    "DenseIndex",
    "Library",
    "Passage",
    "QuotedAnswer",
    "book_passages",
    "book_rule",
    "folder_passages",
    "reciprocal_rank_fusion",
    "selective_answers",
    "words",
    "write_answer",
]
