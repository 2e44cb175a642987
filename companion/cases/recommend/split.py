"""A split of ratings by time: nothing that a model learns from is later than what it is tested on."""

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class TimeSplit:
    """Ratings in three parts, each a table with the columns user, item and time.

    Attributes:
        train: all before the date: a model is fitted on these.
        given: what is known of each tested user when the list is made.
        targets: what the user rated afterward, which the list is to foresee.
    """

    train: pd.DataFrame
    given: pd.DataFrame
    targets: pd.DataFrame


def time_split(ratings: pd.DataFrame, at: float, *, given: float = 0.5) -> TimeSplit:
    """Splits at one date for everybody, as a release does.

    A user with ratings before the date is given those, and the later ones are targets. Of a user who arrives after it,
    the first ones (by time; ties as in the table) are given, and the rest are targets. A user with a single rating
    after the date, and none before, is not tested.

    Args:
        ratings: a row a rating, with the columns user, item and time.
        at: the date, in the unit of the column time; a rating at the date itself counts as later.
        given: proportion of a new user's ratings that the model is given, rounded up.

    Raises:
        ValueError: for missing columns, a row without a user, an item or a time, a proportion that is not between 0 and
            1, or a date that leaves one side empty.

    Example:
        >>> import pandas as pd
        >>> ratings = pd.DataFrame({"user": [1, 1, 2, 2, 1], "item": list("abcda"), "time": [1, 2, 5, 6, 9]})
        >>> split = time_split(ratings, 4)
        >>> split.train["item"].tolist(), split.given["item"].tolist(), split.targets["item"].tolist()
        (['a', 'b'], ['a', 'b', 'c'], ['d', 'a'])
    """
    absent = [name for name in ("user", "item", "time") if name not in ratings.columns]
    if absent:
        raise ValueError(f"expected the columns user, item and time, got none named {', '.join(absent)}")
    if (lacking := ratings[["user", "item", "time"]].isna().any(axis=1)).any():
        raise ValueError(
            f"expected user, item and time in every row, got {lacking.sum():,} rows without (the first is row "
            f"{lacking.argmax()}): drop them"
        )
    if not 0 < given < 1:
        raise ValueError(f"expected given between 0 and 1, got {given}")
    ordered = ratings.sort_values("time", kind="stable")
    train, later = ordered[ordered["time"] < at], ordered[ordered["time"] >= at]
    if len(train) == 0 or len(later) == 0:
        raise ValueError(f"expected a date with ratings before and after it, got {at} for {_span(ordered)}")
    known = later["user"].isin(train["user"])
    groups = later.groupby("user", sort=False)["item"]
    first = (groups.cumcount() < np.ceil(given * groups.transform("size"))) & ~known
    targets = later[~first]
    table = pd.concat([train, later[first]])
    return TimeSplit(train, table[table["user"].isin(targets["user"])], targets)


def _span(ordered: pd.DataFrame) -> str:
    return "no rating" if len(ordered) == 0 else f"{ordered['time'].iloc[0]} to {ordered['time'].iloc[-1]}"
