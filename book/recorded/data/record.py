"""Makes the recorded run of the chapter *Data* again: ``python book/recorded/data/record.py``.

``text``: each docstring of scikit-learn is held out once, in three folds; a row a docstring, with the bits that a
6-gram model of its bytes spends on it after training on different versions of the other folds.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from companion.data import docstrings, near_duplicates
from companion.models import NGram

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recording import Run, record, write

HERE = Path(__file__).parent
PACKAGES = ("sklearn",)
SHORTEST, FOLDS, ORDER, SEED = 30, 3, 6, 0  # words a docstring; folds; bytes a gram
THRESHOLDS = (0.8, 0.5, 0.3)


def corpus() -> tuple[list[str], list[str]]:
    """Texts and the names of their modules."""
    documents = docstrings(PACKAGES)
    kept = [each for each in documents if len(each.text.split()) >= SHORTEST]
    return [each.text for each in kept], [each.module for each in kept]


def tokens(texts: Sequence[str]) -> np.ndarray:
    """Bytes, with a zero byte after each text."""
    joined = "".join(text + "\0" for text in texts).encode()
    return np.frombuffer(joined, dtype=np.uint8).astype(np.int64)


def bits(train: Sequence[str], test: Sequence[str]) -> np.ndarray:
    """What a model of ``train`` spends on each of ``test``, in bits."""
    model = NGram(ORDER, 256).fit(tokens(train))
    return np.array(
        [model.losses(tokens([text])).sum() / np.log(2) for text in test]
    )


def versions(
    texts: list[str],
    fold: np.ndarray,
    k: int,
    pairs: np.ndarray,
    similarity: np.ndarray,
) -> Iterator[tuple[str, list[str]]]:
    """The training texts of fold ``k``: all; without near-duplicates of the test texts; as many bytes less at random."""
    outside = np.flatnonzero(fold != k)
    yield "all", [texts[i] for i in outside]
    yield "copied", [texts[i] for i in outside] * 2
    rng = np.random.default_rng([SEED, k])
    yield "half", [texts[i] for i in rng.permutation(outside)[: len(outside) // 2]]
    for threshold in THRESHOLDS:
        near = pairs[similarity >= threshold]
        near = np.concatenate([near, near[:, ::-1]])
        close = np.unique(
            near[(fold[near[:, 0]] == k) & (fold[near[:, 1]] != k), 1]
        )
        clean = np.setdiff1d(outside, close)
        yield f"clean {threshold}", [texts[i] for i in clean]
        room, less = sum(len(texts[i]) for i in close), []
        for i in rng.permutation(clean):
            if room > 0:
                less.append(i)
                room -= len(texts[i])
        yield (
            f"control {threshold}",
            [texts[i] for i in np.setdiff1d(outside, less)],
        )


def record_text() -> None:
    """All docstrings, each held out once by chance and once with its module."""
    texts, modules = corpus()
    pairs = near_duplicates(texts, threshold=0.3, n_hashes=256, seed=SEED)
    ends, similarity = (
        pairs[["first", "second"]].to_numpy(),
        pairs["similarity"].to_numpy(),
    )
    nearest = np.zeros(len(texts))
    rng = np.random.default_rng(SEED)
    fold = rng.permutation(np.arange(len(texts)) % FOLDS)
    for (a, b), s in zip(ends, similarity, strict=True):
        if fold[a] != fold[b]:
            nearest[[a, b]] = np.maximum(nearest[[a, b]], s)
    spent: dict[str, np.ndarray] = {}
    for k in range(FOLDS):
        inside = np.flatnonzero(fold == k)
        for name, train in versions(texts, fold, k, ends, similarity):
            column = spent.setdefault(name, np.zeros(len(texts)))
            column[inside] = bits(train, [texts[i] for i in inside])
    names = np.unique(modules)
    place = dict(
        zip(names, rng.permutation(np.arange(len(names)) % FOLDS), strict=True)
    )
    by_module = np.array([place[module] for module in modules])
    apart = ("other modules", "other modules, half")
    spent |= {name: np.zeros(len(texts)) for name in apart}
    for k in range(FOLDS):
        inside, outside = (
            np.flatnonzero(by_module == k),
            np.flatnonzero(by_module != k),
        )
        half = rng.permutation(outside)[: len(outside) // 2]
        for name, rows in zip(apart, (outside, half), strict=True):
            test = [texts[i] for i in inside]
            spent[name][inside] = bits([texts[i] for i in rows], test)
    size = [len(text.encode()) + 1 for text in texts]
    numbers = np.unique(modules, return_inverse=True)[1]
    columns = [column.round(1) for column in spent.values()]
    header = ("module", "fold", "bytes", "nearest", *spent)
    write(
        HERE / "text.csv",
        header,
        zip(numbers, fold, size, nearest.round(4), *columns, strict=True),
    )


RUNS = {"text": Run(record_text, (SEED,), ("scikit-learn",))}

if __name__ == "__main__":
    record(__file__, __doc__, RUNS)
