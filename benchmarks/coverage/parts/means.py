"""Means, differences, ratios, quantiles and correlations."""

from functools import partial

import numpy as np
from jaxtyping import Float

from benchmarks.coverage.case import Case, covers
from benchmarks.coverage.distributions import clustered, clusters_of, documents
from companion.stats import (
    Interval,
    correlation_ci,
    difference_ci,
    mean_ci,
    quantile_ci,
    ratio_ci,
    stratified_mean_ci,
)

Generator = np.random.Generator
SPREADS = np.array([1.0, 2.0, 4.0])
WEIGHTS = {0: 0.2, 1: 0.3, 2: 0.5}
POOL = np.random.default_rng(0).normal(size=120)


def cases() -> list[Case]:
    """All of them."""
    return [*_means(), *_strata(), *_differences(), *_ratios(), *_quantiles(), *_correlations()]


def _means() -> list[Case]:
    def in_clusters(rng: Generator, n: int, skewed: bool) -> Interval:
        values, clusters = clustered(rng, n, skewed=skewed)
        return mean_ci(values, clusters=clusters)

    def of_pool(rng: Generator, n: int) -> Interval:
        return mean_ci(rng.choice(POOL, n, replace=False), population=len(POOL))

    few = {"allowed": (0.90, 0.95), "reason": "0.924 stated: skewed values want 100 of them"}
    return [
        *(covers("mean_ci", "normal", f"{n}", lambda rng, n=n: mean_ci(rng.normal(size=n)), 0) for n in (2, 10, 100)),
        covers("mean_ci", "exponential", "30", lambda rng: mean_ci(rng.exponential(size=30)), 1, **few),
        covers("mean_ci", "exponential", "100", lambda rng: mean_ci(rng.exponential(size=100)), 1),
        *(
            covers("mean_ci", data, f"{n} clusters", partial(in_clusters, n=n, skewed=skewed), 0, options="clusters")
            for data, n, skewed in [("normal", 20, False), ("normal", 50, False), ("exponential effects", 50, True)]
        ),
        *(
            covers("mean_ci", "normal pool of 120", f"{n}", partial(of_pool, n=n), POOL.mean(), options="population")
            for n in (10, 60)
        ),
    ]


def _strata() -> list[Case]:
    def weighted(rng: Generator, n: int, skewed: bool) -> Interval:
        values = (rng.exponential(size=(3, n)) - 1 if skewed else rng.normal(size=(3, n))) * SPREADS[:, None]
        return stratified_mean_ci(values.ravel(), np.repeat([0, 1, 2], n), weights=WEIGHTS)

    few = {"allowed": (0.90, 0.95), "reason": "0.927 stated for 20 skewed values a stratum"}
    return [
        covers("stratified_mean_ci", data, f"3 × {n}", partial(weighted, n=n, skewed=skewed), 0, **options)
        for data, n, skewed, options in [
            ("normal", 5, False, {}),
            ("normal", 20, False, {}),
            ("exponential", 20, True, few),
            ("exponential", 100, True, {}),
        ]
    ]


def _differences() -> list[Case]:
    def welch(rng: Generator, n: tuple[int, int], skewed: bool) -> Interval:
        a, b = (rng.exponential(size=k) - 1 if skewed else rng.normal(size=k) for k in n)
        return difference_ci(a, 3 * b)

    few = {"allowed": (0.88, 0.93), "reason": "0.903 stated for few skewed values, fewest where they vary most"}
    return [
        covers("difference_ci", data, f"{n[0]} and {n[1]}", partial(welch, n=n, skewed=skewed), 0, **options)
        for data, n, skewed, options in [
            ("normal, b 3 times as wide", (5, 10), False, {}),
            ("normal, b 3 times as wide", (30, 100), False, {}),
            ("exponential, b 3 times as wide", (30, 10), True, few),
            ("exponential, b 3 times as wide", (30, 100), True, {}),
        ]
    ]


