"""Scaling laws: parameters, predictions, and compute-optimal sizes."""

from functools import partial

import numpy as np

from benchmarks.coverage.case import Case, Claim, Outcome, inside
from companion.stats import chinchilla, power_law

Generator = np.random.Generator
E, A, B, ALPHA, BETA = 1.69, 406.4, 410.7, 0.34, 0.28  # Hoffmann et al. 2022, equation 10
FLOPS = 1e23


def cases() -> list[Case]:
    """All of them."""
    return [*_of_one_size(), *_of_two_sizes()]


def _of_one_size() -> list[Case]:
    def draw(rng: Generator, n: int, decades: float, noise: float) -> tuple[Outcome, ...]:
        x = np.geomspace(1e7, 10 ** (7 + decades), n)
        law = power_law(x, (E + A / x**ALPHA) * np.exp(noise * rng.normal(size=n)))
        beyond = 10 * x[-1]
        return (
            inside(law.irreducible, E),
            inside(law.coefficient, A),
            inside(law.exponent, ALPHA),
            inside(law.predict(beyond).loss, E + A / beyond**ALPHA),
        )

    quantities = ("E", "A", "α", "10 times beyond")
    few = (0.93, 1.0), "0.955 to 0.970 stated for 5 runs"
    return [
        Case("power_law", f"{decades:g} decades, noise {noise:.0%}", f"{n} runs",
             partial(draw, n=n, decades=decades, noise=noise),
             tuple(Claim(quantity, *stated) for quantity in quantities), samples=samples)
        for n, decades, noise, samples, stated in [
            (5, 3, 0.01, 100, few), (8, 3, 0.01, 100, ((0.93, 0.97), "")), (20, 1.5, 0.05, 100, ((0.93, 0.97), ""))
        ]
    ]  # fmt: skip


def _of_two_sizes() -> list[Case]:
    def loss(n: np.ndarray | float, d: np.ndarray | float) -> np.ndarray | float:
        return E + A / n**ALPHA + B / d**BETA

    def draw(rng: Generator, runs: int, decades: float, noise: float) -> tuple[Outcome, ...]:
        n, d = 10 ** (np.array([[7.5], [9.0]]) + decades * rng.random((2, runs)))
        law = chinchilla(n, d, loss(n, d) * np.exp(noise * rng.normal(size=runs)))
        best = law.compute_optimal(FLOPS)
        return (
            inside(law.irreducible, E),
            inside(law.exponent_n, ALPHA),
            inside(law.exponent_d, BETA),
            inside(best.parameters, optimum),
            inside(best.loss, loss(optimum, FLOPS / 6 / optimum)),
        )

    optimum = (ALPHA * A / (BETA * B)) ** (1 / (ALPHA + BETA)) * (FLOPS / 6) ** (BETA / (ALPHA + BETA))
    few = (0.93, 1.0), "0.975 to 0.985 stated for 7 runs"
    stated = (0.93, 0.99), "0.960 to 0.975 stated"
    return [
        Case("chinchilla", f"{decades:g} decades, noise {noise:.1%}", f"{runs} runs",
             partial(draw, runs=runs, decades=decades, noise=noise),
             tuple(Claim(quantity, *claim) for quantity in ("E", "α", "β", "optimal size", "loss there")),
             samples=samples, may_refuse=True)
        for runs, decades, noise, claim, samples in [(7, 2.5, 0.005, few, 30), (30, 2, 0.01, stated, 50)]
    ]  # fmt: skip
