"""What is drawn anew in a resample: rows, whole clusters of rows, or either within strata.

Axis names: ``n`` rows of the data; ``units``, what is drawn (rows or clusters).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from companion.stats.base.labels import as_groups

Rows = Int[np.ndarray, " n"]
Members = Int[np.ndarray, " _"]  # one cluster, or stratum, has more than another


@dataclass(frozen=True)
class ResamplingUnits:
    """How the rows came about.

    Attributes:
        n_rows: number of rows.
        clusters: the rows of each unit; None where each row is a unit.
        strata: the units of each stratum, as many of which are drawn as there are.
    """

    n_rows: int
    clusters: list[Members] | None
    strata: list[Members]

    @classmethod
    def of(cls, n_rows: int, clusters: ArrayLike | None, strata: ArrayLike | None) -> "ResamplingUnits":
        """From the cluster and the stratum of each row.

        Raises:
            ValueError: for missing values, other lengths, a cluster in two strata, fewer than 2 units in a stratum.
        """
        unit_of_row, n_units = np.arange(n_rows), n_rows
        if clusters is not None:
            unit_of_row, n_units = _codes("clusters", clusters, n_rows)
        stratum_of_row, n_strata = np.zeros(n_rows, int), 1
        if strata is not None:
            stratum_of_row, n_strata = _codes("strata", strata, n_rows)
        stratum_of_unit = np.empty(n_units, int)
        stratum_of_unit[unit_of_row] = stratum_of_row
        if (torn := stratum_of_unit[unit_of_row] != stratum_of_row).any():
            raise ValueError(
                f"expected each cluster to lie in one stratum, got the cluster of row {torn.argmax()} in two; "
                "number clusters apart by stratum, or leave out strata"
            )
        sizes = np.bincount(stratum_of_unit, minlength=n_strata)
        if sizes.min() < 2:
            raise ValueError(
                f"expected at least 2 {'rows' if clusters is None else 'clusters'} in each stratum, got {sizes.min()} "
                f"in one of {n_strata:,}; merge small strata, or collect more"
            )
        rows = None if clusters is None else _rows_by_code(unit_of_row)
        return cls(n_rows, rows, _rows_by_code(stratum_of_unit))

    @cached_property
    def units(self) -> Int[np.ndarray, " units"]:
        """All units, stratum after stratum: the order of ``draw``."""
        return np.concatenate(self.strata)

    def draw(self, size: int, rng: np.random.Generator) -> Int[np.ndarray, "size units"]:
        """``size`` resamples: each stratum's units, with replacement."""
        drawn = [units[rng.integers(0, len(units), size=(size, len(units)))] for units in self.strata]
        return drawn[0] if len(drawn) == 1 else np.concatenate(drawn, axis=1)

    def rows(self, units: Int[np.ndarray, " units"]) -> Rows:
        """The rows of these units, one unit after the other."""
        return units if self.clusters is None else np.concatenate([self.clusters[unit] for unit in units])

    def left_out(self, max_groups: int, rng: np.random.Generator) -> Iterator[tuple[int, Int[np.ndarray, " kept"]]]:
        """For each of at most ``max_groups`` random groups of each stratum: its stratum, and the places that remain.

        Places are those of a resample, or of ``units``: stratum after stratum.
        """
        start = 0
        for number, members in enumerate(self.strata):
            group = np.full(len(self.units), -1)
            group[start : start + len(members)] = rng.permutation(len(members)) % max_groups
            start += len(members)
            for left in range(group.max() + 1):
                yield number, np.flatnonzero(group != left)


def _codes(name: str, values: ArrayLike, n_rows: int) -> tuple[Rows, int]:
    codes, names = as_groups(name, values, n_rows)
    return codes, len(names)


def _rows_by_code(codes: Rows) -> list[Members]:
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes))[:-1])
