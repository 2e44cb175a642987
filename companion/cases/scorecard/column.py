"""The bins of one column: which value lies in which, and what each says."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from companion.cases.scorecard.evidence import information_value, woe
from companion.cases.scorecard.optimal import best_cuts


@dataclass(frozen=True)
class ColumnBins:
    """The bins of a column of numbers or of categories, and a last one for missing values.

    Attributes:
        name: of the column.
        edges: of a column of numbers, rising: a bin reaches from one edge up to, not with, the next.
        groups: of a column of categories: those in each bin. One of ``edges`` and ``groups`` is None.
        good: how many in each bin paid back, the missing last.
        bad: how many did not.
    """

    name: str
    edges: tuple[float, ...] | None
    groups: tuple[tuple[str, ...], ...] | None
    good: tuple[int, ...]
    bad: tuple[int, ...]

    @property
    def woe(self) -> Float[np.ndarray, " bins"]:
        """Weight of evidence of each bin; 0, which is no evidence, for a bin that training left empty."""
        seen = np.add(self.good, self.bad) > 0
        return np.where(seen, woe(self.good, self.bad), 0.0)

    @property
    def information_value(self) -> float:
        """Of all bins, in nats."""
        return information_value(self.good, self.bad)

    @property
    def labels(self) -> list[str]:
        """A bin each, as a person reads it."""
        if self.groups is not None:
            return [*(" or ".join(group) for group in self.groups), "missing"]
        if not self.edges:
            return ["any number", "missing"]
        middle = [f"{low:g} to below {high:g}" for low, high in zip(self.edges, self.edges[1:], strict=False)]
        return [f"below {self.edges[0]:g}", *middle, f"{self.edges[-1]:g} or more", "missing"]

    def index(self, values: pd.Series) -> Int[np.ndarray, " rows"]:
        """The bin of each value; -1 for a category that training has not seen.

        Raises:
            ValueError: for text where numbers are expected; it names the column and the value.
        """
        missing = len(self.good) - 1
        if self.groups is None:
            numbers = as_numbers(values)
            found = np.searchsorted(self.edges or (), numbers, side="right")
            return np.where(np.isnan(numbers), missing, found)
        place = {category: i for i, group in enumerate(self.groups) for category in group}
        codes = as_text(values).map(place).fillna(-1).astype(int).to_numpy()
        return np.where(values.isna(), missing, codes)


def fit_column(
    values: pd.Series, bad: Int[np.ndarray, " rows"], *, max_bins: int, min_count: int, monotone: bool, fine_bins: int
) -> ColumnBins:
    """Bins of one column, with the largest information value: quantiles or categories, joined.

    Args:
        values: numbers, or text and booleans, which are categories; missing ones get a bin of their own.
        bad: 1 for those who did not pay back, else 0.
        max_bins: at most, without that of missing values.
        min_count: rows in a bin, at least. Rarer categories form a bin together.
        monotone: whether the proportion of bad may only rise or only fall with a number.
        fine_bins: quantiles that a number starts from.
    """
    if is_number(values):
        numbers = as_numbers(values)
        known = ~np.isnan(numbers)
        inner = np.quantile(numbers[known], np.arange(1, fine_bins) / fine_bins) if known.any() else []
        fine = np.setdiff1d(inner, numbers[known].min() if known.any() else [])
        counts = _counts(np.searchsorted(fine, numbers[known], side="right"), bad[known], len(fine) + 1)
        cuts = best_cuts(*counts, max_bins=max_bins, min_count=min_count, monotone=monotone)
        edges, groups = tuple(float(edge) for edge in fine[cuts - 1]), None
    else:
        edges, groups = None, _groups(as_text(values), bad, max_bins, min_count)
    n = len(edges) + 1 if edges is not None else len(groups or ())
    empty = ColumnBins(str(values.name), edges, groups, (0,) * (n + 1), (0,) * (n + 1))
    good_counts, bad_counts = _counts(empty.index(values), bad, n + 1)
    return ColumnBins(empty.name, edges, groups, tuple(good_counts.tolist()), tuple(bad_counts.tolist()))


def _groups(
    text: pd.Series, bad: Int[np.ndarray, " rows"], max_bins: int, min_count: int
) -> tuple[tuple[str, ...], ...]:
    """Categories in the order of their proportion of bad, neighbors joined; the rare ones count as one category."""
    sizes = text.value_counts()
    rare = sorted(sizes.index[sizes < min_count])
    units = [(name,) for name in sorted(sizes.index.difference(rare))] + ([tuple(rare)] if rare else [])
    if not units:
        return ()
    members = [text.isin(unit).to_numpy() for unit in units]
    order = np.argsort([bad[inside].mean() for inside in members], kind="stable")
    counts = np.array([[np.sum(members[i] & (bad == c)) for i in order] for c in (0, 1)])
    cuts = best_cuts(*counts, max_bins=max_bins, min_count=min_count, monotone=False)
    parts = np.split(order, cuts)
    return tuple(tuple(category for i in part for category in units[i]) for part in parts)


def is_number(values: pd.Series) -> bool:
    """Whether a column is one of numbers; booleans are categories."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def as_numbers(values: pd.Series) -> Float[np.ndarray, " rows"]:
    """A column's numbers, NaN where missing.

    Raises:
        ValueError: for text and for infinity; it names the column and the first such value.
    """
    numbers = pd.to_numeric(values, errors="coerce").astype(float).to_numpy()
    wrong = (np.isnan(numbers) & values.notna().to_numpy()) | np.isinf(numbers)
    if wrong.any():
        raise ValueError(
            f"expected finite numbers in the column {values.name!r}, got {str(values[wrong].iloc[0])[:40]!r} "
            f"in data row {int(np.argmax(wrong)) + 1}"
        )
    return numbers


def as_text(values: pd.Series) -> pd.Series:
    """A column's categories as text, missing ones left out of what is counted."""
    return values.astype(object).map(_as_text, na_action="ignore")


def _as_text(value: object) -> str:
    """A whole number as one, since pandas makes 7.0 of 7 where another row lacks one."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _counts(
    index: Int[np.ndarray, " rows"], bad: Int[np.ndarray, " rows"], n: int
) -> tuple[Int[np.ndarray, " bins"], Int[np.ndarray, " bins"]]:
    return np.bincount(index[bad == 0], minlength=n), np.bincount(index[bad == 1], minlength=n)
