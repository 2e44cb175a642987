"""What a fitted regression tells: coefficients with intervals, predictions, and pictures of what it assumes."""

from dataclasses import dataclass, field
from functools import cached_property

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import expit

from companion.stats.base.forest import forest
from companion.stats.base.frames import index_of
from companion.stats.base.intervals import Interval
from companion.stats.base.options import check_level
from companion.stats.base.result import Result, p_in_words
from companion.stats.regression.columns import Design

Vector = Float[np.ndarray, " examples"]


@dataclass(frozen=True)
class Coefficient(Result):
    """The coefficient of one column.

    Attributes:
        name: of the column.
        value: what one unit of the column adds, all else equal, with its interval.
        standard_error: in the same unit.
        p_value: two-sided, of a coefficient of 0.
    """

    name: str
    value: Interval
    standard_error: float
    p_value: float

    def __str__(self) -> str:
        return f"The coefficient of {self.name!r} is {self.value.in_words()}; {p_in_words(self.p_value)}."


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit(Result):
    """A fitted regression; ``print`` shows it as one sentence, ``frame`` has a row for each coefficient.

    Attributes:
        design: the columns and their basis.
        parameters: in the basis.
        covariance: of the parameters.
        degrees_of_freedom: of Student's t that the intervals use; infinity for the normal distribution.
        errors: how the covariance was found.
        level: intended coverage of the intervals.
        observed: the response.
        fitted: what the regression expects on the same rows, in the same unit.
        r_squared: share of the response's variance that is explained; for a logistic regression McFadden's, one minus
            the ratio of log-likelihoods with and without the columns.
    """

    design: Design = field(repr=False)
    parameters: Float[np.ndarray, " coefficients"] = field(repr=False)
    covariance: Float[np.ndarray, "coefficients coefficients"] = field(repr=False)
    degrees_of_freedom: float
    errors: str
    level: float
    observed: Vector = field(repr=False)
    fitted: Vector = field(repr=False)
    r_squared: float

    @cached_property
    def coefficients(self) -> tuple[Coefficient, ...]:
        """The intercept where there is one, and the coefficients in the order of the columns."""
        values = self.design.back @ self.parameters
        errors = np.sqrt(np.diag(self.design.back @ self.covariance @ self.design.back.T))
        exact = np.where(values == 0, 0.0, np.inf)  # the statistic of a fit without residuals
        p_values = 2 * stats.t.sf(
            np.divide(np.abs(values), errors, out=exact, where=errors > 0), self.degrees_of_freedom
        )
        lows, highs = values - self._quantile(self.level) * errors, values + self._quantile(self.level) * errors
        method = f"Wald, {self.errors} errors"
        return tuple(
            Coefficient(name, Interval(value, low, high, self.level, method), error, p_value)
            for name, value, low, high, error, p_value in zip(
                self.design.names, *(v.tolist() for v in (values, lows, highs, errors, p_values)), strict=True
            )
        )

    @property
    def frame(self) -> pd.DataFrame:
        """One row a coefficient, the intercept first."""
        return pd.concat([coefficient.frame for coefficient in self.coefficients], ignore_index=True)

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the coefficients but the intercept, each in units of the response by unit of its column."""
        shown = self._slopes
        return forest(
            [c.value for c in shown], [c.name for c in shown], quantity="coefficient per unit", reference=0, axes=axes
        )

    @property
    def _slopes(self) -> tuple[Coefficient, ...]:
        return self.coefficients[int(self.design.intercept) :]

    def _quantile(self, level: float) -> float:
        return float(stats.t.ppf((1 + level) / 2, self.degrees_of_freedom))

    def _lines(self, x: ArrayLike) -> tuple[Vector, Vector]:
        """The linear predictor of new rows, and the variance that its parameters' errors give it."""
        rows = self.design.rows(x)
        return rows @ self.parameters, np.sum(rows @ self.covariance * rows, axis=1)

    def _changes(self) -> str:
        listed = "; ".join(
            f"{c.value.estimate:.3g} with {c.name!r} ({100 * self.level:g}% interval {c.value.low:.3g} to "
            f"{c.value.high:.3g})"
            for c in self._slopes
        )
        return f"by {listed}"


