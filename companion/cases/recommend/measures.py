"""Measures of lists for users with any number of relevant items, ranked among the whole catalog."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array


@dataclass(frozen=True)
class RankingMeasures:
    """How good the lists are, a number a user, so that two recommenders are compared user by user.

    Attributes:
        ndcg: discounted gain of the hits among the first k, over the largest possible one.
        recall: hits among the first k, over the smaller of k and the user's relevant items.
        average_precision: over all of the user's relevant items; an item outside the catalog adds 0.
        lists: the first k items of each user, as columns of the catalog.
    """

    ndcg: Float[np.ndarray, " users"]
    recall: Float[np.ndarray, " users"]
    average_precision: Float[np.ndarray, " users"]
    lists: Int[np.ndarray, "users k"]


def full_ranking(
    scores: Float[np.ndarray, "users items"],
    seen: csr_array,
    relevant: csr_array,
    *,
    n_relevant: Int[np.ndarray, " users"] | None = None,
    k: int = 10,
) -> RankingMeasures:
    r"""Ranks all items that a user has not seen, ties by their place in the catalog, and measures the list.

    .. math:: \mathrm{NDCG@}k=\frac{\sum_{p\le k}[p\text{ is a hit}]/\log_2(p+1)}
        {\sum_{p\le\min(k,n_u)}1/\log_2(p+1)},\qquad
        \mathrm{AP}=\frac1{n_u}\sum_{\text{hits }p}\frac{\text{hits up to }p}p

    Args:
        scores: larger is better.
        seen: not 0 where the user has seen the item: it is not recommended again.
        relevant: not 0 where the item is one that the list should have.
        n_relevant: :math:`n_u`, items that the list should have, with those outside the catalog, which no list can
            have; those of ``relevant`` by default.
        k: places of the list.

    Raises:
        ValueError: for shapes that differ, scores that are not finite, fewer than k items, a user without a relevant
            item, or one whose relevant item was seen.

    Example:
        >>> import numpy as np
        >>> from scipy.sparse import csr_array
        >>> seen, relevant = csr_array([[1, 0, 0, 0]]), csr_array([[0, 0, 1, 0]])
        >>> full_ranking(np.array([[9.0, 3.0, 2.0, 1.0]]), seen, relevant, k=2).ndcg.round(3).tolist()
        [0.631]
    """
    hidden, wanted = seen.toarray() != 0, relevant.toarray() != 0
    counts = wanted.sum(axis=1) if n_relevant is None else n_relevant
    _check(scores, hidden, wanted, counts, k)
    order = np.argsort(np.where(hidden, np.inf, -scores), axis=1, kind="stable")
    hits = np.take_along_axis(wanted, order, axis=1)
    places = np.arange(1, scores.shape[1] + 1)
    gains = 1 / np.log2(places[:k] + 1)
    first = np.minimum(counts, k)
    return RankingMeasures(
        ndcg=hits[:, :k] @ gains / np.cumsum(gains)[first - 1],
        recall=hits[:, :k].sum(axis=1) / first,
        average_precision=(hits * np.cumsum(hits, axis=1) / places).sum(axis=1) / counts,
        lists=order[:, :k],
    )


def _check(
    scores: Float[np.ndarray, "users items"],
    hidden: np.ndarray,
    wanted: np.ndarray,
    counts: np.ndarray,
    k: int,
) -> None:
    if not scores.shape == hidden.shape == wanted.shape or counts.shape != scores.shape[:1]:
        raise ValueError(
            f"expected tables of one shape, got scores {scores.shape}, seen {hidden.shape}, relevant {wanted.shape}"
        )
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"expected k between 1 and the {scores.shape[1]} items, got {k}")
    if not np.isfinite(scores).all():
        raise ValueError("expected finite scores, got some that are not")
    if (counts < np.maximum(wanted.sum(axis=1), 1)).any():
        raise ValueError("expected a relevant item for every user, and n_relevant to count all of them")
    if (hidden & wanted).any():
        raise ValueError("expected relevant items that the user has not seen, got one that was")
