"""Reads ratings from a CSV file: nothing in it is run, and its size is looked at first."""

from pathlib import Path

import numpy as np
import pandas as pd

from companion.cases.scorecard import read_table

#: Users times items of the largest table: a score for each pair is held at once.
MAX_PAIRS = 25_000_000
#: Other names that a column may have.
_NAMES = {"userId": "user", "user_id": "user", "movieId": "item", "item_id": "item", "timestamp": "time"}


def read_ratings(path: str | Path) -> pd.DataFrame:
    """The ratings of a CSV file: user and item as text, and rating, time and title where the file has them.

    Args:
        path: of a file with a header, UTF-8, at most 50 MB and 200,000 rows. Columns may be called userId or user_id,
            movieId or item_id, timestamp, too. A time is a number, or a date such as 2026-11-30.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is too large, no such table, lacks a user or an item, has ratings or times that are none,
            fewer than two users or items, or more than 25 million pairs of them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "ratings.csv"
        >>> _ = path.write_text("userId,movieId,rating\\n1,007,5\\n2,8,3.5\\n")
        >>> read_ratings(path)["item"].tolist()
        ['007', '8']
    """
    keys = [name for name, ours in _NAMES.items() if ours in ("user", "item")]
    table = read_table(path, text=["user", "item", "title", *keys], rows="ratings").rename(columns=_NAMES)
    absent = [name for name in ("user", "item") if name not in table.columns]
    if absent or table.columns.duplicated().any():
        raise ValueError(
            f"expected one column user and one column item (or userId and movieId) in {path}, got "
            f"{', '.join(map(str, table.columns[:25]))}"
        )
    for name in ("user", "item", *(name for name in ("rating", "time") if name in table.columns)):
        if table[name].isna().any():
            raise ValueError(f"expected {name} in every row of {path}, got none in data row {_first(table[name])}")
    if "rating" in table.columns:
        table["rating"] = _numbers(table["rating"], "ratings")
    if "time" in table.columns:
        table["time"] = _times(table["time"])
    n_users, n_items = table["user"].nunique(), table["item"].nunique()
    if min(n_users, n_items) < 2 or n_users * n_items > MAX_PAIRS:
        raise ValueError(
            f"expected at least two users and two items, and at most {MAX_PAIRS:,} pairs of them, got {n_users:,} "
            f"users and {n_items:,} items in {path}"
        )
    return table


def _first(column: pd.Series) -> int:
    return int(np.flatnonzero(column.isna())[0]) + 1


def _numbers(column: pd.Series, what: str) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise ValueError(
            f"expected numbers as {what}, got {str(column.iloc[wrong[0]])[:40]!r} in data row {wrong[0] + 1}"
        )
    return numbers


def _times(column: pd.Series) -> pd.Series:
    """Seconds: the numbers as they are, or those of ISO dates."""
    if pd.api.types.is_numeric_dtype(column):
        return _numbers(column, "times")
    dates = pd.to_datetime(column, errors="coerce", format="ISO8601", utc=True)
    if dates.isna().any():
        row = _first(dates)
        raise ValueError(
            f"expected numbers or dates such as 2026-11-30 as times, got {str(column.iloc[row - 1])[:40]!r} in data "
            f"row {row}"
        )
    return (dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
