"""Agreement of raters."""

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.coverage.case import Case, covers
from benchmarks.coverage.distributions import rated
from companion.stats import Interval, cohen_kappa_ci, fleiss_kappa_ci, krippendorff_alpha_ci

Generator = np.random.Generator
EQUAL, RARE = (0.25, 0.25, 0.25, 0.25), (0.85, 0.15)


def cases() -> list[Case]:
    """All of them."""
    return [*_two_raters(), *_three_raters()]


def _case(
    function: str, options: str, interval: Callable[[np.ndarray], Interval], n: int, agree: float,
    proportions: tuple[float, ...], missing: float, stated: tuple[tuple[float, float], str],
) -> Case:  # fmt: skip
    def draw(rng: Generator) -> Interval:
        ratings = rated(rng, n, 3, agree=agree, proportions=proportions)
        if missing:
            ratings = np.where(rng.random(ratings.shape) < missing, np.nan, ratings)
        return interval(ratings)

    data = f"{len(proportions)} categories{', one of 15%' if proportions == RARE else ''}, agreement {agree}"
    return covers(
        function, f"{data}, {missing:.0%} missing" if missing else data, f"{n}", draw, agree, options=options,
        samples=2_000, allowed=stated[0], reason=stated[1], may_refuse=proportions == RARE,
    )  # fmt: skip


def _two_raters() -> list[Case]:
    def kappa(ratings: np.ndarray, weights: str) -> Interval:
        return cohen_kappa_ci(ratings[:, 0], ratings[:, 1], weights=weights)

    stated, rare = ((0.91, 0.98), "0.91 to 0.98 stated"), ((0.91, 0.97), "0.91 to 0.96 stated")
    return [
        _case("cohen_kappa_ci", f"weights {weights}", partial(kappa, weights=weights), n, agree, proportions, 0, claim)
        for weights, n, agree, proportions, claim in [
            ("none", 50, 0.0, EQUAL, stated),
            ("none", 50, 0.8, EQUAL, stated),
            ("none", 200, 0.6, EQUAL, stated),
            ("none", 50, 0.6, RARE, rare),
            ("quadratic", 50, 0.6, EQUAL, stated),
        ]
    ]


def _three_raters() -> list[Case]:
    stated = (0.92, 0.98), "0.92 to 0.98 stated from 20 items on"
    rare = (0.88, 0.98), "0.88 to 0.98 stated where one of two has 15%"
    alphas = [
        _case(
            "krippendorff_alpha_ci",
            scale,
            partial(krippendorff_alpha_ci, scale=scale),
            n,
            agree,
            proportions,
            missing,
            claim,
        )
        for scale, n, agree, proportions, missing, claim in [
            ("nominal", 20, 0.6, EQUAL, 0.3, stated),
            ("ordinal", 20, 0.6, EQUAL, 0.3, stated),
            ("interval", 20, 0.6, EQUAL, 0.0, stated),
            ("nominal", 200, 0.8, EQUAL, 0.3, stated),
            ("nominal", 50, 0.6, RARE, 0.3, rare),
        ]
    ]
    kappas = [_case("fleiss_kappa_ci", "", fleiss_kappa_ci, n, 0.6, EQUAL, 0, stated) for n in (20, 200)]
    return alphas + kappas
