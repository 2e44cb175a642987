"""A language-modelling data set from installed packages: tokenizer, tokens, and which module each token is from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int
from tokenizers import Tokenizer

from companion.data.corpora import PACKAGES, docstrings, split_by_module
from companion.data.tokens import (
    Tokens,
    byte_lengths,
    encode,
    load_tokenizer,
    open_tokens,
    save_tokens,
    train_tokenizer,
)


@dataclass(frozen=True)
class TokenCorpus:
    """Training and validation tokens of text that no module shares.

    Attributes:
        tokenizer: learnt from the training text alone.
        train: training tokens.
        validation: validation tokens.
        validation_module: a number for the module that each validation token is from, counting from 0.
    """

    tokenizer: Tokenizer
    train: Tokens
    validation: Tokens
    validation_module: Int[np.ndarray, " time"]

    @property
    def validation_bytes(self) -> Int[np.ndarray, " time"]:
        """How many bytes of text each validation token stands for."""
        return byte_lengths(self.tokenizer)[self.validation]


def token_corpus(
    packages: Sequence[str] = PACKAGES, *, vocab_size: int, validation_fraction: float = 0.1, seed: int = 0
) -> TokenCorpus:
    """The docstrings of ``packages``, split by module and encoded by a tokenizer of their own.

    Raises:
        ValueError: as :func:`docstrings`, :func:`split_by_module` and :func:`train_tokenizer`.
    """
    train, validation = split_by_module(docstrings(packages), validation_fraction=validation_fraction, seed=seed)
    tokenizer = train_tokenizer([document.text for document in train], vocab_size)
    tokens = encode(tokenizer, [document.text for document in validation])
    _, module = np.unique([document.module for document in validation], return_inverse=True)
    ends = np.flatnonzero(tokens == 0)  # each document ends with token 0, and holds no other
    return TokenCorpus(
        tokenizer=tokenizer,
        train=encode(tokenizer, [document.text for document in train]),
        validation=tokens,
        validation_module=np.repeat(module, np.diff(ends, prepend=-1)),
    )


_FILES = ("train.npy", "validation.npy", "validation_module.npy")


def save_corpus(corpus: TokenCorpus, folder: str | Path, about: dict[str, object]) -> None:
    """Writes a corpus as token files and ``tokenizer.json``, and last ``corpus.json``, which says how it was made."""
    folder = Path(folder)
    for name in _FILES:
        save_tokens(getattr(corpus, name.removesuffix(".npy")), folder / name)
    corpus.tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "corpus.json").write_text(json.dumps(about, indent=2) + "\n")


def open_corpus(folder: str | Path, about: dict[str, object]) -> TokenCorpus | None:
    """The corpus in ``folder``, mapped from disk; None where there is none.

    Raises:
        ValueError: where it was made otherwise than ``about`` says.
        FileNotFoundError: where one of its files is missing.
    """
    folder = Path(folder)
    if not (folder / "corpus.json").is_file():
        return None
    found = json.loads((folder / "corpus.json").read_text())
    if found != json.loads(json.dumps(about)):
        raise ValueError(f"expected a corpus made with {about} in {folder}, got {found}: use another folder")
    tokens = {name.removesuffix(".npy"): open_tokens(folder / name) for name in _FILES}
    return TokenCorpus(tokenizer=load_tokenizer(folder / "tokenizer.json"), **tokens)
