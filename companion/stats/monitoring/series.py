r"""Autoregression of one series, with forecasts whose intervals know that the coefficients are estimated."""

from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy import stats
from scipy.linalg import toeplitz
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.tsa.ar_model import AutoReg, ar_select_order
from statsmodels.tsa.arima_process import arma2ma

from companion.checks import check_one_of, check_whole
from companion.stats.base.checks import as_numbers, check_differs, check_unit
from companion.stats.base.frames import index_of
from companion.stats.base.intervals import Interval
from companion.stats.base.options import check_level
from companion.stats.base.result import Result, p_in_words
from companion.stats.base.times import check_equal_steps, index_after
from companion.stats.regression.columns import Design

#: Paths drawn for the band that holds them; more would change its width by 0.2%.
PATHS = 50_000

#: Values below which the intervals are too short: for each parameter that is estimated, and altogether.
VALUES_A_PARAMETER, VALUES = 10, 50


@dataclass(frozen=True, eq=False)
class Autoregression(Result):
    """A fitted autoregression; ``print`` shows it as one sentence, ``frame`` as one row.

    Attributes:
        order: how many past values enter.
        constant: the constant, in the series' unit.
        lags: coefficient of each past value, the latest first.
        noise_sd: standard deviation of what cannot be predicted one step ahead, in the series' unit.
        ljung_box_p: p-value of residuals without autocorrelation; a small one says that the order is too low.
        ljung_box_lags: up to which lag that was tested.
        largest_root: modulus of the slowest root; 1 and above means that the fit does not return to a mean.
        values: the series.
        index: of the series: its times, or numbers from 0.
        covariance: of constant and lags.
    """

    order: int
    constant: Interval
    lags: tuple[Interval, ...]
    noise_sd: float
    ljung_box_p: float
    ljung_box_lags: int
    largest_root: float
    values: Float[np.ndarray, " steps"] = field(repr=False)
    index: pd.Index = field(repr=False)
    covariance: Float[np.ndarray, "parameters parameters"] = field(repr=False)

    def __str__(self) -> str:
        verdict = "are still correlated" if self.ljung_box_p < 0.05 else "show no sign of autocorrelation"
        warning = "; the fit does not return to a mean: difference the series" if self.largest_root >= 1 else ""
        return (
            f"An autoregression of order {self.order} leaves noise of standard deviation {self.noise_sd:.3g} over "
            f"{len(self.values):,} steps, and residuals that {verdict} up to lag {self.ljung_box_lags} (Ljung-Box "
            f"{p_in_words(self.ljung_box_p)}){warning}."
        )

    def forecast(self, steps: int, *, level: float = 0.95, band: str = "single") -> pd.DataFrame:
        r"""The next values, each with the interval that a single future value, or the whole path, falls in.

        .. math:: \hat y_{n+h} \pm c \sqrt{\sigma^2 \sum_{j<h} \psi_j^2 + g_h^\top V g_h}

        with the weights :math:`\psi` of past noise, the covariance :math:`V` of the parameters and the derivatives
        :math:`g_h` of the forecast; statsmodels omits the last term. For single values :math:`c` is Student's quantile.
        For the path it is the quantile of the largest of the errors over their roots, from 50,000 drawn paths.

        Intervals of single values hold whole paths less often: with normal noise, 200 values, lags 1.3 and -0.6 and a
        level of 95%, twelve steps stayed inside in 0.672 of 1,000 samples, and inside the band of the path in 0.937.

        Args:
            steps: how far ahead, 1 at least.
            level: intended coverage, of each step by itself or of all together.
            band: ``"single"`` or ``"path"``.

        Returns:
            A row a step, indexed from 1, or by the times that follow those of the series, with ``forecast``, ``low``,
            ``high``, in the series' unit.

        Raises:
            ValueError: for no step, a level outside (0, 1), or an unknown band.

        Source:
            For the path: Jordà and Marcellino 2010, *Journal of Applied Econometrics* 25, who show how far intervals of
            single values fall short; drawing the largest error departs from their regions by Scheffé's method.
        """
        check_level(level)
        check_one_of("band", band, ("single", "path"))
        check_whole("steps", steps, at_least=1, advice="1 forecasts the next value")
        parameters = np.array([interval.estimate for interval in (self.constant, *self.lags)])
        path = self._path(parameters, steps)
        nudges = 1e-4 * np.sqrt(np.diag(self.covariance))
        slopes = np.array(
            [
                (self._path(parameters + n, steps) - self._path(parameters - n, steps)) / (2 * n.sum())
                for n in np.diag(nudges)
            ]
        )
        passed_on = toeplitz(arma2ma(np.r_[1, -parameters[1:]], [1], lags=steps), np.zeros(steps))
        covariance = self.noise_sd**2 * passed_on @ passed_on.T + slopes.T @ self.covariance @ slopes
        errors = np.sqrt(np.diag(covariance))
        freedom = len(self.values) - 2 * self.order - 1
        if band == "single":
            quantile = _quantile(len(self.values), self.order, level)
        else:
            quantile = _largest_quantile(covariance / np.outer(errors, errors), freedom, level)
        half_width = quantile * errors
        table = {"forecast": path, "low": path - half_width, "high": path + half_width}
        return pd.DataFrame(table, index=index_after(self.index, steps))

    def plot(self, axes: Axes | None = None, *, steps: int = 24) -> Axes:
        """Draws the end of the series and the fan of its forecast: intervals of 50%, 80% and 95%."""
        fans = [self.forecast(steps, level=level) for level in (0.95, 0.8, 0.5)]
        axes = plt.subplots()[1] if axes is None else axes
        n = len(self.values)
        shown, future = np.arange(max(0, n - 4 * steps), n), n + np.arange(steps)
        axes.plot(shown, self.values[shown], color="C0", label="observed")
        for fan in fans:
            axes.fill_between(future, fan["low"], fan["high"], color="C1", alpha=0.2, linewidth=0)
        axes.plot(future, fan["forecast"], color="C1", label="forecast, 50%, 80% and 95% intervals")
        axes.set(xlabel="step", ylabel="value [unit of the series]")
        axes.legend()
        return axes

    def _path(self, parameters: Float[np.ndarray, " parameters"], steps: int) -> Float[np.ndarray, " steps"]:
        known = list(self.values[len(self.values) - self.order :])
        for _ in range(steps):
            known.append(parameters[0] + sum(c * y for c, y in zip(parameters[1:], reversed(known), strict=False)))
        return np.array(known[self.order :])


