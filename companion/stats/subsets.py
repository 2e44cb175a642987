r"""Random subsets of observations, packed into bits, eight observations a byte, and the sums over them.

This is what a permutation test of means computes; no observation is moved.

Axis names: ``n`` observations of ``columns`` numbers; ``subsets``; ``bytes``, :math:`\lceil n / 8 \rceil` of them.
"""

from itertools import combinations

import numpy as np
from jaxtyping import Float, Int, UInt8

Codes = UInt8[np.ndarray, "subsets bytes"]


def subset_sums(codes: Codes, values: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, "subsets columns"]:
    """The sum of the observations in each subset."""
    return np.unpackbits(codes, axis=1, count=len(values)).astype(float) @ values


def all_subsets(n: int) -> Codes:
    """The codes of all subsets."""
    members = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    return np.packbits(members.astype(np.uint8), axis=1)


def all_subsets_of_size(n: int, size: int) -> Codes:
    """The codes of all subsets of ``size`` observations."""
    chosen = np.array(list(combinations(range(n), size)))
    members = np.zeros((len(chosen), n), dtype=np.uint8)
    np.put_along_axis(members, chosen, 1, axis=1)
    return np.packbits(members, axis=1)


def random_subsets(n: int, n_subsets: int, rng: np.random.Generator) -> Codes:
    """Subsets in which each observation is with probability one half."""
    return _random_bytes((n_subsets, -(-n // 8)), rng)


def random_subsets_of_size(n: int, size: int, n_subsets: int, rng: np.random.Generator) -> Codes:
    """Subsets of ``size`` observations, all equally likely.

    Each observation enters with about the right probability; then random ones enter or leave until the size is right.
    Nothing in this tells one observation from another, so that all subsets of the size are equally likely.
    """
    codes = _coins(size / n, (n_subsets, -(-n // 8)), rng)
    codes[:, -1] &= 256 - (1 << -n % 8)  # spare bits
    surplus = np.bitwise_count(codes).sum(1, dtype=int) - size
    while len(off := np.flatnonzero(surplus)):
        rows = np.repeat(off, np.abs(surplus[off]))
        columns = rng.integers(n, size=len(rows))
        is_member = (codes[rows, columns >> 3] >> (7 - (columns & 7))) & 1
        right = is_member == (surplus[rows] > 0)
        rows, columns = np.divmod(_distinct(rows[right] * n + columns[right]), n)
        np.bitwise_xor.at(codes, (rows, columns >> 3), (128 >> (columns & 7)).astype(np.uint8))
        surplus -= np.sign(surplus) * np.bincount(rows, minlength=n_subsets)
    return codes


def _coins(share: float, shape: tuple[int, int], rng: np.random.Generator) -> Codes:
    """Bits that are 1 with a probability close to ``share``, made of fair ones by its binary digits."""
    codes, numerator = np.zeros(shape, dtype=np.uint8), round(256 * share)
    if numerator == 256:
        return ~codes
    for digit in (numerator >> place & 1 for place in range(8)):
        if digit:
            codes |= _random_bytes(shape, rng)
        elif codes.any():
            codes &= _random_bytes(shape, rng)
    return codes


def _random_bytes(shape: tuple[int, int], rng: np.random.Generator) -> Codes:
    return rng.integers(256, size=shape, dtype=np.uint8)


def _distinct(keys: Int[np.ndarray, " keys"]) -> Int[np.ndarray, " distinct"]:
    """As ``numpy.unique``, whose hash table takes ten times as long here as sorting does."""
    keys = np.sort(keys)
    return keys[np.diff(keys, prepend=-1) > 0]
