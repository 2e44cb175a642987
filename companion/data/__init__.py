"""Data sets that load with no network, and batches of them."""

from companion.data.corpora import PACKAGES, Document, docstrings, split_by_module
from companion.data.language import TokenCorpus, open_corpus, save_corpus, token_corpus
from companion.data.tensors import TensorBatches
from companion.data.tokens import (
    TokenBatches,
    as_batch,
    byte_lengths,
    encode,
    load_tokenizer,
    open_tokens,
    save_tokens,
    train_tokenizer,
)

__all__ = [
    "PACKAGES",
    "Document",
    "TensorBatches",
    "TokenBatches",
    "TokenCorpus",
    "as_batch",
    "byte_lengths",
    "docstrings",
    "encode",
    "load_tokenizer",
    "open_corpus",
    "open_tokens",
    "save_corpus",
    "save_tokens",
    "split_by_module",
    "token_corpus",
    "train_tokenizer",
]