def autoregression(series: ArrayLike, *, max_order: int, criterion: str = "bic", level: float = 0.95) -> Autoregression:
    r"""An autoregression with a constant, of the order that an information criterion prefers.

    .. math:: y_t = c + \sum_{i=1}^{p} \varphi_i y_{t-i} + \varepsilon_t

    The orders 0 to ``max_order`` compete on the same values (statsmodels' ``ar_select_order``), then the chosen one is
    fitted by least squares to all. BIC finds the true order in the long run; AIC takes more lags, which serves
    forecasts where there is no true order.

    Coverage at 95% with normal noise, ``max_order=3`` and BIC (600 samples each): of the first coefficient, and of
    forecasts 1, 5 and 20 steps ahead, in brackets those of statsmodels (the last row's coefficient: 2,500 samples):

    ===  =========  ===========  =============  =============  =============
    n    true lags  coefficient  1 step         5 steps        20 steps
    ===  =========  ===========  =============  =============  =============
    50   0.6        0.930        0.953 (0.928)  0.950 (0.932)  0.927 (0.913)
    50   1.3, -0.6  0.927        0.948 (0.918)  0.932 (0.892)  0.943 (0.908)
    50   0.9        0.890        0.953 (0.930)  0.907 (0.860)  0.862 (0.818)
    100  0.6        0.947        0.952 (0.943)  0.933 (0.928)  0.935 (0.920)
    100  1.3, -0.6  0.948        0.957 (0.948)  0.932 (0.912)  0.923 (0.915)
    100  0.9        0.923        0.948 (0.943)  0.928 (0.912)  0.905 (0.880)
    300  0.9        0.919        0.943 (0.942)  0.927 (0.920)  0.940 (0.930)
    ===  =========  ===========  =============  =============  =============

    So a series that is slow to return to its mean wants 300 values for forecasts far ahead: least squares underrates
    its memory.

    Assumed: equal steps, no trend or season beyond what the lags carry, noise of one size. The intervals take the order
    as given.

    Args:
        series: values at equal steps ``[steps]``, the latest last. The times of a pandas series are checked and carried
            on into the forecast.
        max_order: the highest order to try; the series must hold 10 values for each of
            ``max_order + 2`` parameters, and 50 in any case.
        criterion: ``"aic"`` or ``"bic"``.
        level: intended coverage of the coefficients' intervals.

    Raises:
        ValueError: for NaN (named by its index: leave no gap, interpolate or cut), times that fall, recur or leave a
            gap, a series that is constant or too
            short, one whose past determines it without noise, a unit beyond 1e±60, a negative order, an unknown
            criterion.

    Source:
        Box and Jenkins 1970, *Time Series Analysis*; Ljung and Box 1978, *Biometrika* 65.

    >>> rng = np.random.default_rng(0)
    >>> values = [0.0]
    >>> for noise in rng.normal(size=199):
    ...     values.append(0.6 * values[-1] + noise)
    >>> print(autoregression(values, max_order=4))
    An autoregression of order 1 leaves noise of standard deviation 0.965 over 200 steps, and residuals that show no
    sign of autocorrelation up to lag 11 (Ljung-Box p = 0.39).
    """
    check_level(level)
    check_one_of("criterion", criterion, ("aic", "bic"))
    values = _checked(series, max_order)
    center, scale = values.mean(), np.abs(values - values.mean()).max()
    standard = (values - center) / scale  # AutoReg takes a column in other units than the constant's for dependent
    order = len(ar_select_order(standard, max_order, ic=criterion).ar_lags or ())
    fit = AutoReg(standard, order).fit()
    noise_sd = float(np.sqrt(np.sum(fit.resid**2) / (fit.nobs - order - 1)))
    back = np.eye(order + 1)
    back[0] = [scale, *[-center] * order]
    parameters = back @ fit.params + center * np.eye(order + 1)[0]
    covariance = back @ fit.cov_params() @ back.T * noise_sd**2 / fit.sigma2
    half_widths = _quantile(len(values), order, level) * np.sqrt(np.diag(covariance))
    constant, *lags = (
        Interval(float(value), float(value - half), float(value + half), level, "Wald, conditional least squares")
        for value, half in zip(parameters, half_widths, strict=True)
    )
    tested = min(order + 10, len(values) // 5)
    ljung_box = acorr_ljungbox(fit.resid, lags=[tested], model_df=order)
    return Autoregression(
        order=order,
        constant=constant,
        lags=tuple(lags),
        noise_sd=float(scale * noise_sd),
        ljung_box_p=float(ljung_box["lb_pvalue"].iloc[0]),
        ljung_box_lags=tested,
        largest_root=float(np.abs(np.roots(np.r_[1, -fit.params[1:]])).max(initial=0)),
        values=values,
        index=index_of(series, len(values)),
        covariance=covariance,
    )


def _checked(series: ArrayLike, max_order: int) -> Float[np.ndarray, " steps"]:
    check_equal_steps("series", series)
    (values,) = as_numbers(series=series)
    check_whole("max_order", max_order, at_least=0, advice="0 fits a mean alone")
    if len(values) < (needed := max(VALUES, VALUES_A_PARAMETER * (max_order + 2))):
        raise ValueError(
            f"expected at least {needed} values for orders up to {max_order}, got {len(values)}; lower max_order"
        )
    check_differs("series", values)
    check_unit("series", values)
    if max_order:
        _check_noise(values, max_order)
    return values


def _check_noise(values: Float[np.ndarray, " steps"], max_order: int) -> None:
    """Refuses a series whose past values depend on each other, or determine the next, without any noise."""
    n = len(values)
    window = np.column_stack([values[max_order - lag : n - lag] for lag in range(max_order + 1)])
    try:
        Design.of(window, ["the value", *(f"lag {lag}" for lag in range(1, max_order + 1))])
    except ValueError as error:
        raise ValueError(
            "expected a series with noise, got one that past values determine exactly (a cycle, a ramp, or a constant "
            "stretch): there is nothing to estimate; check the data, or lower max_order"
        ) from error


def _largest_quantile(correlation: Float[np.ndarray, "steps steps"], freedom: int, level: float) -> float:
    """Of the largest of correlated errors, each over the same estimated spread."""
    rng = np.random.default_rng(0)
    # The triangular root is unique, so that draws agree on all machines; the addition keeps it from failing.
    root = np.linalg.cholesky(correlation + 1e-12 * np.eye(len(correlation)))
    normal = rng.normal(size=(PATHS, len(correlation))) @ root.T
    largest = np.abs(normal).max(axis=1) / np.sqrt(rng.chisquare(freedom, PATHS) / freedom)
    return float(np.quantile(largest, level))


def _quantile(n: int, order: int, level: float) -> float:
    return float(stats.t.ppf((1 + level) / 2, n - 2 * order - 1))
