"""Means of scores between two bounds, near the bounds: wins with ties, pass@k, partial credit, answers in clusters."""

from functools import partial
from math import comb

import numpy as np
from jaxtyping import Float
from scipy import stats

from benchmarks.coverage.case import Case, covers
from companion.stats import (
    Interval,
    clustered_proportion_ci,
    difference_ci,
    mean_ci,
    pass_at_k_ci,
    permutation_test,
    stratified_mean_ci,
)

Generator = np.random.Generator

SAFE = {"allowed": (0.92, 1.0), "reason": "near a bound the docstring's table has 0.93 to 0.999"}

#: Of 10 tries, the probability that 5 drawn from them hold a right one, by how many are right.
PASS = np.array([1 - comb(10 - right, 5) / comb(10, 5) for right in range(11)])


def cases() -> list[Case]:
    """All of them."""
    return [*_means(), *_differences(), *_in_clusters(), *_right_or_wrong()]


def ties(rng: Generator, n: int, win: float, tie: float) -> Float[np.ndarray, " n"]:
    """1 for a win, 0.5 for a tie, 0 for a loss."""
    return rng.choice([1.0, 0.5, 0.0], n, p=[win, tie, 1 - win - tie])


def passes(rng: Generator, n: int, a: float, b: float) -> Float[np.ndarray, " n"]:
    """pass@5 of 10 tries at each of ``n`` problems, whose difficulty is Beta(a, b)."""
    return PASS[rng.binomial(10, rng.beta(a, b, n))]


def _means() -> list[Case]:
    def passed(a: float, b: float) -> float:
        return float(PASS @ stats.betabinom.pmf(np.arange(11), 10, a, b))

    few = {"allowed": (0.84, 0.95), "reason": "0.87 stated: 1 problem in 250 is seen too seldom to tell its variance"}
    bounded = partial(mean_ci, bounds=(0, 1))
    return [
        *(
            covers("mean_ci", f"wins {win}, ties {tie}", f"{n}",
                   lambda rng, n=n, win=win, tie=tie: bounded(ties(rng, n, win, tie)), win + tie / 2,
                   options="bounds", **SAFE)
            for n in (10, 30, 100) for win, tie in [(0.85, 0.1), (0.6, 0.2)]
        ),
        *(
            covers("mean_ci", f"pass@5, Beta({a}, {b})", f"{n}",
                   lambda rng, n=n, a=a, b=b: bounded(passes(rng, n, a, b)), passed(a, b), options="bounds", **claim)
            for a, b, n, claim in [(1, 0.5, 30, SAFE), (1, 0.5, 100, SAFE), (2, 0.2, 30, SAFE), (3, 0.3, 300, few)]
        ),
        *(
            covers("pass_at_k_ci", f"pass@5 of 10, Beta({a}, {b})", f"{n}",
                   lambda rng, n=n, a=a, b=b: pass_at_k_ci(np.full(n, 10), rng.binomial(10, rng.beta(a, b, n)), 5),
                   passed(a, b), **SAFE)
            for a, b, n in [(1, 0.5, 30), (0.2, 2, 30), (0.2, 2, 100)]
        ),
        *(
            covers("mean_ci", "Beta(8, 1)", f"{n}", lambda rng, n=n: bounded(rng.beta(8, 1, n)), 8 / 9,
                   options="bounds", **SAFE)
            for n in (30, 100)
        ),
    ]  # fmt: skip


def _differences() -> list[Case]:
    def wins(rng: Generator, n: int) -> Interval:
        return difference_ci(ties(rng, n, 0.85, 0.1), ties(rng, n, 0.6, 0.2), bounds=(0, 1))

    return [
        covers("difference_ci", "wins 0.85 and 0.6, ties 0.1 and 0.2", f"{n} and {n}", partial(wins, n=n), 0.2,
               options="bounds", **SAFE)
        for n in (30, 100)
    ]  # fmt: skip


def _in_clusters() -> list[Case]:
    def drawn(
        rng: Generator, n: int, p: float, icc: float
    ) -> tuple[Float[np.ndarray, " answers"], Float[np.ndarray, " answers"]]:
        both = 1 / icc - 1
        each = rng.beta(both * p, both * (1 - p), n).repeat(10)
        return (rng.random(10 * n) < each).astype(float), np.arange(n).repeat(10).astype(float)

    def halves(rng: Generator, n: int) -> Interval:
        right, clusters = drawn(rng, 2 * n, 0.9, 0.4)
        credit = right.reshape(n, 2, 10).mean(1).ravel()  # of two questions each
        return mean_ci(credit, clusters=clusters[: 10 * n], bounds=(0, 1))

    few = {"allowed": (0.90, 0.97), "reason": "0.92 stated for 100 clusters of which few fail"}
    return [
        *(
            covers("clustered_proportion_ci", f"proportion {p}, intraclass correlation {icc}", f"{n} clusters of 10",
                   lambda rng, n=n, p=p, icc=icc: clustered_proportion_ci(*drawn(rng, n, p, icc)), p,
                   **claim)
            for n, p, icc, claim in [
                (20, 0.9, 0.4, SAFE), (50, 0.97, 0.4, SAFE), (50, 0.97, 0.2, SAFE), (100, 0.97, 0.4, few),
            ]
        ),
        covers("mean_ci", "halves right, proportion 0.9", "50 clusters of 10", partial(halves, n=50), 0.9,
               options="bounds, clusters", **SAFE),
    ]  # fmt: skip


def _right_or_wrong() -> list[Case]:
    def stratified(rng: Generator, n: int) -> Interval:
        right = rng.random((2, n)) < np.array([[0.95], [0.8]])
        return stratified_mean_ci(right.ravel(), np.repeat([0, 1], n), weights={0: 0.3, 1: 0.7})

    def permuted(rng: Generator, n: int, paired: bool) -> Interval:
        a, b = (rng.random(n) < p for p in (0.95, 0.8))
        return permutation_test(a, b, paired=paired, n_resamples=1).difference

    safe = {"allowed": (0.93, 1.0), "reason": "Bonett and Price's is on the safe side"}
    return [
        covers("mean_ci", "right or wrong, proportion 0.9", "30", lambda rng: mean_ci(rng.random(30) < 0.9), 0.9,
               allowed=(0.93, 0.98), reason="exactly 0.974, which moves in steps with the proportion"),
        covers("stratified_mean_ci", "right or wrong, proportions 0.95 and 0.8", "2 × 20", partial(stratified, n=20),
               0.845),
        covers("stratified_mean_ci", "right or wrong, proportions 0.95 and 0.8", "2 × 100", partial(stratified, n=100),
               0.845),
        covers("permutation_test", "right or wrong, proportions 0.95 and 0.8", "30 pairs",
               partial(permuted, n=30, paired=True), 0.15, options="paired", may_refuse=True, **safe),
        covers("permutation_test", "right or wrong, proportions 0.95 and 0.8", "30 and 30",
               partial(permuted, n=30, paired=False), 0.15, options="independent", allowed=(0.93, 0.98),
               reason="Newcombe's near a bound", may_refuse=True),
    ]  # fmt: skip
