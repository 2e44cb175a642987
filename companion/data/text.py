"""Text of one's own: files, and JSON lines with a field, read piece by piece, so that memory does not bound them."""

import hashlib
import io
import os
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Bool, Int, UInt64

from companion.data.corpora import Document, check_fraction
from companion.data.json_lines import decoded, json_lines, texts_of

PIECE = 2**14  #: bytes of a document that are held at once
_MOST_HELD_OUT = 2**22  # bytes: each validation reads all of them, and more would not make its score surer by much
_FEWEST = 4  # documents: two to train on, and two to validate on, without which there is no interval


class TextFiles:
    """The documents of a text file, or of all files below a folder, read anew each time that they are asked for.

    A file is a document; in files that end in ``.jsonl`` each line is one. A single text file is cut into documents of
    at most 16 KiB, behind a blank line where there is one, so that it too has a part to validate on. Hidden files and
    folders (``.git``) are passed over, and so is what is only white space.

    Args:
        path: the file or the folder.
        field: of a JSON line, the field that holds the text.

    Raises:
        FileNotFoundError: where there is no such path, or no file below it.
        ValueError: while it is read: where a file is not UTF-8, or a line no JSON object with that field.

    Example:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.txt").write_text("Some text.")
        >>> _ = (folder / "b.jsonl").write_text('{"text": "More."}\\n{"text": "And more."}\\n')
        >>> [document.text for document in TextFiles(folder)]
        ['Some text.', 'More.', 'And more.']
    """

    def __init__(self, path: str | Path, *, field: str = "text") -> None:
        self.path, self.field = Path(path), field
        self.files = [self.path] if self.path.is_file() else _files_below(self.path)
        if not self.files:
            got = "an empty folder" if self.path.is_dir() else "no such file or folder"
            raise FileNotFoundError(f"expected a text file, or a folder with some, in {path}, got {got}")

    def __iter__(self) -> Iterator[Document]:
        for path in self.files:
            if path.suffix == ".jsonl":
                yield from _json_lines(path, self.field)
                continue
            with path.open("rb") as file:
                pieces = _pieces(file, str(path))
                cut = len(self.files) == 1
                yield from _as_many(str(path), pieces) if cut else _as_one(str(path), pieces)


def _files_below(folder: Path) -> list[Path]:
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())


def _json_lines(path: Path, field: str) -> Iterator[Document]:
    for place, record in json_lines(path):
        [text] = texts_of(record, place, field)
        yield from _as_one(place, _pieces(io.BytesIO(text.encode()), place))


def _as_one(name: str, pieces: Iterable[tuple[int, str]]) -> Iterator[Document]:
    """A document, of which only the last piece ends it."""
    before = None
    for _, text in pieces:
        if before is not None:
            yield Document(name, "", before, ends=False)
        before = text
    if before is not None:
        yield Document(name, "", before)


def _as_many(name: str, pieces: Iterable[tuple[int, str]]) -> Iterator[Document]:
    return (Document(f"{name}:{start}", "", text) for start, text in pieces)


def _pieces(file: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """Where each piece starts, in bytes, and its text; pieces of white space alone are left out."""
    start, left = 0, b""
    while block := left + file.read(PIECE - len(left)):
        end = _cut(block) if len(block) == PIECE else len(block)
        text = decoded(block[:end], start, name)
        if text.strip():
            yield start, text
        start, left = start + end, block[end:]


def _cut(block: bytes) -> int:
    """Where a full block is best cut: behind a blank line, else a line, else a word, else a character."""
    for mark in (b"\n\n", b"\n", b" "):
        if (place := block.rfind(mark)) >= 0:
            return place + len(mark)
    lead = next((i for i in range(1, 5) if block[-i] & 0xC0 != 0x80), 1)  # a character's later bytes are 10xxxxxx
    return len(block) - lead


@dataclass(frozen=True)
class Selection:
    """Some of the documents, read anew each time that they are asked for.

    Attributes:
        documents: all of them.
        chosen: for each, whether it is among these.
        n_bytes: how much text these hold.
    """

    documents: Iterable[Document]
    chosen: Bool[np.ndarray, " documents"]
    n_bytes: int

    def __iter__(self) -> Iterator[Document]:
        place = 0
        for document in self.documents:
            if self.chosen[place]:
                yield document
            place += document.ends


def split_documents(
    documents: Iterable[Document], *, validation_fraction: float = 0.1, seed: int = 0
) -> tuple[Selection, Selection]:
    """Training and validation documents, of which only a hash and the length are kept in memory.

    Validation gets those with the smallest hash of their text and ``seed``: copies of a document are on one side, and
    more documents move few. It gets at most 4 MiB, and at least two documents.

    Raises:
        ValueError: for a fraction outside (0, 1), for fewer than four different documents, or as ``documents``.

    Example:
        >>> few = [Document(f"page {i}", "", f"The text of page {i}.") for i in range(20)]
        >>> train, validation = split_documents(few)
        >>> [document.module for document in validation]
        ['page 7', 'page 18']
    """
    check_fraction(validation_fraction)
    hashes, lengths = _surveyed(documents, seed)
    different, which = np.unique(hashes, return_inverse=True)
    if len(different) < _FEWEST:
        raise ValueError(
            f"expected at least {_FEWEST} different documents to train and validate on, got {len(different)}: "
            f"give more text"
        )
    sizes = np.bincount(which, weights=lengths)
    fitting = int((np.cumsum(sizes) <= _MOST_HELD_OUT).sum())
    held_out = which < max(2, min(fitting, round(validation_fraction * len(different)), len(different) - 2))
    train, validation = (Selection(documents, side, int(lengths[side].sum())) for side in (~held_out, held_out))
    return train, validation


def _surveyed(
    documents: Iterable[Document], seed: int
) -> tuple[UInt64[np.ndarray, " documents"], Int[np.ndarray, " documents"]]:
    """A hash of each document's text and ``seed``, and the text's length in bytes."""
    hashes, lengths = array("Q"), array("q")
    digest, length = hashlib.sha256(f"{seed} ".encode()), 0
    for document in documents:
        text = document.text.encode()
        digest.update(text)
        length += len(text)
        if document.ends:
            hashes.append(int.from_bytes(digest.digest()[:8]))
            lengths.append(length)
            digest, length = hashlib.sha256(f"{seed} ".encode()), 0
    return np.array(hashes, dtype=np.uint64), np.array(lengths, dtype=np.int64)
