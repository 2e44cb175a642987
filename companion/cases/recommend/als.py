"""Matrix factorization by alternating least squares: of what users took, and of the ratings that they gave."""

from typing import Self

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

_BLOCK = 4096  # rows whose systems are solved together: memory stays at block × factors²


class ALS:
    r"""Factors for users and items from what users took, all else counting as weak evidence against.

    .. math:: \min_{U,V}\sum_{u,i}c_{ui}(p_{ui}-\mathbf u_u^\top\mathbf v_i)^2
        +\lambda\bigl(\textstyle\sum_u\|\mathbf u_u\|^2+\sum_i\|\mathbf v_i\|^2\bigr)

    with :math:`p_{ui}=1` and :math:`c_{ui}` the confidence where user u took item i, else 0 and 1. With V fixed each
    user is a ridge regression with an exact solution, and the other way round; a new user is one more.

    Args:
        n_factors: numbers that stand for a user or an item.
        penalty: :math:`\lambda`.
        confidence: of a taken item; of all others it is 1.
        n_iterations: each solves all users, then all items.
        seed: of the first item factors, uniform between 0 and 0.01.

    Raises:
        ValueError: for sizes that are not positive, a penalty that is not positive, or a confidence below 1.

    Source:
        Hu, Koren & Volinsky, *Collaborative filtering for implicit feedback datasets*, ICDM 2008, equations 3 to 7.

    Example:
        >>> import numpy as np
        >>> from scipy.sparse import csr_array
        >>> taken = csr_array(np.kron(np.eye(2), np.ones((3, 2))))
        >>> model = ALS(n_factors=2, penalty=0.1, confidence=2).fit(taken)
        >>> model.scores(csr_array([[1.0, 0.0, 0.0, 0.0]])).round(1).tolist()
        [[0.7, 0.7, 0.0, 0.0]]
    """

    item_factors_: Float[np.ndarray, "items factors"]

    def __init__(
        self,
        *,
        n_factors: int = 16,
        penalty: float = 5.0,
        confidence: float = 2.0,
        n_iterations: int = 15,
        seed: int = 0,
    ) -> None:
        _check(n_factors, penalty, n_iterations)
        if not confidence >= 1:
            raise ValueError(f"expected a confidence of at least 1, got {confidence}")
        self.n_factors, self.penalty, self.confidence = n_factors, penalty, confidence
        self.n_iterations, self.seed = n_iterations, seed

    def fit(self, taken: csr_array) -> Self:
        """Learns factors of items; ``taken`` has the shape (users, items), 1 where the user took the item."""
        self.item_factors_ = _start(taken.shape[1], self.n_factors, self.seed)
        columns = csr_array(taken.T)
        for _ in range(self.n_iterations):
            self.item_factors_ = self._half(columns, self.user_factors(taken))
        return self

    def user_factors(self, given: csr_array) -> Float[np.ndarray, "users factors"]:
        """The factors of users who took these items, known to ``fit`` or not."""
        return self._half(given, self.item_factors_)

    def scores(self, given: csr_array) -> Float[np.ndarray, "users items"]:
        """The products of factors for users who took these items."""
        return self.user_factors(given) @ self.item_factors_.T

    def reasons(self, given: csr_array, item: int) -> Float[np.ndarray, " items"]:
        """What each item of one user, a matrix with one row, adds to the score of ``item``; they sum to the score."""
        taken = given.toarray()[0] != 0
        v = self.item_factors_
        system = self._gram(v) + (self.confidence - 1) * v[taken].T @ v[taken]
        return np.where(taken, self.confidence * (v @ np.linalg.solve(system, v[item])), 0.0)

    def _gram(self, fixed: Float[np.ndarray, "others factors"]) -> Float[np.ndarray, "factors factors"]:
        return np.asarray(fixed.T @ fixed + self.penalty * np.eye(fixed.shape[1]))

    def _half(self, taken: csr_array, fixed: Float[np.ndarray, "others factors"]) -> Float[np.ndarray, "rows factors"]:
        return _solve((self.confidence - 1) * taken, self.confidence * taken, fixed, self._gram(fixed))


