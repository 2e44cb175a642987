"""Experiments: tests and intervals that may be watched, adjusted differences, means with the help of a judge."""

from functools import partial

import numpy as np

from benchmarks.coverage.case import COVERAGE, Case, Claim, Outcome, covers, inside, rejects
from companion.stats import ABTest, Interval, confidence_sequence, cuped, prediction_powered_ci

Generator = np.random.Generator
ALWAYS = ((0.95, 1.0), "no look misses: on the safe side")


def cases() -> list[Case]:
    """All of them."""
    return [*_tests(), *_sequences(), *_adjusted(), *_judged()]


def _tests() -> list[Case]:
    def watched(rng: Generator, data: str, expected: float, looks: int) -> tuple[Outcome, Outcome]:
        test, held = ABTest(expected), True
        for look in range(looks):
            a, b = rng.exponential(size=(2, 50)) if data == "exponential" else rng.random((2, 50)) < float(data[-3:])
            test.update(a, b)
            if look > 0:  # the first one has fewer observations than burn_in
                interval = test.result.difference
                held &= interval.low <= 0 <= interval.high
        return Outcome(held), rejects(test.p_value)

    return [
        Case("ABTest", data, f"{looks} looks, 50 more each",
             partial(watched, data=data, expected=expected, looks=looks),
             (Claim("intervals of all looks", *ALWAYS), Claim("level", (0.0, 0.05))), samples=800)
        for data, expected, looks in [("rates of 0.1", 0.02, 100), ("exponential", 0.1, 100), ("rates of 0.5", 0.1, 20)]
    ]  # fmt: skip


def _sequences() -> list[Case]:
    def never_misses(rng: Generator, data: str, truth: float, n: int) -> tuple[Outcome]:
        values = rng.random(n) if data == "uniform" else (rng.random(n) < truth).astype(float)
        found = confidence_sequence(values)
        held = bool(((found.low <= truth) & (truth <= found.high)).all())
        return (Outcome(held, found.last.high - found.last.low),)

    return [
        Case("confidence_sequence", data, f"{n} looks", partial(never_misses, data=data, truth=truth, n=n),
             (Claim("intervals of all looks", *ALWAYS),))
        for data, truth, n in [("proportion 0.5", 0.5, 20), ("proportion 0.5", 0.5, 1_000),
                               ("proportion 0.01", 0.01, 1_000), ("uniform", 0.5, 1_000)]
    ]  # fmt: skip


def _adjusted() -> list[Case]:
    def draw(rng: Generator, n: int, skewed: bool) -> tuple[Outcome, Outcome]:
        before, treated = rng.normal(size=2 * n), np.arange(2 * n) % 2
        noise = rng.exponential(size=2 * n) if skewed else rng.normal(size=2 * n)
        result = cuped(0.8 * before + 0.6 * noise, before, treated)  # a correlation of 0.8, and no effect
        return inside(result.difference, 0), rejects(result.p_value)

    least = ((0.88, 0.92), "0.90 stated for 3 units in each group")
    few, usual = ((0.91, 0.95), "0.931 stated for 5 units in each group"), (COVERAGE, "")

    def claims(allowed: tuple[float, float], reason: str) -> tuple[Claim, Claim]:
        missed = round(1 - allowed[1], 9), round(1 - allowed[0], 9)
        return Claim("interval", allowed, reason), Claim("level", missed, reason or "what the interval misses")

    return [
        Case("cuped", f"{'exponential' if skewed else 'normal'} noise, correlation 0.8", f"{n} and {n}",
             partial(draw, n=n, skewed=skewed), claims(*stated))
        for n, skewed, stated in [(3, False, least), (5, False, few), (10, False, usual), (100, True, usual)]
    ]  # fmt: skip


def _judged() -> list[Case]:
    def proportions(rng: Generator, n: int, more: int, p: float, right: float) -> Interval:
        y = (rng.random(n + more) < p).astype(float)
        f = np.where(rng.random(n + more) < right, y, rng.random(n + more) < p)
        return prediction_powered_ci(y[:n], f[:n], f[n:]).interval

    def scores(rng: Generator) -> Interval:
        y = rng.normal(size=630)
        f = y + 0.3 + 0.5 * rng.normal(size=630)
        return prediction_powered_ci(y[:30], f[:30], f[30:]).interval

    rare = {"allowed": (0.90, 0.95), "reason": "0.90 to 0.95 stated for proportions of 0.9 below 300 labels"}
    return [
        *(
            covers("prediction_powered_ci", f"proportion {p}, judge right in {right:.0%}", f"{n} and {more}",
                   partial(proportions, n=n, more=more, p=p, right=right), p, may_refuse=p == 0.9,
                   **stated)
            for n, more, p, right, stated in [
                (30, 30, 0.6, 0.8, {}),
                (50, 1_000, 0.6, 0.0, {}),
                (300, 6_000, 0.6, 0.8, {}),
                (50, 1_000, 0.9, 0.8, rare),
            ]
        ),
        covers("prediction_powered_ci", "normal scores, biased judge", "30 and 600", scores, 0),
    ]  # fmt: skip
