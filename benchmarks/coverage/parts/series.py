"""Coefficients and forecasts of autoregressions."""

from functools import partial

import numpy as np
from scipy.signal import lfilter

from benchmarks.coverage.case import Case, Claim, Outcome, inside
from companion.stats import Interval, autoregression

Generator = np.random.Generator
AHEAD = (1, 5, 20)


def simulated(rng: Generator, lags: list[float], n: int) -> np.ndarray:
    """A series with the constant 1 and normal noise, after 100 steps that are discarded."""
    return lfilter([1], [1, *(-lag for lag in lags)], 1 + rng.normal(size=n + 100))[100:]


def cases() -> list[Case]:
    """All of them."""

    def draw(rng: Generator, lags: list[float], n: int) -> tuple[Outcome, ...]:
        values = simulated(rng, lags, n + max(AHEAD))
        fit = autoregression(values[:n], max_order=3)
        first = inside(fit.lags[0], lags[0]) if fit.lags else Outcome(False)
        forecast = fit.forecast(max(AHEAD))
        return first, *(
            inside(Interval(row.forecast, row.low, row.high, 0.95, ""), values[n - 1 + step])
            for step in AHEAD
            for row in [forecast.loc[step]]
        )

    quantities = ("first coefficient", *(f"{step} steps ahead" for step in AHEAD))
    return [
        Case("autoregression", f"lags {', '.join(map(str, lags))}", f"{n}", partial(draw, lags=lags, n=n),
             tuple(Claim(quantity, (least, 0.97), "" if least == 0.93 else f"{stated} stated")
                   for quantity, (least, stated) in zip(quantities, ranges, strict=True)),
             samples=800)
        for lags, n, ranges in [
            ([0.6], 50, [(0.91, 0.930), (0.93, 0.953), (0.93, 0.950), (0.90, 0.927)]),
            ([0.9], 50, [(0.86, 0.890), (0.93, 0.953), (0.87, 0.907), (0.82, 0.862)]),
            ([1.3, -0.6], 100, [(0.93, 0.948), (0.93, 0.957), (0.92, 0.932), (0.90, 0.923)]),
            ([0.9], 300, [(0.90, 0.919), (0.93, 0.943), (0.91, 0.927), (0.92, 0.940)]),
        ]
    ]  # fmt: skip
