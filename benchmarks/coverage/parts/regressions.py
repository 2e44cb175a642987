"""Coefficients and predictions of linear and logistic regressions."""

from functools import partial

import numpy as np
from scipy.special import expit

from benchmarks.coverage.case import Case, Claim, Outcome, inside
from companion.stats import Interval, LinearFit, LogisticFit, linear_regression, logistic_regression

Generator = np.random.Generator


def cases() -> list[Case]:
    """All of them."""
    return [*_linear(), *_logistic()]


def _slope(fit: LinearFit | LogisticFit, truth: float) -> Outcome:
    return inside(fit.coefficients[1].value, truth)


def _noise(rng: Generator, data: str, column: np.ndarray) -> np.ndarray:
    noise = rng.exponential(size=len(column)) - 1 if data == "exponential" else rng.normal(size=len(column))
    return noise * np.exp(column / 2) if data == "growing" else noise


def _linear() -> list[Case]:
    def rows(rng: Generator, n: int, data: str, errors: str) -> tuple[Outcome]:
        x = rng.normal(size=(n, 2))
        y = x @ [2, -1] + _noise(rng, data, x[:, 0])
        return (_slope(linear_regression(y, x, names=["a", "b"], errors=errors), 2),)

    def predictions(rng: Generator) -> tuple[Outcome, Outcome]:
        x, at = rng.normal(size=(50, 2)), np.array([[1.0, 1.0]])
        fit = linear_regression(x @ [2, -1] + rng.normal(size=50), x, names=["a", "b"])
        found = fit.predict(at).iloc[0]
        mean = Interval(found["mean"], found["mean_low"], found["mean_high"], 0.95, "")
        new = Interval(found["mean"], found["new_low"], found["new_high"], 0.95, "")
        return inside(mean, 1), inside(new, 1 + rng.normal())

    def clusters(rng: Generator, n: int) -> tuple[Outcome]:
        groups = np.repeat(np.arange(n), 5)
        x = rng.normal(size=n)[groups]
        y = 2 * x + rng.normal(size=n)[groups] + rng.normal(size=len(x))
        return (_slope(linear_regression(y, x, names=["a"], errors="cluster", clusters=groups), 2),)

    wrong = Claim("slope", (0.83, 0.88), "0.855 stated: noise that grows is not what these errors are for")
    return [
        *(
            Case("linear_regression", f"{data} noise", f"{n}", partial(rows, n=n, data=data, errors=errors), (claim,),
                 errors, samples=2_000)
            for errors, n, data, claim in [
                ("hc3", 4, "normal", Claim("slope", (0.96, 1.0), "0.99 stated for 4 rows: on the safe side")),
                ("hc3", 10, "normal", Claim("slope")),
                ("hc3", 10, "exponential", Claim("slope", (0.94, 0.985), "0.969 stated for 10 rows")),
                ("hc3", 20, "growing", Claim("slope")),
                ("hc3", 200, "growing", Claim("slope")),
                ("classical", 4, "normal", Claim("slope")),
                ("classical", 50, "normal", Claim("slope")),
                ("classical", 50, "growing", wrong),
            ]
        ),
        Case("linear_regression", "normal noise, prediction", "50", predictions, (Claim("mean"), Claim("new response")),
             "hc3", samples=2_000),
        *(
            Case("linear_regression", "clusters of 5", f"{n} clusters", partial(clusters, n=n), (Claim("slope"),),
                 "cluster", samples=2_000)
            for n in (10, 50)
        ),
    ]  # fmt: skip


def _logistic() -> list[Case]:
    def rows(rng: Generator, n: int, errors: str) -> tuple[Outcome, Outcome]:
        x = rng.normal(size=(n, 2))
        y = rng.random(n) < expit(x @ [1, -0.5])
        fit = logistic_regression(y, x, names=["a", "b"], errors=errors)
        found = fit.predict([[1.0, 1.0]]).iloc[0]
        probability = Interval(found["probability"], found["low"], found["high"], 0.95, "")
        return _slope(fit, 1), inside(probability, float(expit(0.5)))

    def clusters(rng: Generator, n: int) -> tuple[Outcome]:
        groups = np.repeat(np.arange(n), 5)
        x = rng.normal(size=(5 * n, 2))
        y = rng.random(5 * n) < expit(x @ [1, -0.5])
        fit = logistic_regression(y, x, names=["a", "b"], errors="cluster", clusters=groups)
        return (_slope(fit, 1),)

    few = (0.95, 0.99), "0.980 stated for 30 rows"
    stated = (0.94, 0.985), "0.964 to 0.974 stated"
    return [
        *(
            Case("logistic_regression", "log odds ratio 1", f"{n}", partial(rows, n=n, errors=errors),
                 (Claim("slope", *claim), Claim("probability", *claim)), errors, samples=600, may_refuse=n == 30)
            for errors, n, claim in [
                ("hc3", 30, few), ("hc3", 100, stated), ("classical", 30, few), ("classical", 300, ((0.93, 0.97), ""))
            ]
        ),
        *(
            Case("logistic_regression", "log odds ratio 1, clusters of 5", f"{n} clusters", partial(clusters, n=n),
                 (Claim("slope", *stated),), "cluster", samples=600, may_refuse=n == 10)
            for n in (10, 50)
        ),
    ]  # fmt: skip