class RatingALS:
    r"""Factors for users and items from ratings; what was not rated counts as unknown.

    .. math:: \min_{U,V}\sum_{(u,i)\text{ rated}}(r_{ui}-\mu-\mathbf u_u^\top\mathbf v_i)^2
        +\lambda\bigl(\textstyle\sum_u\|\mathbf u_u\|^2+\sum_i\|\mathbf v_i\|^2\bigr)

    with the mean :math:`\mu` of the ratings. It foresees what a rating would be, not what a user would take.

    Args:
        n_factors: numbers that stand for a user or an item.
        penalty: :math:`\lambda`.
        n_iterations: each solves all users, then all items.
        seed: of the first item factors, uniform between 0 and 0.01.

    Raises:
        ValueError: for sizes or a penalty that are not positive.

    Source:
        Koren, Bell & Volinsky, *Matrix factorization techniques for recommender systems*, IEEE Computer 42(8), 2009.

    Example:
        >>> import numpy as np
        >>> from scipy.sparse import csr_array
        >>> rated = csr_array(np.array([[5.0, 1.0], [4.0, 2.0], [5.0, 1.0]]))
        >>> RatingALS(n_factors=1, penalty=0.01).fit(rated).scores(rated[:1]).round(1).tolist()
        [[5.0, 1.0]]
    """

    item_factors_: Float[np.ndarray, "items factors"]
    mean_: float

    def __init__(self, *, n_factors: int = 8, penalty: float = 5.0, n_iterations: int = 15, seed: int = 0) -> None:
        _check(n_factors, penalty, n_iterations)
        self.n_factors, self.penalty, self.n_iterations, self.seed = n_factors, penalty, n_iterations, seed

    def fit(self, rated: csr_array) -> Self:
        """Learns factors of items; ``rated`` has the shape (users, items) and stores the ratings that were given."""
        self.mean_ = float(rated.data.mean())
        self.item_factors_ = _start(rated.shape[1], self.n_factors, self.seed)
        columns = csr_array(rated.T)
        for _ in range(self.n_iterations):
            self.item_factors_ = self._half(columns, self.user_factors(rated))
        return self

    def user_factors(self, given: csr_array) -> Float[np.ndarray, "users factors"]:
        """The factors of users who gave these ratings, known to ``fit`` or not."""
        return self._half(given, self.item_factors_)

    def scores(self, given: csr_array) -> Float[np.ndarray, "users items"]:
        """The rating that each user would give to each item, on the scale of the ratings."""
        return self.mean_ + self.user_factors(given) @ self.item_factors_.T

    def _half(self, rated: csr_array, fixed: Float[np.ndarray, "others factors"]) -> Float[np.ndarray, "rows factors"]:
        known, centered = rated.copy(), rated.copy()
        known.data = np.ones_like(rated.data)
        centered.data = rated.data - self.mean_
        return _solve(known, centered, fixed, self.penalty * np.eye(fixed.shape[1]))


def _solve(
    weights: csr_array,
    targets: csr_array,
    fixed: Float[np.ndarray, "others factors"],
    base: Float[np.ndarray, "factors factors"],
) -> Float[np.ndarray, "rows factors"]:
    """For each row the solution x of (base + Σ w v vᵀ) x = Σ t v, over the row's entries."""
    right = targets @ fixed
    found = np.empty_like(right)
    for start in range(0, weights.shape[0], _BLOCK):
        rows = slice(start, start + _BLOCK)
        outer = [weights[rows] @ (fixed * fixed[:, [a]]) for a in range(fixed.shape[1])]
        found[rows] = np.linalg.solve(base + np.stack(outer, axis=1), right[rows, :, None])[..., 0]
    return found


def _start(n_items: int, n_factors: int, seed: int) -> Float[np.ndarray, "items factors"]:
    return np.random.default_rng(seed).random((n_items, n_factors)) * 0.01


def _check(n_factors: int, penalty: float, n_iterations: int) -> None:
    if n_factors < 1 or n_iterations < 1 or not penalty > 0:
        raise ValueError(
            f"expected positive n_factors, n_iterations and penalty, got {n_factors}, {n_iterations} and {penalty}"
        )
