"""From ratings to a list for each user: what, why, and what the most popular would have been."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int
from scipy.sparse import csr_array

from companion.cases.recommend.als import ALS
from companion.cases.recommend.baselines import MostPopular
from companion.cases.recommend.matrices import interactions


@dataclass(frozen=True)
class Suggestion:
    """One place of a list.

    Attributes:
        item: that is recommended, by its title where there is one.
        because: items that the user liked and that added most to its score, most first.
        popularity: users who liked it.
    """

    item: str
    because: tuple[str, ...]
    popularity: int


@dataclass(frozen=True)
class Recommendation:
    """What is said to one user.

    Attributes:
        user: whose list it is.
        n_liked: items that the user liked; with none the list is that of the most popular.
        list: best first; shorter where the user has rated nearly everything.
        popular: the most popular items that the user has not rated, as many.
    """

    user: str
    n_liked: int
    list: tuple[Suggestion, ...]
    popular: tuple[str, ...]


def recommend(ratings: pd.DataFrame, *, k: int = 5, like_from: float | None = None) -> list[Recommendation]:
    """A list for each user of the table, in the order in which they first stand there.

    Args:
        ratings: as :func:`companion.cases.recommend.read_ratings` gives them.
        k: places of each list.
        like_from: rating from which on a user likes an item; the table's median by default. Without ratings each row
            is an item that the user liked.

    Raises:
        ValueError: for a list without a place, or nothing that anybody likes.

    Example:
        >>> import pandas as pd
        >>> pairs = [(u, i) for u in "abc" for i in "xyz"] + [(u, i) for u in "defg" for i in "12"] + [("h", "x")]
        >>> found = recommend(pd.DataFrame(pairs, columns=["user", "item"]), k=2)[-1]
        >>> [each.item for each in found.list], found.popular, found.list[0].because
        (['y', 'z'], ('1', '2'), ('x',))
    """
    if k < 1:
        raise ValueError(f"expected a list of at least one place, got {k}")
    users, items = (pd.Index(ratings[name].unique()) for name in ("user", "item"))
    likes = liked(ratings, like_from)
    taken, seen = interactions(likes, users, items), interactions(ratings, users, items)
    model, popular = ALS().fit(taken), MostPopular().fit(taken)
    scores = model.scores(taken)
    names = _names(ratings, items)
    found = []
    for i, user in enumerate(users):
        row = taken[[i]]
        most = _best(popular.counts_, seen[[i]], k)
        best = _best(scores[i], seen[[i]], k) if row.nnz else most
        places = tuple(Suggestion(names[j], _because(model, row, j, names), int(popular.counts_[j])) for j in best)
        found.append(Recommendation(str(user), row.nnz, places, tuple(names[j] for j in most)))
    return found


def liked(ratings: pd.DataFrame, like_from: float | None = None) -> pd.DataFrame:
    """The rows of items that were liked.

    Args:
        ratings: a row a rating, the column rating where there is one.
        like_from: rating from which on an item is liked; the median by default.

    Raises:
        ValueError: where nothing is liked, or ``like_from`` comes without ratings.
    """
    if "rating" not in ratings.columns:
        if like_from is not None:
            raise ValueError("expected a column rating for like_from, got a table without one")
        return ratings
    likes = ratings[ratings["rating"] >= (ratings["rating"].median() if like_from is None else like_from)]
    if len(likes) == 0:
        raise ValueError(f"expected ratings of at least {like_from}, got none above {ratings['rating'].max()}")
    return likes


def _best(scores: np.ndarray, seen: csr_array, k: int) -> Int[np.ndarray, " places"]:
    free = np.setdiff1d(np.arange(len(scores)), seen.indices)
    return np.asarray(free[np.argsort(-scores[free], kind="stable")[:k]])


def _because(model: ALS, row: csr_array, item: int, names: list[str]) -> tuple[str, ...]:
    if not row.nnz:
        return ()
    parts = model.reasons(row, item)
    return tuple(names[j] for j in np.argsort(-parts, kind="stable")[:2] if parts[j] > 0)


def _names(ratings: pd.DataFrame, items: pd.Index) -> list[str]:
    if "title" not in ratings.columns:
        return [str(item) for item in items]
    titles = ratings.drop_duplicates("item").set_index("item")["title"].reindex(items)
    return [str(item) if pd.isna(title) else str(title) for item, title in titles.items()]
