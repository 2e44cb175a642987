"""A language-modeling data set from documents: tokenizer, tokens, and which module each token is from."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Int, Integer
from tokenizers import Tokenizer

from companion.data.corpora import PACKAGES, Document, docstrings, split_by_module
from companion.data.text import TextFiles, split_documents
from companion.data.token_files import Tokens, open_tokens, save_tokens, write_tokens
from companion.data.tokens import byte_lengths, end_of_text_id, load_tokenizer, train_tokenizer

_CHUNK = 64  # documents, or pieces of 16 KiB, that are encoded at once: their tokens take some 100 bytes each
_TOKENIZER_BYTES = 2**27  # of text: merges that more of it would change are rare


@dataclass(frozen=True)
class CorpusConfig:
    """Which text a language model learns from, and in how many tokens.

    Attributes:
        packages: installed packages whose docstrings are read where ``text`` is None; ``stdlib``: the standard library.
        text: file or folder of your own: UTF-8 text, a file a document; or ``.jsonl``, a line a document.
        field: of a JSON line, the field that holds the text.
        vocab_size: number of distinct tokens.
        seed: of the split into training and validation text, of the weights, and of the order of the data.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> CorpusConfig(packages=("numpy",), vocab_size=512).text is None
        True
        >>> CorpusConfig(vocab_size=100)  # refused
        Traceback (most recent call last):
        ValueError: expected vocab_size from 257 to 2097151, got 100
    """

    packages: tuple[str, ...] = PACKAGES
    text: str | None = None
    field: str = "text"
    vocab_size: int = 4_096
    seed: int = 0

    def __post_init__(self) -> None:
        if self.text == "" or (self.text is None and not self.packages):
            raise ValueError(f"expected text, or packages, got text={self.text!r} and packages={self.packages}")
        if not 257 <= self.vocab_size < 2**21:  # a trigram is one number of 63 bits
            raise ValueError(f"expected vocab_size from 257 to {2**21 - 1}, got {self.vocab_size}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"expected seed from 0 to {2**32 - 1}, got {self.seed}")


@dataclass(frozen=True)
class TokenCorpus:
    """Training and validation tokens of text that no module shares.

    Attributes:
        tokenizer: learned from the training text alone.
        train: training tokens.
        validation: validation tokens.
        validation_module: a number for the module that each validation token is from, counting from 0.

    Example:
        >>> from companion.data import encode
        >>> tokenizer = train_tokenizer(["a text"], 257)
        >>> tokens = encode(tokenizer, ["a", "text"])
        >>> corpus = TokenCorpus(tokenizer, tokens, tokens, np.array([0, 0, 1, 1, 1, 1, 1]))
        >>> bool(corpus.validation_bytes.sum() > 0), len(corpus.validation) == len(corpus.validation_module)
        (True, True)
    """

    tokenizer: Tokenizer
    train: Integer[np.ndarray, " train_time"]
    validation: Integer[np.ndarray, " time"]
    validation_module: Int[np.ndarray, " time"]

    @property
    def validation_bytes(self) -> Int[np.ndarray, " time"]:
        """How many bytes of text each validation token stands for."""
        return byte_lengths(self.tokenizer)[self.validation]


def token_corpus(
    packages: Sequence[str] = PACKAGES, *, vocab_size: int, validation_fraction: float = 0.1, seed: int = 0
) -> TokenCorpus:
    """The docstrings of ``packages``, split by module and encoded by a tokenizer of their own, in memory.

    Raises:
        ValueError: as :func:`docstrings`, :func:`split_by_module` and :func:`train_tokenizer`.

    Example:
        >>> corpus = token_corpus(["tqdm", "jaxtyping", "safetensors"], vocab_size=300)
        >>> corpus.tokenizer.decode(corpus.train[:5].tolist())
        'See tq'
    """
    train, validation = split_by_module(docstrings(packages), validation_fraction=validation_fraction, seed=seed)
    return _encoded(train, validation, vocab_size, lambda chunks, name: np.concatenate(list(chunks)))


def write_corpus(config: CorpusConfig, folder: str | Path) -> TokenCorpus:
    """The corpus that ``config`` asks for, written to ``folder`` as it is encoded, so that memory does not bound it.

    The tokenizer learns from the training text, or from every n-th piece of it where it is more than 128 MiB.

    Raises:
        FileNotFoundError: where there is no text.
        ValueError: where the text cannot be read or is too little.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("a", "b", "c", "d", "e"):
        ...     _ = (folder / f"{name}.txt").write_text(f"Page {name} holds text of its own. " * 20)
        >>> corpus = write_corpus(CorpusConfig(text=str(folder), vocab_size=270), folder / "tokens")
        >>> corpus.tokenizer.get_vocab_size(), len(corpus.train) > len(corpus.validation)
        (270, True)
    """
    folder, every = Path(folder), 1
    train: Iterable[Document]
    validation: Iterable[Document]
    if config.text is None:
        train, validation = split_by_module(docstrings(config.packages), seed=config.seed)
    else:
        train, validation = split_documents(TextFiles(config.text, field=config.field), seed=config.seed)
        every = -(-train.n_bytes // _TOKENIZER_BYTES)
    corpus = _encoded(
        train,
        validation,
        config.vocab_size,
        lambda chunks, name: open_tokens(write_tokens(chunks, folder / f"{name}.npy")),
        every=every,
    )
    save_tokens(corpus.validation_module, folder / "validation_module.npy")
    _say_how(folder, corpus.tokenizer, asdict(config))
    return corpus


def _encoded(
    train: Iterable[Document],
    validation: Iterable[Document],
    vocab_size: int,
    keep: Callable[[Iterator[Tokens], str], Tokens],
    *,
    every: int = 1,
) -> TokenCorpus:
    """The documents as tokens; ``keep`` takes the chunks of train and validation to where they stay."""
    modules = [document.module for document in validation if document.ends]
    if len(set(modules)) < 2:
        raise ValueError(
            f"expected validation text of at least 2 modules or documents, got {len(set(modules))}: give more"
        )
    tokenizer = train_tokenizer((document.text for document in islice(train, 0, None, every)), vocab_size)
    tokens = keep(_token_chunks(tokenizer, validation), "validation")
    _, module = np.unique(modules, return_inverse=True)
    ends = np.flatnonzero(tokens == end_of_text_id(tokenizer))
    return TokenCorpus(
        tokenizer=tokenizer,
        train=keep(_token_chunks(tokenizer, train), "train"),
        validation=tokens,
        validation_module=np.repeat(module, np.diff(ends, prepend=-1)),
    )


def _token_chunks(tokenizer: Tokenizer, documents: Iterable[Document]) -> Iterator[Tokens]:
    """The tokens of all documents in order, each followed by the end of text, as uint16 (uint32 past 65,536 tokens)."""
    dtype = np.uint16 if tokenizer.get_vocab_size() <= 2**16 else np.uint32
    end = [end_of_text_id(tokenizer)]
    left = iter(documents)
    while chunk := list(islice(left, _CHUNK)):
        encodings = tokenizer.encode_batch_fast([document.text for document in chunk], add_special_tokens=False)
        both = zip(encodings, chunk, strict=True)
        yield np.concatenate([np.array(e.ids + end * document.ends, dtype=dtype) for e, document in both])


_FILES = ("train.npy", "validation.npy", "validation_module.npy")


def save_corpus(corpus: TokenCorpus, folder: str | Path, about: dict[str, object]) -> None:
    """Writes a corpus as token files and ``tokenizer.json``, and last ``corpus.json``, which says how it was made.

    Example:
        >>> from companion.data import encode
        >>> import tempfile
        >>> tokenizer, folder = train_tokenizer(["a text"], 257), Path(tempfile.mkdtemp())
        >>> tokens = encode(tokenizer, ["a", "text"])
        >>> corpus = TokenCorpus(tokenizer, tokens, tokens, np.zeros(7, dtype=np.int64))
        >>> save_corpus(corpus, folder, {"text": "two words"})
        >>> sorted(path.name for path in folder.iterdir())
        ['corpus.json', 'tokenizer.json', 'train.npy', 'validation.npy', 'validation_module.npy']
    """
    folder = Path(folder)
    for name in _FILES:
        save_tokens(getattr(corpus, name.removesuffix(".npy")), folder / name)
    _say_how(folder, corpus.tokenizer, about)


def _say_how(folder: Path, tokenizer: Tokenizer, about: dict[str, object]) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    part = folder / "corpus.part"
    part.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    part.replace(folder / "corpus.json")


def open_corpus(folder: str | Path, about: dict[str, object]) -> TokenCorpus | None:
    """The corpus in ``folder``, mapped from disk; None where there is none.

    Raises:
        ValueError: where it was made otherwise than ``about`` says, or one of its files is damaged.
        FileNotFoundError: where one of its files is missing.

    Example:
        >>> from companion.data import encode
        >>> import tempfile
        >>> tokenizer, folder = train_tokenizer(["a text"], 257), tempfile.mkdtemp()
        >>> open_corpus(folder, {"text": "two words"}) is None
        True
        >>> tokens = encode(tokenizer, ["a", "text"])
        >>> corpus = TokenCorpus(tokenizer, tokens, tokens, np.zeros(7, dtype=np.int64))
        >>> save_corpus(corpus, folder, {"text": "two words"})
        >>> open_corpus(folder, {"text": "two words"}).train.tolist()
        [65, 0, 84, 69, 88, 84, 0]
    """
    folder = Path(folder)
    if not (folder / "corpus.json").is_file():
        return None
    try:
        found = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"expected JSON in {folder / 'corpus.json'}, got something else ({error}): remove {folder} to make it again"
        ) from error
    if found != json.loads(json.dumps(about)):
        raise ValueError(f"expected a corpus made with {about} in {folder}, got {found}: use another folder")
    try:
        tokens = {name.removesuffix(".npy"): open_tokens(folder / name) for name in _FILES}
        return TokenCorpus(tokenizer=load_tokenizer(folder / "tokenizer.json"), **tokens)
    except (ValueError, OSError) as error:
        raise type(error)(f"{error}: remove {folder} to make it again") from error
