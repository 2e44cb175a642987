"""Bins of a table, learned from the rows that are given and from no others."""

from typing import Self

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin

from companion.cases.scorecard.column import ColumnBins, fit_column
from companion.stats.base.frames import check_same_index
from companion.stats.base.labels import as_binary


class Binning(TransformerMixin, BaseEstimator):
    """Turns each column of a table into the weight of evidence of the bin that a value lies in.

    The bins of a column have the largest information value that is possible with neighbors joined
    (:func:`companion.cases.scorecard.best_cuts`). They are learned from labels: fitted on rows that are tested later
    they hold the answers of the test. As a scikit-learn transformer inside a pipeline it sees what ``fit`` gets.

    Args:
        max_bins: of a column, without that of missing values.
        min_share: of the rows that a bin holds at least; rarer categories form a bin together.
        monotone: whether the proportion of bad may only rise or only fall with a number.
        fine_bins: quantiles that a column of numbers starts from.

    Raises:
        ValueError: in ``fit``: for a table without rows or columns, with two columns of one name, labels of another
            index, that are not 0 and 1 or are all alike; in ``transform``: for missing columns, or text in
            a column of numbers.

    Source:
        Siddiqi, *Credit Risk Scorecards* (2006); Navas-Palencia, *Optimal binning*, 2020, arXiv:2001.08025.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"months": [6, 12, 24, 36] * 25, "home": ["own", "rent"] * 50})
        >>> bad = [0, 0, 0, 1] * 20 + [1, 1, 0, 0] * 5
        >>> binning = Binning().fit(table, bad)
        >>> [round(column.information_value, 2) for column in binning.columns_]
        [1.94, 1.05]
        >>> binning.transform(table).shape
        (100, 2)
    """

    columns_: list[ColumnBins]

    def __init__(
        self, *, max_bins: int = 5, min_share: float = 0.05, monotone: bool = True, fine_bins: int = 20
    ) -> None:
        self.max_bins, self.min_share, self.monotone, self.fine_bins = max_bins, min_share, monotone, fine_bins

    def fit(self, table: pd.DataFrame, bad: ArrayLike) -> Self:
        """Learns the bins of every column; ``bad`` is 1 for those who did not pay back, else 0, a number a row."""
        labels = as_bad(table, bad)
        if self.max_bins < 1 or self.fine_bins < self.max_bins or not 0 < self.min_share < 1:
            raise ValueError(
                f"expected 1 ≤ max_bins ≤ fine_bins and 0 < min_share < 1, got max_bins={self.max_bins}, "
                f"fine_bins={self.fine_bins}, min_share={self.min_share}"
            )
        min_count = max(1, int(np.ceil(self.min_share * len(table))))
        self.columns_ = [
            fit_column(
                table[name],
                labels,
                max_bins=self.max_bins,
                min_count=min_count,
                monotone=self.monotone,
                fine_bins=self.fine_bins,
            )
            for name in table.columns
        ]
        return self

    def index(self, table: pd.DataFrame) -> Int[np.ndarray, "rows columns"]:
        """The bin of every value; -1 for a category that training has not seen."""
        needed = table.columns[table.columns.isin([column.name for column in self.columns_])]
        if needed.has_duplicates:
            raise ValueError(f"expected every column once, got {needed[needed.duplicated()][0]!r} twice")
        absent = [column.name for column in self.columns_ if column.name not in table.columns]
        if absent:
            raise ValueError(f"expected the columns {', '.join(absent)} too, got {', '.join(map(str, table.columns))}")
        return np.stack([column.index(table[column.name]) for column in self.columns_], axis=1)

    def transform(self, table: pd.DataFrame) -> pd.DataFrame:
        """The weights of evidence, in nats, a column each; 0 for a category that training has not seen."""
        index = self.index(table)
        weights = [np.append(column.woe, 0.0)[index[:, i]] for i, column in enumerate(self.columns_)]
        return pd.DataFrame({c.name: w for c, w in zip(self.columns_, weights, strict=True)}, index=table.index)


def as_bad(table: pd.DataFrame, bad: ArrayLike) -> Int[np.ndarray, " rows"]:
    """The labels as 0 and 1, one a row of the table, both of which occur."""
    check_same_index(table=table, bad=bad)
    if table.columns.has_duplicates:
        raise ValueError(f"expected every column once, got {table.columns[table.columns.duplicated()][0]!r} twice")
    (labels,) = as_binary("a scorecard", bad=bad)
    if table.shape[1] == 0 or len(labels) != len(table):
        raise ValueError(f"expected a label for each row of a table, got {labels.shape} for a table of {table.shape}")
    if labels.all() or not labels.any():
        raise ValueError(f"expected labels 0 and 1, both of them, got only {int(labels[0])}")
    return labels.astype(int)
