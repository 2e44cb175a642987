"""Autoregression: statsmodels on the sunspots, forecasts, bad input."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.tsa.ar_model import AutoReg, ar_select_order

from companion.stats import autoregression


def sunspots():
    return sm.datasets.sunspots.load_pandas().data["SUNACTIVITY"]


def simulated(coefficients, n, rng):
    values = np.zeros(n + 100)
    noise = rng.normal(size=n + 100)
    for t in range(len(coefficients), len(values)):
        values[t] = 1 + values[t - len(coefficients) : t][::-1] @ coefficients + noise[t]
    return values[100:]


@pytest.mark.parametrize("criterion", ["aic", "bic"])
def test_the_fit_is_that_of_statsmodels_on_the_sunspots(criterion):
    # ar_select_order's own docstring finds lags 1 to 9 on these data with maxlag=13
    ours = autoregression(sunspots(), max_order=13, criterion=criterion)
    theirs = AutoReg(sunspots().to_numpy(), ar_select_order(sunspots().to_numpy(), 13, ic=criterion).ar_lags).fit()
    estimates = [interval.estimate for interval in (ours.constant, *ours.lags)]
    np.testing.assert_allclose(estimates, theirs.params, rtol=1e-9)
    assert ours.order == 9
    np.testing.assert_allclose(ours.forecast(11)["forecast"], theirs.predict(309, 319), rtol=1e-9)
    assert ours.noise_sd**2 * (300 - 10) == pytest.approx(theirs.sigma2 * 300)
    ljung_box = acorr_ljungbox(theirs.resid, lags=[19], model_df=9)["lb_pvalue"].iloc[0]
    assert ours.ljung_box_p == pytest.approx(ljung_box)


def test_coefficients_are_those_of_a_regression_on_the_lags():
    values = sunspots().to_numpy()
    ours = autoregression(values, max_order=2)
    least_squares = sm.OLS(values[2:], sm.add_constant(np.column_stack([values[1:-1], values[:-2]]))).fit()
    np.testing.assert_allclose(np.sqrt(np.diag(ours.covariance)), least_squares.bse, rtol=1e-8)
    low_high = [(i.low, i.high) for i in (ours.constant, *ours.lags)]
    np.testing.assert_allclose(low_high, least_squares.conf_int(), rtol=1e-6)  # t with n - 2p - 1 degrees of freedom


def test_one_step_ahead_is_the_interval_of_a_new_observation():
    values = sunspots().to_numpy()
    rows = sm.add_constant(np.column_stack([values[1:-1], values[:-2]]))
    new = sm.OLS(values[2:], rows).fit().get_prediction([1, values[-1], values[-2]]).summary_frame().iloc[0]
    step = autoregression(values, max_order=2).forecast(1).iloc[0]
    np.testing.assert_allclose(step, new[["mean", "obs_ci_lower", "obs_ci_upper"]], rtol=1e-6)


def test_forecasts_return_to_the_mean_and_widen_to_the_series_own_spread():
    values = simulated(np.array([0.6]), 400, np.random.default_rng(0))
    forecast = autoregression(values, max_order=3).forecast(60)
    assert forecast["forecast"].iloc[-1] == pytest.approx(values.mean(), abs=0.3)
    assert (np.diff(forecast["high"] - forecast["low"]) > -1e-9).all()
    half_width = (forecast["high"] - forecast["low"]).iloc[-1] / 2
    assert half_width == pytest.approx(1.96 * values.std(), rel=0.1)


def test_the_band_of_a_path_is_that_of_a_multivariate_t():
    values = np.random.default_rng(0).normal(size=200)
    result = autoregression(values, max_order=0)
    single, path = (result.forecast(7, band=band) for band in ("single", "path"))
    ratio = ((path["high"] - path["forecast"]) / (single["high"] - single["forecast"])).to_numpy()
    assert np.ptp(ratio) < 1e-9
    shape = (np.eye(7) + 1 / 200) / (1 + 1 / 200)  # new noise, and the same error of the mean
    limit = ratio[0] * stats.t.ppf(0.975, 199)
    box = stats.multivariate_t(shape=shape, df=199).cdf(np.full(7, limit), lower_limit=np.full(7, -limit))
    assert box == pytest.approx(0.95, abs=0.003)


def test_the_band_of_a_path_holds_it_and_single_intervals_do_not():
    rng, inside = np.random.default_rng(1), []
    for _ in range(150):
        values = simulated(np.array([1.3, -0.6]), 212, rng)
        result = autoregression(values[:200], max_order=2)
        bands = [result.forecast(12, band=band) for band in ("single", "path")]
        inside.append([((b["low"] <= values[200:]) & (values[200:] <= b["high"])).all() for b in bands])
    single, path = np.mean(inside, axis=0)
    assert single < 0.75
    assert path > 0.89


def test_white_noise_needs_no_lag():
    result = autoregression(np.random.default_rng(0).normal(size=97), max_order=3)
    assert result.order == 0 == len(result.lags)
    assert result.forecast(3)["forecast"].nunique() == 1


def test_text_frame_and_picture():
    result = autoregression(sunspots(), max_order=13)
    assert str(result) == (
        "An autoregression of order 9 leaves noise of standard deviation 15.1 over 309 steps, and residuals that show "
        "no sign of autocorrelation up to lag 19 (Ljung-Box p = 0.14)."
    )
    assert result.frame.loc[0, "order"] == 9
    axes = result.plot(steps=11)
    assert axes.get_xlabel() == "step"
    plt.close("all")


def test_too_low_an_order_is_told():
    assert "are still correlated" in str(autoregression(sunspots(), max_order=1))


def test_a_series_that_runs_away_is_told():
    values = np.exp(0.05 * np.arange(100)) + 0.1 * np.random.default_rng(0).normal(size=100)
    result = autoregression(values, max_order=1)
    assert result.largest_root >= 1
    assert "difference the series" in str(result)


BAD = [
    ([*range(30), np.nan, *range(30)], {}, r"series without missing values.*at index 30"),
    (np.ones(99), {}, r"series to hold values that differ"),
    (np.arange(99.0), {}, r"that past values determine exactly"),
    (np.arange(99) % 2, {}, r"that past values determine exactly"),
    (np.arange(99) == 98, {}, r"that past values determine exactly"),
    (np.arange(49) % 7, {}, r"at least 50 values for orders up to 3, got 49"),
    (np.arange(99) ** 2 % 13, {"max_order": 9}, r"at least 110 values for orders up to 9, got 99"),
    (np.arange(99) ** 2 % 13, {"max_order": -1}, r"max_order of at least 0"),
    (np.arange(99) ** 2 % 13, {"criterion": "hqic"}, r"criterion to be one of aic, bic"),
    (np.zeros((99, 2)), {}, r"series to be one value an example"),
]


@pytest.mark.parametrize(("values", "options", "message"), BAD)
def test_refuses(values, options, message):
    with pytest.raises(ValueError, match=message):
        autoregression(values, **({"max_order": 3} | options))


def test_a_forecast_of_no_step_is_refused():
    with pytest.raises(ValueError, match="steps of at least 1"):
        autoregression(sunspots(), max_order=1).forecast(0)
    with pytest.raises(ValueError, match="band to be one of single, path"):
        autoregression(sunspots(), max_order=1).forecast(1, band="both")
    with pytest.raises(ValueError, match="steps to be a whole number"):
        autoregression(sunspots(), max_order=1).plot(steps=[9])
