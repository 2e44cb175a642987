"""Data sets that load with no network, and batches of them."""

from companion.data.corpora import PACKAGES, Document, docstrings, split_by_module
from companion.data.tensors import TensorBatches
from companion.data.tokens import (
    TokenBatches,
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
    "byte_lengths",
    "docstrings",
    "encode",
    "load_tokenizer",
    "open_tokens",
    "save_tokens",
    "split_by_module",
    "train_tokenizer",
]
