r"""Near-duplicate texts, found by MinHash and bands (Broder 1997; Leskovec, Rajaraman and Ullman 2020, chapter 3).

A text is the set of its runs of n words. Two texts are as similar as their sets are, by Jaccard:
:math:`s = |A \cap B| / |A \cup B|`. Under a random order of all runs the first of :math:`A` is the first of :math:`B`
with probability :math:`s`, so k such orders estimate it from k numbers a text. Cut into b bands of r numbers each, two
texts agree in some whole band with probability

.. math:: 1 - (1 - s^r)^b

which is small below some similarity and near 1 above it: only texts that share a band are compared. Mind which number
is which: many bands of few rows find more.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, UInt64
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from companion.checks import check_whole

Hashes = UInt64[np.ndarray, " runs"]
Signatures = UInt64[np.ndarray, "texts n_hashes"]
Pairs = Int[np.ndarray, "pairs 2"]

#: Of pairs just as similar as the threshold, at most this proportion is missed; of more similar ones fewer are.
MISSED = 0.05

_WORD = re.compile(r"\w+")
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd: no word of a run is lost modulo 2**64


def minhash(texts: Iterable[str], *, n_words: int = 5, n_hashes: int = 256, seed: int = 0) -> Signatures:
    """The signature of each text: for each of ``n_hashes`` hash functions, the least hash of its runs of words.

    The proportion of equal numbers in two rows estimates their similarity, with standard error √(s (1 − s) / n_hashes).

    Args:
        texts: compared by their words, without case and punctuation; a text of fewer words is one run.
        n_words: words a run.
        n_hashes: numbers a text.
        seed: of the hash functions; only signatures of one seed can be compared.

    Raises:
        ValueError: for a text without a word, or sizes below 1.

    Example:
        >>> a, b = minhash(["the cat sat on the mat and slept", "The cat sat on the mat, and slept!"])
        >>> bool((a == b).all())
        True
    """
    check_whole("n_hashes", n_hashes, at_least=1, advice="256 estimate similarities within 0.03")
    seeds = np.random.default_rng(seed).integers(2**64, size=n_hashes, dtype=np.uint64)
    rows = [_mixed(runs[:, None] ^ seeds).min(axis=0) for runs in _all_runs(texts, n_words)]
    return np.array(rows, dtype=np.uint64).reshape(-1, n_hashes)


def candidate_probability(similarity: ArrayLike, bands: int, rows: int) -> Float[np.ndarray, "..."]:
    """With which texts of a ``similarity`` share a band: 1 − (1 − s^rows)^bands.

    Example:
        >>> candidate_probability([0.5, 0.8, 0.9], bands=28, rows=9).round(3).tolist()
        [0.053, 0.982, 1.0]
        >>> candidate_probability(0.8, bands=20, rows=450).round(3).tolist(), "so nothing is found"
        (0.0, 'so nothing is found')
    """
    s = np.asarray(similarity, dtype=float)
    if not ((s >= 0) & (s <= 1)).all():
        raise ValueError(f"expected similarities from 0 to 1, got {similarity!r}")
    check_whole("bands", bands, at_least=1, advice="more bands find more")
    check_whole("rows", rows, at_least=1, advice="more rows find less")
    return np.asarray(-np.expm1(bands * np.log1p(-np.minimum(s**rows, 1 - 1e-16))))


def bands_for(threshold: float, n_hashes: int) -> tuple[int, int]:
    """Bands and rows that miss at most 5% of the pairs at ``threshold``, and compare as few others as that allows.

    Raises:
        ValueError: where no division of ``n_hashes`` does.

    Example:
        >>> bands_for(0.8, 256)
        (28, 9)
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"expected a threshold above 0 and at most 1, got {threshold}")
    for rows in range(n_hashes, 0, -1):
        bands = n_hashes // rows
        if candidate_probability(threshold, bands, rows) >= 1 - MISSED:
            return bands, rows
    raise ValueError(f"expected enough hashes to find pairs at {threshold}, got {n_hashes}: take more")


def lsh(signatures: Signatures, *, bands: int, rows: int) -> Pairs:
    """The pairs of texts that agree in all numbers of some band, each once, the lower index first.

    Raises:
        ValueError: where the signatures are shorter than ``bands`` times ``rows``.

    Example:
        >>> lsh(minhash(["one two three", "one two three", "something else"], n_words=2), bands=28, rows=9)
        array([[0, 1]])
    """
    if bands * rows > signatures.shape[1]:
        raise ValueError(f"expected signatures of {bands} * {rows} numbers or more, got {signatures.shape[1]}")
    found = [
        _pairs_within(np.unique(signatures[:, band * rows : (band + 1) * rows], axis=0, return_inverse=True)[1].ravel())
        for band in range(bands)
    ]
    return np.unique(np.concatenate([*found, np.empty((0, 2), dtype=int)]), axis=0)


