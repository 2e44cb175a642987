"""Two recommenders without training that every other one is held to: the most popular, and neighbors of items."""

from typing import Self

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array


class MostPopular:
    """Scores every item by how many users took it, for everybody alike.

    Example:
        >>> import numpy as np
        >>> from scipy.sparse import csr_array
        >>> taken = csr_array(np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]]))
        >>> MostPopular().fit(taken).scores(taken[:1]).tolist()
        [[1.0, 2.0, 0.0]]
    """

    counts_: Float[np.ndarray, " items"]

    def fit(self, taken: csr_array) -> Self:
        """Counts the users of each item; ``taken`` has the shape (users, items)."""
        self.counts_ = np.asarray(taken.sum(axis=0), dtype=float).ravel()
        return self

    def scores(self, given: csr_array) -> Float[np.ndarray, "users items"]:
        """The counts, a row for each row of ``given``."""
        return np.tile(self.counts_, (given.shape[0], 1))


class ItemNeighbors:
    r"""Scores an item by its similarity to those that the user took.

    .. math:: s_{ui}=\sum_{j\in u}\frac{n_{ij}}{\sqrt{n_in_j}+\beta}

    with :math:`n_i` users of item i, :math:`n_{ij}` of both, and the shrinkage :math:`\beta`, which takes weight from
    pairs that few users have.

    Args:
        shrinkage: :math:`\beta`, in users.

    Raises:
        ValueError: for a negative shrinkage.

    Source:
        Sarwar, Karypis, Konstan & Riedl, *Item-based collaborative filtering recommendation algorithms*, WWW 2001.

    Example:
        >>> import numpy as np
        >>> from scipy.sparse import csr_array
        >>> taken = csr_array(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
        >>> ItemNeighbors(shrinkage=0).fit(taken).scores(csr_array([[1.0, 0.0, 0.0]])).round(2).tolist()
        [[0.0, 1.0, 0.0]]
    """

    similarity_: Float[np.ndarray, "items items"]

    def __init__(self, *, shrinkage: float = 20.0) -> None:
        if not shrinkage >= 0:
            raise ValueError(f"expected shrinkage of at least 0, got {shrinkage}")
        self.shrinkage = shrinkage

    def fit(self, taken: csr_array) -> Self:
        """Compares all pairs of items; ``taken`` has the shape (users, items)."""
        both = (taken.T @ taken).toarray()
        norms = np.sqrt(both.diagonal())
        scale = np.outer(norms, norms) + self.shrinkage
        self.similarity_ = np.divide(both, scale, out=np.zeros_like(both), where=scale > 0)
        np.fill_diagonal(self.similarity_, 0)
        return self

    def scores(self, given: csr_array) -> Float[np.ndarray, "users items"]:
        """The sums of similarities, a row for each row of ``given``."""
        return np.asarray(given @ self.similarity_)