@dataclass(frozen=True, eq=False, kw_only=True)
class LinearFit(Fit):
    """A linear regression with its intervals, from :func:`companion.stats.linear_regression`."""

    def __str__(self) -> str:
        return (
            f"Per unit, all else equal, y changes {self._changes()}; R² is {self.r_squared:.3f} over "
            f"{len(self.observed):,} rows ({self.errors} errors{'' if self.design.intercept else ', no intercept'})."
        )

    @property
    def residual_sd(self) -> float:
        """Standard deviation of the noise, in the response's unit."""
        n, p = self.design.basis.shape
        return float(np.sqrt(np.sum((self.observed - self.fitted) ** 2) / (n - p)))

    def predict(self, x: ArrayLike, *, level: float = 0.95) -> pd.DataFrame:
        r"""What to expect at new rows: of the mean of many responses there, and of one new response.

        .. math:: \hat y \pm t \sqrt{v}, \qquad \hat y \pm t \sqrt{v + s^2}

        The first holds as the coefficients' intervals do. The second takes the noise to be normal and of one size
        :math:`s`, whatever the errors: where ``plot_diagnostics`` shows a funnel, it is too wide at one end and too
        short at the other.

        Args:
            x: rows ``[rows, columns]`` of the columns of the fit: in its order, or by name where they have names.
            level: intended coverage.

        Returns:
            A row for each, with ``mean``, ``mean_low``, ``mean_high``, ``new_low``, ``new_high``, and the index of
            ``x``.

        Raises:
            ValueError: for a frame with other columns than the fit's, NaN, a level outside (0, 1).
        """
        check_level(level)
        mean, variance = self._lines(x)
        of_mean = self._quantile(level) * np.sqrt(variance)
        n, p = self.design.basis.shape
        of_new = stats.t.ppf((1 + level) / 2, n - p) * np.sqrt(variance + self.residual_sd**2)
        return pd.DataFrame(
            {
                "mean": mean,
                "mean_low": mean - of_mean,
                "mean_high": mean + of_mean,
                "new_low": mean - of_new,
                "new_high": mean + of_new,
            },
            index=index_of(x, len(mean)),
        )

    def plot_diagnostics(self, axes: tuple[Axes, Axes] | None = None) -> tuple[Axes, Axes]:
        """Draws residuals over fitted values (no curve, no funnel) and against normal quantiles (a straight line)."""
        left, right = plt.subplots(1, 2, figsize=(8, 3.6))[1] if axes is None else axes
        residuals = self.observed - self.fitted
        _scatter(left, self.fitted, residuals, "fitted value [unit of y]", "residual [unit of y]")
        _quantiles(right, residuals, "residual [unit of y]")
        return left, right


@dataclass(frozen=True, eq=False, kw_only=True)
class LogisticFit(Fit):
    """A logistic regression with its intervals, from :func:`companion.stats.logistic_regression`."""

    def __str__(self) -> str:
        return (
            f"Per unit, all else equal, the log-odds change {self._changes()}; McFadden's pseudo-R² is "
            f"{self.r_squared:.3f} over {len(self.observed):,} rows ({self.errors} errors)."
        )

    def predict(self, x: ArrayLike, *, level: float = 0.95) -> pd.DataFrame:
        """The probability of a 1 at new rows, with the interval of the log-odds turned into probabilities.

        Args:
            x: rows ``[rows, columns]`` of the columns of the fit: in its order, or by name where they have names.
            level: intended coverage.

        Returns:
            A row for each, with ``probability``, ``low``, ``high``, and the index of ``x``.

        Raises:
            ValueError: for a frame with other columns than the fit's, NaN, a level outside (0, 1).
        """
        check_level(level)
        line, variance = self._lines(x)
        half_width = self._quantile(level) * np.sqrt(variance)
        return pd.DataFrame(
            {"probability": expit(line), "low": expit(line - half_width), "high": expit(line + half_width)},
            index=index_of(x, len(line)),
        )

    def plot_diagnostics(self, axes: tuple[Axes, Axes] | None = None) -> tuple[Axes, Axes]:
        """Draws randomized quantile residuals (Dunn and Smyth 1996), normal if the model holds, as the linear fit does.

        Residuals of zeros and ones lie on two curves whatever the fit. So each outcome is replaced by a uniform number
        within its step of the distribution function, and that by its normal quantile; the numbers are always the same.
        """
        left, right = plt.subplots(1, 2, figsize=(8, 3.6))[1] if axes is None else axes
        uniform = np.random.default_rng(0).uniform(size=len(self.observed))
        zero = 1 - self.fitted
        within = np.where(self.observed == 1, zero + uniform * self.fitted, uniform * zero)
        residuals = stats.norm.ppf(np.clip(within, 1e-15, 1 - 1e-15))
        _scatter(left, self.fitted, residuals, "fitted probability of 1", "quantile residual [sd]")
        _quantiles(right, residuals, "quantile residual [sd]")
        return left, right


def _scatter(axes: Axes, x: Vector, y: Vector, xlabel: str, ylabel: str) -> None:
    axes.scatter(x, y, s=12, alpha=0.6)
    axes.axhline(0, color="gray", linestyle="--", linewidth=1)
    axes.set(xlabel=xlabel, ylabel=ylabel)


def _quantiles(axes: Axes, residuals: Vector, ylabel: str) -> None:
    (expected, ordered), (slope, middle, _) = stats.probplot(residuals)
    axes.scatter(expected, ordered, s=12, alpha=0.6)
    axes.plot(expected, middle + slope * expected, color="gray", linestyle="--", linewidth=1)
    axes.set(xlabel="quantile of the normal distribution [sd]", ylabel=ylabel)