def _ratios() -> list[Case]:
    def lognormal(rng: Generator, n: int) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        x = rng.lognormal(0, 0.7, n)
        return x * rng.lognormal(-0.045, 0.3, n), x

    def in_clusters(rng: Generator) -> Interval:
        clusters = clusters_of(rng, 30)
        return ratio_ci(*lognormal(rng, len(clusters)), paired=True, clusters=clusters)

    def of_documents(rng: Generator, sigma: float) -> Interval:
        return ratio_ci(*documents(rng, 20, sigma=sigma).T, paired=True)

    def independent(rng: Generator, n: int) -> Interval:
        return ratio_ci(rng.exponential(2, n), rng.exponential(1, n), paired=False)

    def normal(rng: Generator, n: int, paired: bool) -> Interval:
        return ratio_ci(10 + 2 * rng.normal(size=n), 5 + rng.normal(size=n), paired=paired)

    return [
        covers("ratio_ci", "lognormal rows", "10", lambda rng: ratio_ci(*lognormal(rng, 10), paired=True), 1,
               options="paired", may_refuse=True),
        covers("ratio_ci", "lognormal rows", "100", lambda rng: ratio_ci(*lognormal(rng, 100), paired=True), 1,
               options="paired"),
        *(
            covers("ratio_ci", f"documents, σ = {sigma}", "20", partial(of_documents, sigma=sigma), 0.2,
                   options="paired", may_refuse=True)
            for sigma in (0.5, 1)
        ),
        covers("ratio_ci", "normal", "10", partial(normal, n=10, paired=True), 2, options="paired"),
        covers("ratio_ci", "lognormal rows", "30 clusters", in_clusters, 1, options="clusters"),
        covers("ratio_ci", "normal", "10 and 10", partial(normal, n=10, paired=False), 2, options="independent"),
        covers("ratio_ci", "exponential", "10 and 10", partial(independent, n=10), 2, options="independent",
               may_refuse=True),
        covers("ratio_ci", "exponential", "100 and 100", partial(independent, n=100), 2, options="independent"),
    ]  # fmt: skip


def _quantiles() -> list[Case]:
    stepwise = {"allowed": (0.95, 1.0), "reason": "never below 95%; it moves in steps"}
    return [
        covers(
            "quantile_ci", "exponential", f"{n}", lambda rng, n=n, q=q: quantile_ci(rng.exponential(size=n), q),
            -np.log(1 - q), options=f"q = {q}", **stepwise,
        )
        for n, q in [(6, 0.5), (67, 0.5), (72, 0.95), (400, 0.95)]
    ]  # fmt: skip


def _correlations() -> list[Case]:
    def pairs(rng: Generator, n: int, rho: float, method: str) -> Interval:
        x, y = rng.normal(size=(2, n))
        return correlation_ci(x, rho * x + np.sqrt(1 - rho**2) * y, method=method)

    def skewed(rng: Generator) -> Interval:
        x, y = rng.normal(size=(2, 50))
        rho = np.log(1 + 0.5 * (np.e - 1))  # of the logarithms, so that it is 0.5
        return correlation_ci(np.exp(x), np.exp(rho * x + np.sqrt(1 - rho**2) * y), method="pearson")

    truth = {"pearson": lambda rho: rho, "spearman": lambda rho: 6 / np.pi * np.arcsin(rho / 2)}
    too_short = {"allowed": (0.74, 0.88), "reason": "Pearson's is for normal pairs only: 0.74 to 0.88 stated"}
    return [
        *(
            covers("correlation_ci", f"normal, {rho}", f"{n}", partial(pairs, n=n, rho=rho, method=method),
                   truth[method](rho), options=method)
            for method in truth
            for n, rho in [(10, 0.5), (50, 0.9)]
        ),
        covers("correlation_ci", "lognormal, 0.5", "50", skewed, 0.5, options="pearson", **too_short),
    ]  # fmt: skip