def near_duplicates(
    texts: Sequence[str], *, threshold: float = 0.8, n_words: int = 5, n_hashes: int = 256, seed: int = 0
) -> pd.DataFrame:
    """The pairs of texts at least as similar as ``threshold``: ``first``, ``second`` (indexes), ``similarity`` (exact).

    Bands and rows are those of :func:`bands_for`: of pairs just at the threshold one in twenty may be missed. What is
    found is compared run by run, so nothing is found that is not there.

    Args:
        texts: as for :func:`minhash`.
        threshold: the least similarity; at 1 only texts of the same runs.
        n_words: words a run.
        n_hashes: numbers a text.
        seed: of the hash functions.

    Raises:
        ValueError: as :func:`minhash` and :func:`bands_for`.

    Example:
        >>> long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
        >>> near_duplicates([long, "something else entirely, said in six words", long + " seventeen"])
           first  second  similarity
        0      0       2    0.923077
    """
    bands, rows = bands_for(threshold, n_hashes)
    runs = [np.unique(each) for each in _all_runs(texts, n_words)]
    pairs = lsh(minhash(texts, n_words=n_words, n_hashes=n_hashes, seed=seed), bands=bands, rows=rows)
    similarity = np.array([_jaccard(runs[a], runs[b]) for a, b in pairs])
    kept = similarity >= threshold
    first, second = pairs[kept].T
    return pd.DataFrame({"first": first, "second": second, "similarity": similarity[kept]})


def deduplicate(
    texts: Sequence[str], *, threshold: float = 0.8, n_words: int = 5, n_hashes: int = 256, seed: int = 0
) -> Int[np.ndarray, " kept"]:
    """The indexes of the texts to keep: of each group that :func:`near_duplicates` connects, the first.

    Example:
        >>> deduplicate(["to be or not to be", "a rose is a rose", "To be, or not to be?"])
        array([0, 1])
    """
    pairs = near_duplicates(texts, threshold=threshold, n_words=n_words, n_hashes=n_hashes, seed=seed)
    edges = np.ones(len(pairs), dtype=bool), (pairs["first"], pairs["second"])
    _, group = connected_components(coo_array(edges, shape=(len(texts), len(texts))), directed=False)
    return np.sort(np.unique(group, return_index=True)[1])


def decontaminate(texts: Iterable[str], held_out: Iterable[str], *, n_words: int = 13) -> Bool[np.ndarray, " texts"]:
    """Whether each text shares no run of ``n_words`` words with a held-out one (Brown et al. 2020, appendix C).

    Train on those that are True. A paraphrase or a translation of a question shares no run, and is not found.

    Args:
        texts: what would be trained on.
        held_out: the questions, or what else tests the model.
        n_words: words a run; 13 in the paper.

    Raises:
        ValueError: for a held-out text of fewer words, which could never be found.

    Example:
        >>> decontaminate(["What is the capital of France? Paris.", "Paris is large."],
        ...               ["what is the capital of France"], n_words=6)
        array([False,  True])
    """
    held_out = list(held_out)
    if short := [text for text in held_out if len(_WORD.findall(text)) < n_words]:
        raise ValueError(
            f"expected held-out texts of at least n_words={n_words} words, got {len(short):,} shorter ones, such as "
            f"{short[0][:60]!r}: take fewer words, or look for these by hand"
        )
    known = {run for runs in _all_runs(held_out, n_words) for run in runs.tolist()}
    return np.array([known.isdisjoint(runs.tolist()) for runs in _all_runs(texts, n_words)], dtype=bool)


def _all_runs(texts: Iterable[str], n_words: int) -> list[Hashes]:
    """The hashes of each text's runs of words."""
    check_whole("n_words", n_words, at_least=1, advice="5 for duplicates, 13 for contamination")
    if isinstance(texts, str):
        raise ValueError(f"expected a list of texts, got the text {texts[:40]!r}: put it into a list")
    known: dict[str, int] = {}
    found = []
    for number, text in enumerate(texts):
        words = _WORD.findall(text.lower())
        if not words:
            raise ValueError(f"expected a word in each text, got none in text {number}: {text[:40]!r}; leave it out")
        codes = np.array([known.setdefault(word, _hash_of(word)) for word in words], dtype=np.uint64)
        length = min(n_words, len(words))
        windows = np.lib.stride_tricks.sliding_window_view(codes, length)
        found.append(
            _mixed((windows * _BASE ** np.arange(1, length + 1, dtype=np.uint64)).sum(axis=1, dtype=np.uint64))
        )
    return found


def _hash_of(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")


def _mixed(x: UInt64[np.ndarray, "..."]) -> UInt64[np.ndarray, "..."]:
    """Numbers whose every bit hangs on every bit of ``x`` (the finalizer of SplitMix64, Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _pairs_within(group: Int[np.ndarray, " texts"]) -> Pairs:
    """All pairs of texts of one group."""
    order = np.argsort(group, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    pairs = [each[np.stack(np.triu_indices(len(each), 1), axis=1)] for each in members if len(each) > 1]
    return np.concatenate([np.empty((0, 2), dtype=int), *pairs])


def _jaccard(a: UInt64[np.ndarray, " first"], b: UInt64[np.ndarray, " second"]) -> float:
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)
