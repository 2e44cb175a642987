"""Proportions of right answers, alone, in clusters, and their differences."""

import numpy as np

from benchmarks.coverage.case import Case, Claim, Outcome, covers, inside, seed
from benchmarks.coverage.distributions import clusters_of
from companion.stats import (
    Interval,
    clustered_proportion_ci,
    power_by_simulation_ci,
    proportion_ci,
    proportion_difference_ci,
)

Generator = np.random.Generator
SAFE = ((0.95, 1.0), "never below 95%")


def cases() -> list[Case]:
    """All of them."""
    return [*_alone(), *_in_clusters(), *_differences(), _simulated_power()]


def _alone() -> list[Case]:
    def draw(rng: Generator, n: int, method: str, population: int | None) -> tuple[Outcome]:
        truth = rng.uniform(0.01, 0.99)
        if population is None:
            return (inside(proportion_ci(rng.binomial(n, truth), n, method=method), truth),)
        right = round(population * truth)
        found = rng.hypergeometric(right, population - right, n)
        return (inside(proportion_ci(found, n, method=method, population=population), right / population),)

    return [
        Case(
            "proportion_ci",
            "proportion uniform on 0.01 to 0.99",
            f"{n}" if population is None else f"{n} of {population}",
            lambda rng, n=n, method=method, population=population: draw(rng, n, method, population),
            (Claim() if method == "wilson" else Claim("", *SAFE),),
            method,
        )
        for method in ("wilson", "clopper_pearson")
        for n, population in [(10, None), (100, None), (50, 200)]
    ]


def _in_clusters() -> list[Case]:
    def draw(rng: Generator, n: int, p: float, icc: float) -> tuple[Outcome]:
        clusters, both = clusters_of(rng, n), 1 / icc - 1
        right = rng.random(len(clusters)) < rng.beta(both * p, both * (1 - p), n)[clusters]
        return (inside(clustered_proportion_ci(right, clusters), p),)

    alike = Claim("", (0.93, 0.99), "0.93 to 0.99 stated for 20 clusters near a bound")
    return [
        Case(
            "clustered_proportion_ci",
            f"proportion {p}, intraclass correlation {icc}",
            f"{n} clusters",
            lambda rng, n=n, p=p, icc=icc: draw(rng, n, p, icc),
            (claim,),
        )
        for n, p, icc, claim in [
            (20, 0.8, 0.2, Claim()),
            (50, 0.9, 0.2, Claim()),
            (100, 0.5, 0.2, Claim()),
            (20, 0.9, 0.6, alike),
            (100, 0.9, 0.6, Claim()),
        ]
    ]


def _differences() -> list[Case]:
    def draw(rng: Generator, n: int, method: str) -> tuple[Outcome]:
        a, b = rng.uniform(0.05, 0.95, size=2)
        return (inside(proportion_difference_ci(rng.binomial(n, a), n, rng.binomial(n, b), n, method=method), a - b),)

    return [
        Case(
            "proportion_difference_ci",
            "proportions uniform on 0.05 to 0.95",
            f"{n} and {n}",
            lambda rng, n=n, method=method: draw(rng, n, method),
            (Claim(),),
            method,
        )
        for method in ("newcombe", "agresti_caffo")
        for n in (10, 100)
    ]


def _simulated_power() -> Case:
    def interval(rng: Generator) -> Interval:
        return power_by_simulation_ci(lambda own: own.random(), float, alpha=0.3, n_simulations=200, seed=seed(rng))

    return covers("power_by_simulation_ci", "p-values uniform, alpha 0.3", "200 simulations", interval, 0.3)
