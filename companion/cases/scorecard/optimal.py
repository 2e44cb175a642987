"""The best bins of one column: neighbors are joined so that the information value is as large as possible."""

import numpy as np
from jaxtyping import Bool, Float, Int

_Pairs = Float[np.ndarray, "starts ends"]


def best_cuts(
    good: Int[np.ndarray, " fine"],
    bad: Int[np.ndarray, " fine"],
    *,
    max_bins: int,
    min_count: int,
    monotone: bool,
) -> Int[np.ndarray, " cuts"]:
    r"""Joins fine bins, neighbors only, into at most ``max_bins`` whose information value is the largest possible.

    By dynamic programming: the best way to end a bin :math:`[i,j)` extends the best way to end one at :math:`i`, so all
    :math:`2^{n-1}` ways are searched in :math:`O(kn^3)` steps.

    Args:
        good: how many in each fine bin paid back; the fine bins stand in the order of the column.
        bad: how many did not.
        max_bins: of the result.
        min_count: how many rows a bin has at least; it also has one good and one bad.
        monotone: whether the proportion of bad may only rise, or only fall; the better of both is taken.

    Returns:
        Indices of the fine bins at which bins begin, but for the first, rising; none where no two bins are allowed.

    Source:
        Navas-Palencia, *Optimal binning: mathematical programming formulation*, 2020, arXiv:2001.08025.
    """
    values, rates = _pairs(good, bad, min_count)
    if not monotone:
        return np.array(_search(values, np.zeros_like(rates), max_bins)[1], int)
    rising, falling = (_search(values, sign * rates, max_bins) for sign in (1, -1))
    return np.array(max(rising, falling, key=lambda found: found[0])[1], int)


def _pairs(good: Int[np.ndarray, " fine"], bad: Int[np.ndarray, " fine"], min_count: int) -> tuple[_Pairs, _Pairs]:
    """Information value and proportion of bad of every bin from fine bin i up to, not with, j; -inf where too small."""
    sums = [np.concatenate([[0], np.cumsum(counts)]) for counts in (good, bad)]
    g, b = (total[None, :] - total[:, None] for total in sums)
    allowed = (g > 0) & (b > 0) & (g + b >= min_count)
    g, b = np.where(allowed, g, 1), np.where(allowed, b, 1)
    shares = g / max(good.sum(), 1), b / max(bad.sum(), 1)  # where all are of one kind no bin is allowed
    values = (shares[0] - shares[1]) * np.log(shares[0] / shares[1])
    return np.where(allowed, values, -np.inf), b / (g + b)


def _search(values: _Pairs, rates: _Pairs, max_bins: int) -> tuple[float, list[int]]:
    """The largest sum over chains of at most ``max_bins`` bins whose rates do not fall, and where the chain is cut."""
    last = len(values) - 1
    best = np.full_like(values, -np.inf)  # best[i, j]: of chains whose last bin is [i, j)
    best[0] = values[0]
    rounds, found = [], (best[0, last], 0, 0)
    for n in range(1, max_bins):
        # [h, i, j]: the bin [i, j) behind the bin [h, i)
        follows = best[:, :, None] + np.where(_may_follow(rates), values[None], -np.inf)
        rounds.append(follows.argmax(0))
        best = follows.max(0)
        start = int(best[:, last].argmax())
        if best[start, last] > found[0] + 1e-12:
            found = best[start, last], n, start
    value, n, start = found
    cuts, end = [], last
    for of_round in reversed(rounds[:n]):
        cuts.append(start)
        start, end = int(of_round[start, end]), start
    return float(value), cuts[::-1]


def _may_follow(rates: _Pairs) -> Bool[np.ndarray, "before starts ends"]:
    return rates[:, :, None] <= rates[None] + 1e-12
