"""Text that two documents share, found by runs of bytes: what a split by module alone lets through."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int, UInt64

from companion.data.corpora import Document, _normal, _paragraphs

_BASE = 0x9E3779B97F4A7C15  # odd, so that no byte of a run is lost modulo 2**64


def shared_bytes(text: str, others: Iterable[str], *, length: int = 50) -> Bool[np.ndarray, " bytes"]:
    """For each byte of ``text``, whether it lies in a run of ``length`` bytes that one of ``others`` holds too.

    Args:
        text: what is tested, such as held-out text.
        others: what it is tested against, such as training texts.
        length: of a run; shorter ones count as chance.

    Raises:
        ValueError: for a length below 1.

    Example:
        >>> shared_bytes("a cat sat", ["the cat slept"], length=5).astype(int)
        array([0, 1, 1, 1, 1, 1, 1, 0, 0])
    """
    hashes, _ = _run_hashes([text], length)
    known, _ = _run_hashes(list(others), length)
    return _covered(np.isin(hashes, known), length, len(text.encode()))


def module_groups(documents: Sequence[Document], *, length: int = 50, fraction: float = 0.05) -> dict[str, str]:
    """Modules whose texts overlap, each under the name of the first module of its group.

    Two modules go together where more than ``fraction`` of the runs of the shorter one stand in the other, and groups
    that have a module in common are one. Split by these names, siblings stay on one side.

    Args:
        documents: texts with the names of their modules.
        length: of a run, in bytes.
        fraction: of the shorter module's runs that makes two modules siblings.

    Raises:
        ValueError: for a length below 1, or a fraction outside (0, 1).

    Example:
        >>> said = "What is said on two pages, word for word, and longer than fifty bytes."
        >>> module_groups([Document("a", "", said), Document("b", "", said), Document("c", "", "Something else.")])
        {'a': 'a', 'b': 'a', 'c': 'c'}
    """
    if not 0 < fraction < 1:
        raise ValueError(f"expected fraction in (0, 1), got {fraction}")
    names, of_document = np.unique([document.module for document in documents], return_inverse=True)
    hashes, source = _run_hashes([document.text for document in documents], length)
    group = {str(name): str(name) for name in names}
    for first, second in _overlapping(hashes, of_document[source], len(names), fraction):
        one, other = sorted((group[str(names[first])], group[str(names[second])]))
        group = {name: one if its == other else its for name, its in group.items()}
    return group


def split_by_overlap(
    documents: Sequence[Document], *, fraction: float = 0.1, seed: int = 0
) -> tuple[list[Document], list[Document], list[Document]]:
    """Training, validation and test documents; groups of modules that overlap (:func:`module_groups`) stay together.

    Groups are taken in the order of a hash of their name and ``seed``. Each goes to the test text, or to the validation
    text, while that has less than ``fraction`` of all bytes; one that alone is more than a quarter of such a part
    goes to training, as do all others. Paragraphs of the held-out parts that stand in training are then taken out.

    Raises:
        ValueError: for a fraction outside (0, 1/2), or where a part would be empty.

    Example:
        >>> few = [Document(f"page {i}", "", f"only page {i} says this, " * 9) for i in range(40)]
        >>> [len(part) for part in split_by_overlap(few, fraction=0.2)]
        [24, 8, 8]
    """
    if not 0 < fraction < 0.5:
        raise ValueError(f"expected fraction in (0, 1/2), got {fraction}")
    group = module_groups(documents)
    sizes = dict.fromkeys(group.values(), 0)
    for document in documents:
        sizes[group[document.module]] += len(document.text.encode())
    room = [fraction * sum(sizes.values())] * 2
    part = dict.fromkeys(sizes, 0)
    for name in sorted(sizes, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest()):
        place = next((i for i in (1, 0) if room[i] > 0), None)
        if place is not None and sizes[name] <= fraction * sum(sizes.values()) / 4:
            part[name] = place + 1
            room[place] -= sizes[name]
    sides = [[document for document in documents if part[group[document.module]] == i] for i in range(3)]
    seen = {_normal(paragraph) for document in sides[0] for paragraph in _paragraphs(document.text)}
    train, validation, test = sides[0], _without(sides[1], seen), _without(sides[2], seen)
    if not (train and validation and test):
        got = f"{len(train)}, {len(validation)} and {len(test)}"
        raise ValueError(f"expected documents in all three parts, got {got}: give more modules")
    return train, validation, test


def _without(documents: list[Document], seen: set[str]) -> list[Document]:
    """The documents without the paragraphs that were seen, and without what is then empty."""
    kept = []
    for document in documents:
        new = [paragraph for paragraph in _paragraphs(document.text) if _normal(paragraph) not in seen]
        kept += [replace(document, text="\n\n".join(new))] * bool(new)
    return kept


def _overlapping(
    hashes: UInt64[np.ndarray, " runs"], owner: Int[np.ndarray, " runs"], n: int, fraction: float
) -> list[tuple[int, int]]:
    """The pairs of the ``n`` owners that share more than ``fraction`` of the runs of the one with fewer."""
    order = np.lexsort((owner, hashes))
    hashes, owner = hashes[order], owner[order]
    first = np.ones(len(hashes), dtype=bool)  # of a run that its owner holds more than once, the first counts
    first[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
    hashes, owner = hashes[first], owner[first]
    together = np.zeros((n, n), dtype=np.int64)
    for apart in range(1, n):  # equal runs lie side by side, so pairs are at distance 1, 2, ... of each other
        same = np.flatnonzero(hashes[apart:] == hashes[:-apart])
        if not len(same):
            break
        np.add.at(together, (owner[same], owner[same + apart]), 1)
    sizes = np.bincount(owner, minlength=n)
    siblings = together > fraction * np.minimum.outer(sizes, sizes)
    return [(int(i), int(j)) for i, j in np.argwhere(siblings)]


def _run_hashes(texts: Sequence[str], length: int) -> tuple[UInt64[np.ndarray, " runs"], Int[np.ndarray, " runs"]]:
    """A number for each run of ``length`` bytes, and its text: equal for equal runs, for others hardly ever.

    The number is a polynomial in the bytes. That of a run of a + b bytes is had from those of its two parts.
    """
    if length < 1:
        raise ValueError(f"expected a length of at least 1, got {length}")
    raw = [text.encode() for text in texts]
    symbols = np.frombuffer(b"".join(raw), dtype=np.uint8).astype(np.uint64) + np.uint64(1)
    source = np.repeat(np.arange(len(raw)), [len(each) for each in raw])
    n = len(symbols) - length + 1
    if n < 1:
        return np.empty(0, dtype=np.uint64), source[:0]
    hashes, part, done, size, left = np.zeros(len(symbols) + 1, dtype=np.uint64), symbols, 0, 1, length
    while left:
        if left & 1:  # the next ``size`` bytes join the run
            hashes = hashes[: len(hashes) - size] * _power(size) + part[done:][: len(hashes) - size]
            done += size
        left >>= 1
        if left:
            part = part[:-size] * _power(size) + part[size:]
            size *= 2
    inside = source[:n] == source[length - 1 :][:n]
    return hashes[inside], source[:n][inside]


def _power(exponent: int) -> np.uint64:
    return np.uint64(pow(_BASE, exponent, 2**64))


def _covered(starts: Bool[np.ndarray, " runs"], length: int, n_bytes: int) -> Bool[np.ndarray, " bytes"]:
    """The bytes that some run covers."""
    steps = np.zeros(n_bytes + 1, dtype=np.int64)
    places = np.flatnonzero(starts)
    np.add.at(steps, places, 1)
    np.add.at(steps, places + length, -1)
    return np.cumsum(steps[:-1]) > 0
