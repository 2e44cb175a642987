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
    """An intercept and named columns, together with an orthonormal basis of the space that they span.

    Attributes:
        names: of the coefficients, the intercept first.
        center: mean of each column, in its unit.
        scale: standard deviation of each column, in its unit.
        basis: orthogonal columns of mean square 1 that span what the intercept and the columns span.
        triangle: upper triangular; basis times triangle is the standardized design.
    """

    names: tuple[str, ...]
    center: Float[np.ndarray, " columns"]
    scale: Float[np.ndarray, " columns"]
    basis: Float[np.ndarray, "examples coefficients"]
    triangle: Float[np.ndarray, "coefficients coefficients"]

    @classmethod
    def of(cls, x: ArrayLike, names: Sequence[str]) -> "Design":
        """Standardizes the columns and decomposes them; refuses what leaves coefficients undetermined."""
        names = as_names(names)
        columns = _as_columns(x, names)
        n, k = columns.shape
        if n <= k + 1:
            raise ValueError(
                f"expected more rows than coefficients, got {n:,} rows for {k + 1:,} with the intercept: nothing is "
                "left to tell the noise; collect more, or drop columns"
            )
        center = columns.mean(0)
        spread = np.abs(columns - center).max(0)
        if (constant := spread <= DEPENDENT * np.abs(columns).max(0)).any():
            raise ValueError(
                f"expected columns that vary, got constant {_listed(names, constant)}; the intercept is there"
            )
        scale = spread * ((columns - center) / spread).std(0)
        standardized = np.column_stack([np.ones(n), (columns - center) / scale])
        _check_rank(standardized, ("intercept", *names))
        basis, triangle = np.linalg.qr(standardized)
        return cls(("intercept", *names), center, scale, basis * np.sqrt(n), triangle / np.sqrt(n))

    @property
    def back(self) -> Float[np.ndarray, "coefficients coefficients"]:
        """Turns parameters of the basis into coefficients of the columns in their own units."""
        unscale = np.diag(np.r_[1, 1 / self.scale])
        unscale[0, 1:] = -self.center / self.scale
        return unscale @ solve_triangular(self.triangle, np.eye(len(self.names)))

    def rows(self, x: ArrayLike) -> Float[np.ndarray, "rows coefficients"]:
        """New rows of the columns, in the basis; those of a frame go by name."""
        columns = _as_columns(by_name(x, self.names[1:]), self.names[1:])
        standardized = np.column_stack([np.ones(len(columns)), (columns - self.center) / self.scale])
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
        return [name for name, slope in zip(self.names[1:], slopes, strict=True) if slope > 1e-6 * slopes.max()]


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
