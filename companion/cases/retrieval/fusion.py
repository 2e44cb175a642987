r"""Several rankings of the same texts as one."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from companion.stats.base.checks import as_numbers
from companion.stats.base.frames import check_same_index


def reciprocal_rank_fusion(rankings: Sequence[ArrayLike], *, k: float = 60) -> Float[np.ndarray, " texts"]:
    r"""Joins the scores of several methods by the ranks that they give, which have no units.

    .. math:: \text{fused} = \sum_{\text{methods}} \frac{1}{k + \text{rank}},

    where the best text of a method has rank 1. Texts of equal score share the mean of their ranks.

    Args:
        rankings: for each method the scores of all texts, larger ones better ``[texts]``.
        k: how little the first ranks stand out, at least 0.

    Raises:
        ValueError: for no ranking, rankings of other lengths or indexes, NaN, or a negative ``k``.

    Source:
        Cormack, Clarke and Büttcher 2009, SIGIR.

    >>> reciprocal_rank_fusion([[9.0, 2.0, 0.0], [0.1, 0.8, 0.3]], k=0).round(2)
    array([1.33, 1.5 , 0.83])
    """
    named = {f"ranking {number}": scores for number, scores in enumerate(rankings, start=1)}
    if not named or not k >= 0:
        raise ValueError(
            f"expected scores of the same texts by each method, k of at least 0, got {len(named)} and k={k}"
        )
    check_same_index(**named)
    scores = as_numbers(at_least=1, **named)
    return np.sum([1 / (k + rankdata(-each)) for each in scores], axis=0)
