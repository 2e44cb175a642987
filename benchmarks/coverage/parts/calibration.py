"""Calibration errors, temperatures, and conformal prediction."""

from functools import partial

import numpy as np

from benchmarks.coverage.case import LEVEL, Case, Claim, Outcome, covers, inside, rejects, seed
from benchmarks.coverage.distributions import forecasts
from companion.stats import (
    Interval,
    Reliability,
    conformal_intervals,
    conformal_sets,
    reliability,
    temperature_scaling,
)

Generator = np.random.Generator
NEAR = ((0.94, 0.985), "0.95 to 0.985 stated near calibration, on the safe side")


def cases() -> list[Case]:
    """All of them."""
    return [*_errors(), *_temperatures(), *_conformal()]


def true_error(result: Reliability, predicted: np.ndarray, true: np.ndarray) -> float:
    """The error of the bins, had the true probabilities been observed."""
    gaps, count = (predicted - true)[predicted.argsort()], np.array([each.count for each in result.bins])
    starts = np.append(0, count.cumsum()[:-1])
    return float(np.sqrt(count @ (np.add.reduceat(gaps, starts) / count) ** 2 / count.sum()))


def _errors() -> list[Case]:
    def draw(rng: Generator, n: int, bins: int, data: dict[str, float]) -> tuple[Outcome, ...]:
        predicted, true, outcome = forecasts(rng, n, **data)
        result = reliability(outcome, predicted, bins=bins)
        error = inside(result.error, true_error(result, predicted, true))
        return (error, rejects(result.p_value)) if data["temperature"] == 1 else (error,)

    level = Claim("level", LEVEL)
    return [
        Case("reliability", f"Beta({data['a']:g}, {data['b']:g}), temperature {data['temperature']:g}",
             f"{n} in {bins} bins", partial(draw, n=n, bins=bins, data=data), claims, samples=2_000)
        for n, bins, data, claims in [
            (300, 10, {"a": 2, "b": 2, "temperature": 1}, (Claim("error", *NEAR), level)),
            (1_000, 15, {"a": 10, "b": 0.7, "temperature": 1}, (Claim("error", *NEAR), level)),
            (300, 10, {"a": 2, "b": 2, "temperature": 2.5}, (Claim("error"),)),
            (1_000, 15, {"a": 0.5, "b": 0.5, "temperature": 1.5}, (Claim("error", *NEAR),)),
            (5_000, 15, {"a": 2, "b": 2, "temperature": 2.5}, (Claim("error"),)),
        ]
    ]  # fmt: skip


def _temperatures() -> list[Case]:
    def interval(rng: Generator, n: int, classes: int, truth: float) -> Interval:
        logits = 2 * rng.normal(size=(n, classes))
        labels = (logits + rng.gumbel(size=logits.shape)).argmax(1)
        return temperature_scaling(truth * logits, labels).temperature

    few = {"allowed": (0.90, 0.95), "reason": "0.90 to 0.94 stated for 50 examples"}
    return [
        covers("temperature_scaling", f"{classes} classes, temperature {truth:g}", f"{n}",
               partial(interval, n=n, classes=classes, truth=truth), truth, samples=2_000, may_refuse=n == 50, **stated)
        for n, classes, truth, stated in [(50, 2, 3, few), (100, 10, 0.7, {}), (200, 5, 1.5, {})]
    ]  # fmt: skip


def _conformal() -> list[Case]:
    def in_set(rng: Generator, n: int, level: float, score: str) -> tuple[Outcome]:
        true = rng.dirichlet([0.4] * 5, size=n + 1)
        labels = (true.cumsum(1) < rng.random((n + 1, 1))).sum(1).clip(0, 4)
        p = 0.7 * true + 0.3 * rng.dirichlet([1] * 5, size=n + 1)  # a model that is wrong
        sets = conformal_sets(p[:n], labels[:n], p[n:], level=level, score=score, seed=seed(rng))
        return (Outcome(bool(sets.members[0, labels[n]])),)

    def in_interval(rng: Generator, n: int, level: float) -> tuple[Outcome]:
        x = rng.normal(size=n + 1)
        y = x + rng.standard_t(3, size=n + 1)
        found = conformal_intervals(x[:n], y[:n], x[n:], level=level)
        return (Outcome(bool(found.low[0] <= y[n] <= found.high[0]), 2 * found.half_width),)

    def band(n: int, level: float) -> tuple[Claim]:
        return (Claim("", (level, level + 1 / (n + 1)), "level to level + 1 / (n + 1), exactly"),)

    # Sizes at which the coverage lies within the band, not at its end.
    sizes = [(21, 0.9), (52, 0.95)]
    return [
        *(
            Case("conformal_sets", f"5 classes, a new example, level {level}", f"{n}",
                 partial(in_set, n=n, level=level, score=score), band(n, level), score)
            for n, level in sizes
            for score in ("lac", "aps")
        ),
        *(
            Case("conformal_intervals", f"Student's t, 3 degrees of freedom, level {level}", f"{n}",
                 partial(in_interval, n=n, level=level), band(n, level))
            for n, level in sizes
        ),
    ]  # fmt: skip
