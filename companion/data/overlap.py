"""Text that two documents share, found by runs of bytes: what a split by module alone lets through."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, UInt64

from companion.data.corpora import Document, _normal, _paragraphs

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no byte of a run is lost modulo 2**64


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
    hashes = _run_hashes(text, length)
    known = np.unique(np.concatenate([_run_hashes(other, length) for other in others] or [hashes[:0]]))
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
    """
    if not 0 < fraction < 1:
        raise ValueError(f"expected fraction in (0, 1), got {fraction}")
    runs: dict[str, UInt64[np.ndarray, " runs"]] = {}
    for module in sorted({document.module for document in documents}):
        texts = (document.text for document in documents if document.module == module)
        runs[module] = np.unique(np.concatenate([_run_hashes(text, length) for text in texts]))
    names = list(runs)
    group = {name: name for name in names}
    for first, second in _overlapping(list(runs.values()), fraction):
        one, other = sorted((group[names[first]], group[names[second]]))
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


def _overlapping(runs: list[UInt64[np.ndarray, " runs"]], fraction: float) -> list[tuple[int, int]]:
    """The pairs of modules that share more than ``fraction`` of the runs of the shorter one."""
    n = len(runs)
    owner = np.repeat(np.arange(n), [len(each) for each in runs])
    order = np.argsort(np.concatenate(runs), kind="stable")
    starts = np.flatnonzero(np.diff(np.concatenate(runs)[order], prepend=0))
    together = np.zeros((n, n), dtype=np.int64)
    for owners in np.split(owner[order], starts):
        if len(owners) > 1:
            together[np.ix_(owners, owners)] += 1
    sizes = np.array([len(each) for each in runs])
    siblings = np.triu(together > fraction * np.minimum.outer(sizes, sizes), 1)
    return [(int(i), int(j)) for i, j in np.argwhere(siblings)]


def _run_hashes(text: str, length: int) -> UInt64[np.ndarray, " runs"]:
    """A number for each run of ``length`` bytes: equal for equal runs, and for others with a chance of about 2**-64."""
    if length < 1:
        raise ValueError(f"expected a length of at least 1, got {length}")
    symbols = np.frombuffer(text.encode(), dtype=np.uint8).astype(np.uint64) + np.uint64(1)
    n = max(0, len(symbols) - length + 1)
    hashes = np.zeros(n, dtype=np.uint64)
    for place in range(length if n else 0):
        hashes = hashes * _BASE + symbols[place : place + n]
    return hashes ^ (hashes >> np.uint64(29))


def _covered(starts: Bool[np.ndarray, " runs"], length: int, n_bytes: int) -> Bool[np.ndarray, " bytes"]:
    """The bytes that some run covers."""
    steps = np.zeros(n_bytes + 1, dtype=np.int64)
    places = np.flatnonzero(starts)
    np.add.at(steps, places, 1)
    np.add.at(steps, places + length, -1)
    return np.cumsum(steps[:-1]) > 0
