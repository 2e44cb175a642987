"""Measures of one relevant item from its rank: exact, and as they come out among sampled items."""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.stats import binom

from companion.stats.base.checks import as_numbers


def rank_measures(ranks: ArrayLike, n_items: int, *, k: int = 10) -> dict[str, float]:
    r"""The means over instances with one relevant item each, at rank r of n.

    .. math:: \mathrm{AUC}=\frac{n-r}{n-1},\quad\mathrm{AP}=\frac1r,\quad\mathrm{NDCG}=\frac1{\log_2(r+1)},\quad
        \mathrm{Recall@}k=[r\le k]

    Args:
        ranks: of the relevant item, 1 for the first place.
        n_items: n, with the relevant one.
        k: places of the list.

    Raises:
        ValueError: for no ranks, ranks outside 1 to n, fewer than two items, or a list without a place.

    Source:
        Krichene & Rendle, *On sampled metrics for item recommendation*, KDD 2020, section 3.

    Example:
        >>> {name: round(value, 3) for name, value in rank_measures([212, 2, 743, 5342, 1548], 10_000).items()}
        {'AUC': 0.843, 'AP': 0.101, 'NDCG': 0.208, 'Recall@10': 0.2}
    """
    return {name: float(values.mean()) for name, values in _by_rank(_checked(ranks, n_items, k), n_items, k).items()}


def sampled_measures(ranks: ArrayLike, n_items: int, *, n_sampled: int = 99, k: int = 10) -> dict[str, float]:
    r"""The expected means where each relevant item is ranked among sampled others only.

    Of m others, drawn uniformly with replacement, :math:`\mathrm{Binomial}(m,\frac{r-1}{n-1})` stand above it; the
    expectation sums over that distribution, so that nothing is drawn.

    Args:
        ranks: of the relevant item among all, 1 for the first place.
        n_items: n, with the relevant one.
        n_sampled: m.
        k: places of the list.

    Raises:
        ValueError: as :func:`companion.cases.recommend.rank_measures`, or for no sampled item.

    Source:
        Krichene & Rendle, *On sampled metrics for item recommendation*, KDD 2020, section 4.

    Example:
        >>> {name: round(value, 3) for name, value in sampled_measures([212, 2, 743, 5342, 1548], 10_000).items()}
        {'AUC': 0.843, 'AP': 0.326, 'NDCG': 0.46, 'Recall@10': 0.569}
    """
    if n_sampled < 1:
        raise ValueError(f"expected at least one sampled item, got {n_sampled}")
    found = _checked(ranks, n_items, k)
    above = np.arange(n_sampled + 1)
    chance = binom.pmf(above, n_sampled, (found[:, None] - 1) / (n_items - 1))
    return {
        name: float((chance * values).sum(axis=1).mean())
        for name, values in _by_rank(above + 1, n_sampled + 1, k).items()
    }


def _by_rank(ranks: Int[np.ndarray, " n"], n_items: int, k: int) -> dict[str, Float[np.ndarray, " n"]]:
    return {
        "AUC": (n_items - ranks) / (n_items - 1),
        "AP": 1 / ranks,
        "NDCG": 1 / np.log2(ranks + 1),
        f"Recall@{k}": (ranks <= k).astype(float),
    }


def _checked(ranks: ArrayLike, n_items: int, k: int) -> Int[np.ndarray, " n"]:
    (found,) = as_numbers(ranks=ranks)
    if n_items < 2 or k < 1:
        raise ValueError(f"expected at least 2 items and k ≥ 1, got {n_items} and {k}")
    if not np.array_equal(found, found.astype(int)) or found.min() < 1 or found.max() > n_items:
        raise ValueError(f"expected whole ranks from 1 to {n_items}, got {found.min()} to {found.max()}")
    return found.astype(int)
