r"""Sums over random subsets of observations: what a permutation test of means computes. No observation is moved.

A subset is packed into bits, eight observations a byte, so that its sum takes one look-up for every eight of them.

Axis names: ``n`` observations of ``columns`` numbers; ``subsets``; ``bytes``, :math:`\lceil n / 8 \rceil` of them.
"""

from collections.abc import Iterator
from itertools import combinations
from math import isqrt

import numpy as np
from jaxtyping import Float, Int, UInt8

from companion.stats.resampling.bootstrap import blocks

Codes = UInt8[np.ndarray, "bytes subsets"]
Observations = Float[np.ndarray, "n columns"]
Sums = Float[np.ndarray, "subsets columns"]

#: Observations whose membership is drawn at a time, so that thousands of subsets fit in a block at any n.
SEGMENT = 2**15

#: The members of each code of eight observations.
_MEMBERS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(float)


def subset_sums(codes: Codes, values: Observations) -> Sums:
    """The sum of the observations in each subset: of every eight, one of the 256 sums that they can have."""
    columns = values.shape[1]
    eights = np.zeros((len(codes), 8, columns))
    eights.reshape(-1, columns)[: len(values)] = values
    sums = np.zeros((codes.shape[1], columns))
    for code, eight in zip(codes, eights, strict=True):
        sums += (_MEMBERS @ eight).take(code, axis=0)
    return sums


def random_sums(
    values: Observations, n_subsets: int, rng: np.random.Generator, *, size: int | None = None
) -> Iterator[Sums]:
    """The sums over random subsets, a block at a time: of ``size`` observations, or by a coin for each if None."""
    drawn, columns = min(len(values), SEGMENT), values.shape[1]
    # the codes and their counts; what random_subsets_of_size exchanges, some sqrt(n) / 2 of a few numbers; the sums
    numbers_each = drawn // 32 + 4 * isqrt(drawn) + 4 * columns
    for block in blocks(n_subsets, numbers_each):
        yield _sums_by_coin(values, block, rng) if size is None else _sums_of_size(values, size, block, rng)


def _sums_by_coin(values: Observations, n_subsets: int, rng: np.random.Generator) -> Sums:
    sums = np.zeros((n_subsets, values.shape[1]))
    for start in range(0, len(values), SEGMENT):
        segment = values[start : start + SEGMENT]
        sums += subset_sums(random_subsets(len(segment), n_subsets, rng), segment)
    return sums


def _sums_of_size(values: Observations, size: int, n_subsets: int, rng: np.random.Generator) -> Sums:
    """How many members fall into each segment follows the hypergeometric distribution; which ones, is open."""
    sums, missing = np.zeros((n_subsets, values.shape[1])), np.full(n_subsets, size)
    for start in range(0, len(values), SEGMENT):
        segment = values[start : start + SEGMENT]
        sizes = rng.hypergeometric(len(segment), len(values) - start - len(segment), missing)
        sums += subset_sums(random_subsets_of_size(len(segment), sizes, size / len(values), rng), segment)
        missing -= sizes
    return sums


def all_subsets(n: int) -> Codes:
    """The codes of all subsets."""
    members = (np.arange(2**n) >> np.arange(n)[:, None]) & 1
    return np.packbits(members.astype(np.uint8), axis=0)


def all_subsets_of_size(n: int, size: int) -> Codes:
    """The codes of all subsets of ``size`` observations."""
    chosen = np.array(list(combinations(range(n), size)))
    members = np.zeros((n, len(chosen)), dtype=np.uint8)
    np.put_along_axis(members, chosen.T, 1, axis=0)
    return np.packbits(members, axis=0)


def random_subsets(n: int, n_subsets: int, rng: np.random.Generator) -> Codes:
    """Subsets in which each observation is with probability one half."""
    return _random_bytes((-(-n // 8), n_subsets), rng)


def random_subsets_of_size(n: int, sizes: Int[np.ndarray, " subsets"], share: float, rng: np.random.Generator) -> Codes:
    """A subset of each of these sizes, all of that size equally likely.

    Each observation enters with a probability near ``share``, about the right one; then random ones enter or leave
    until the size is right. Nothing in this tells one observation from another, so that all subsets of the size are
    equally likely, whatever ``share`` is.
    """
    codes = _coins(share, (-(-n // 8), len(sizes)), rng)
    codes[-1] &= 256 - (1 << -n % 8)  # spare bits
    flat, surplus = codes.reshape(-1), np.bitwise_count(codes).sum(0, dtype=np.uint32) - sizes
    while len(subsets := np.repeat(np.arange(len(sizes)), np.abs(surplus))):
        observations = rng.integers(n, size=len(subsets))
        is_member = flat[(observations >> 3) * len(sizes) + subsets] >> (7 - (observations & 7)) & 1
        right = is_member == (surplus[subsets] > 0)
        subsets, observations = np.divmod(_distinct((subsets * n + observations)[right]), n)
        bits = (128 >> (observations & 7)).astype(np.uint8)
        np.bitwise_xor.at(flat, (observations >> 3) * len(sizes) + subsets, bits)
        surplus -= np.sign(surplus) * np.bincount(subsets, minlength=len(sizes))
    return codes


def _coins(share: float, shape: tuple[int, int], rng: np.random.Generator) -> Codes:
    """Bits that are 1 with a probability close to ``share``, made of fair ones by its binary digits."""
    # toward the nearer of 0 and 1, or where members are rare most of random_subsets_of_size's draws would miss them
    numerator = int(256 * share) if share <= 0.5 else 256 - int(256 * (1 - share))
    codes = np.zeros(shape, dtype=np.uint8)
    if numerator == 256:
        return ~codes
    for place in range(8):
        if numerator >> place & 1:
            codes |= _random_bytes(shape, rng)
        elif numerator % (1 << place):  # or no bit is 1 yet
            codes &= _random_bytes(shape, rng)
    return codes


def _random_bytes(shape: tuple[int, int], rng: np.random.Generator) -> Codes:
    """Drawn eight at a time, in a third of the time."""
    n_bytes = shape[0] * shape[1]
    return rng.integers(2**64, size=-(-n_bytes // 8), dtype=np.uint64).view(np.uint8)[:n_bytes].reshape(shape)


def _distinct(keys: Int[np.ndarray, " keys"]) -> Int[np.ndarray, " distinct"]:
    """As ``numpy.unique``, whose hash table takes ten times as long here as sorting does."""
    keys = np.sort(keys)
    return keys[np.diff(keys, prepend=-1) > 0]
