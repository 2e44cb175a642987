"""Does the model beat the most popular on these ratings? Tested by time, over the whole catalog."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from companion.cases.recommend.als import ALS
from companion.cases.recommend.baselines import MostPopular
from companion.cases.recommend.matrices import interactions
from companion.cases.recommend.measures import full_ranking
from companion.cases.recommend.split import time_split
from companion.cases.recommend.suggest import liked
from companion.stats import Interval, mean_ci


@dataclass(frozen=True)
class TimeTest:
    """What the test says; intervals are those of the tested users, at one date and one fit.

    Attributes:
        n_users: that were tested.
        ndcg: at k, of the model.
        over_popular: NDCG of the model minus that of the most popular ever.
        over_recent: the same for the most popular of the newest quarter of the training rows.
    """

    n_users: int
    ndcg: float
    over_popular: Interval
    over_recent: Interval

    @property
    def wins(self) -> bool:
        """Whether both intervals lie above 0."""
        return min(self.over_popular.low, self.over_recent.low) > 0


def time_test(
    ratings: pd.DataFrame, *, k: int = 10, like_from: float | None = None, share: float = 0.8
) -> TimeTest | None:
    """Fits on the earliest ratings and ranks for those who rate later.

    As :func:`companion.cases.recommend.recommend` does, a user without an earlier like gets the most popular.

    Args:
        ratings: with a column time, as :func:`companion.cases.recommend.read_ratings` gives them.
        k: places of a list.
        like_from: as for :func:`companion.cases.recommend.recommend`.
        share: of the rows that lie before the date of the split.

    Returns:
        The test; None where there are fewer than 10 users to test, or no differences among them.

    Raises:
        ValueError: for a table without times, or nothing that anybody likes.
    """
    if "time" not in ratings.columns:
        raise ValueError("expected a column time for a test by time, got a table without one")
    ratings = ratings.reset_index(drop=True)  # rows are told apart by their labels below
    at = ratings["time"].quantile(share)
    if not ratings["time"].min() < at:
        return None
    split = time_split(ratings, at)
    likes = liked(ratings, like_from).index
    train, given, targets = (part[part.index.isin(likes)] for part in (split.train, split.given, split.targets))
    items, users = pd.Index(split.train["item"].unique()), pd.Index(targets["user"].unique())
    if len(users) < 10 or len(train) == 0 or len(items) < k:
        return None
    n_relevant = targets.groupby("user")["item"].nunique().reindex(users).to_numpy()
    seen, wanted = interactions(split.given, users, items), interactions(targets, users, items)
    wanted = wanted - wanted.multiply(seen != 0)  # rated once more: no recommendation
    everyone, known = pd.Index(train["user"].unique()), interactions(given, users, items)
    newest = train.iloc[-max(1, len(train) // 4) :]
    scores = [
        model.fit(interactions(rows, everyone, items)).scores(known)
        for model, rows in ((ALS(), train), (MostPopular(), train), (MostPopular(), newest))
    ]
    without = np.diff(known.indptr) == 0  # whoever likes nothing yet gets the most popular, as in recommend()
    scores[0][without] = scores[1][without]
    gains = [full_ranking(each, seen, wanted, n_relevant=n_relevant, k=k).ndcg for each in scores]
    over = [gains[0] - other for other in gains[1:]]
    if min(np.ptp(each) for each in over) == 0:
        return None
    return TimeTest(len(users), float(gains[0].mean()), mean_ci(over[0]), mean_ci(over[1]))
