"""Ratings of models that met two at a time: all differences at once, and all ratings at once."""

from functools import partial
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

from benchmarks.coverage.case import Case, Claim, Outcome
from companion.stats import arena
from companion.stats.compare.arena import AVERAGE, POINTS

Generator = np.random.Generator

#: With few games Jeffreys' prior pulls the ratings together, and the intervals are too wide rather than too narrow.
ALLOWED = (0.93, 1.0)
STATED = "0.94 to 0.99 stated"

STRENGTHS = {
    "5 equal models": np.zeros(5),
    "5 models over 347 points": np.linspace(-1, 1, 5),
    "4 equal models and one that hardly loses": np.array([-0.6, -0.6, -0.6, -0.6, 2.4]),
    "12 models over 347 points": np.linspace(-1, 1, 12),
}


def cases() -> list[Case]:
    """All of them."""
    claims = tuple(Claim(what, ALLOWED, STATED) for what in ("all differences", "all ratings"))
    return [
        Case("arena", f"{name}{', ties' if tie else ''}", f"{n} games a pair",
             partial(_draw, strengths=strengths, tie=tie, n=n), claims, samples=1_000)
        for name, strengths in STRENGTHS.items() for tie in (0.0, 1.0) for n in (5, 20, 100)
    ]  # fmt: skip


def played(
    rng: Generator, strengths: Float[np.ndarray, " models"], tie: float, n: int
) -> tuple[Int[np.ndarray, "models models"], Int[np.ndarray, "models models"]]:
    """Wins and ties of ``n`` games of each pair, in which a tie between equals weighs ``tie``, and a win 1."""
    wins, ties = (np.zeros((len(strengths), len(strengths)), dtype=int) for _ in range(2))
    for a, b in combinations(range(len(strengths)), 2):
        half = (strengths[a] - strengths[b]) / 2
        weights = np.array([np.exp(half), np.exp(-half), tie])
        wins[a, b], wins[b, a], ties[a, b] = rng.multinomial(n, weights / weights.sum())
    return wins, ties + ties.T


def _draw(rng: Generator, strengths: Float[np.ndarray, " models"], tie: float, n: int) -> tuple[Outcome, ...]:
    wins, ties = played(rng, strengths, tie, n)
    found = arena(wins, [str(k) for k in range(len(strengths))], ties=ties)
    place = {table: getattr(found, table) for table in ("pairs", "models")}
    a, b, model = (place[t][c].astype(int) for t, c in (("pairs", "a"), ("pairs", "b"), ("models", "model")))
    truths = {"pairs": POINTS * (strengths[a] - strengths[b]), "models": AVERAGE + POINTS * strengths[model]}
    return tuple(
        Outcome(bool(((table["low"] <= truths[name]) & (truths[name] <= table["high"])).all()),
                float((table["high"] - table["low"]).median()))
        for name, table in place.items()
    )  # fmt: skip
