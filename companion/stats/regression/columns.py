"""The columns of a regression, checked, and turned into a basis in which rounding does no harm."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike
from scipy.linalg import solve_triangular
from scipy.optimize import linprog

from companion.stats.base.arrays import as_array
from companion.stats.base.checks import check_unit
from companion.stats.base.frames import by_name
from companion.stats.base.options import as_names

#: Columns whose standardized form is this close to dependent count as dependent: float64 holds 16 digits of them.
DEPENDENT = 1e-12


@dataclass(frozen=True, eq=False)
class Design:
    """Named columns, usually with an intercept, together with an orthonormal basis of the space that they span.

    Attributes:
        names: of the coefficients, the intercept first where there is one.
        center: mean of each column, in its unit; 0 without an intercept.
        scale: root mean square of each column, less its center, in its unit.
        basis: orthogonal columns of mean square 1 that span what the intercept and the columns span.
        triangle: upper triangular; basis times triangle is the standardized design.
        intercept: whether there is one.
    """

    names: tuple[str, ...]
    center: Float[np.ndarray, " columns"]
    scale: Float[np.ndarray, " columns"]
    basis: Float[np.ndarray, "examples coefficients"]
    triangle: Float[np.ndarray, "coefficients coefficients"]
    intercept: bool = True

    @classmethod
    def of(cls, x: ArrayLike, names: Sequence[str], *, intercept: bool = True) -> "Design":
        """Standardizes the columns and decomposes them; refuses what leaves coefficients undetermined."""
        names = as_names(names)
        columns = _as_columns(x, names)
        n, k = columns.shape
        if n <= k + intercept:
            with_it = " with the intercept" if intercept else ""
            raise ValueError(
                f"expected more rows than coefficients, got {n:,} rows for {k + intercept:,}{with_it}: nothing is left "
                "to tell the noise; collect more, or drop columns"
            )
        center = columns.mean(0) if intercept else np.zeros(k)
        spread = np.abs(columns - center).max(0)
        if (constant := spread <= DEPENDENT * np.abs(columns).max(0)).any():
            expected = "vary, got constant" if intercept else "are not all 0, got"
            hint = "; the intercept is there" if intercept else ""
            raise ValueError(f"expected columns that {expected} {_listed(names, constant)}{hint}")
        scale = spread * np.sqrt((((columns - center) / spread) ** 2).mean(0))
        standardized = _with_ones((columns - center) / scale, intercept)
        names = ("intercept", *names) if intercept else names
        _check_rank(standardized, names)
        basis, triangle = np.linalg.qr(standardized)
        return cls(names, center, scale, basis * np.sqrt(n), triangle / np.sqrt(n), intercept)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names without the intercept."""
        return self.names[int(self.intercept) :]

    @property
    def back(self) -> Float[np.ndarray, "coefficients coefficients"]:
        """Turns parameters of the basis into coefficients of the columns in their own units."""
        unscale = np.diag(np.r_[1, 1 / self.scale] if self.intercept else 1 / self.scale)
        if self.intercept:
            unscale[0, 1:] = -self.center / self.scale
        return unscale @ solve_triangular(self.triangle, np.eye(len(self.names)))

    def rows(self, x: ArrayLike) -> Float[np.ndarray, "rows coefficients"]:
        """New rows of the columns, in the basis; those of a frame go by name."""
        columns = _as_columns(by_name(x, self.columns), self.columns)
        standardized = _with_ones((columns - self.center) / self.scale, self.intercept)
        return solve_triangular(self.triangle, standardized.T, trans="T").T

    @property
    def leverage(self) -> Float[np.ndarray, " examples"]:
        """By how much each fitted value moves with its own observation, from 0 to 1."""
        return np.sum(self.basis**2, axis=1) / len(self.basis)

    def separating(self, positive: Bool[np.ndarray, " examples"]) -> list[str]:
        """The columns of a plane that has all positives on one side; empty where there is no such plane.

        Points on the plane count for both sides. The plane is sought by linear programming (Konis 2007, *Linear
        programming algorithms for detecting separated data in binary logistic regression models*, Oxford).
        """
        signed = np.where(positive, 1.0, -1.0)[:, None] * self.basis
        plane = linprog(-signed.sum(0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1)).x
        if (signed @ plane).sum() <= 1e-6:
            return []
        slopes = np.abs(solve_triangular(self.triangle, plane)[1:])
        return [name for name, slope in zip(self.columns, slopes, strict=True) if slope > 1e-6 * slopes.max()]


def _with_ones(columns: Float[np.ndarray, "rows columns"], intercept: bool) -> Float[np.ndarray, "rows coefficients"]:
    return np.column_stack([np.ones(len(columns)), columns]) if intercept else columns


def _as_columns(x: ArrayLike, names: Sequence[str]) -> Float[np.ndarray, "examples columns"]:
    if len({"intercept", *names}) != len(names) + 1 or not names:
        raise ValueError(f"expected names to hold one name a column, all different, none 'intercept', got {names!r}")
    array = as_array("x", x.astype(float) if isinstance(x, pd.DataFrame) and _all_numbers(x) else x)
    columns = array[:, None] if array.ndim == 1 else array
    if columns.ndim != 2 or columns.shape[1] != len(names):
        raise ValueError(
            f"expected x as [examples, {len(names)}], a column for each of the names, got shape {array.shape}; "
            "leave out a column of ones: the intercept is added"
        )
    for name, column in zip(names, columns.T, strict=True):
        check_unit(f"column {name!r} of x", column)
    return columns


def _all_numbers(frame: pd.DataFrame) -> bool:
    return all(dtype.kind in "biuf" for dtype in frame.dtypes)  # of several kinds, which NumPy would make objects


def _check_rank(standardized: Float[np.ndarray, "examples coefficients"], names: Sequence[str]) -> None:
    """Names the columns of which one is a combination of the others."""
    _, sizes, directions = np.linalg.svd(standardized, full_matrices=False)
    if sizes[-1] > DEPENDENT * sizes[0]:
        return
    involved = np.abs(directions[-1]) > 1e-6
    raise ValueError(
        f"expected columns of which none follows from the others, got {_listed(names, involved)} dependent: their "
        "coefficients cannot be told apart; drop one of them (of dummies for all categories, the commonest one)"
    )


def _listed(names: Sequence[str], which: Bool[np.ndarray, " columns"]) -> str:
    return ", ".join(repr(str(name)) for name, chosen in zip(names, which, strict=True) if chosen)
