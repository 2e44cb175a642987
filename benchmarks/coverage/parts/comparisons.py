"""Two models on the same examples, or on two samples: intervals of the difference, and levels of the tests."""

from functools import partial

import numpy as np

from benchmarks.coverage.case import COVERAGE, LEVEL, Case, Claim, Outcome, inside, rejects, seed
from benchmarks.coverage.distributions import answers
from companion.stats import compare_accuracies, compare_paired, permutation_test

Generator = np.random.Generator
Sample = tuple[np.ndarray, np.ndarray, np.ndarray]
FEW = "few are in dispute: the interval is then on the safe side"


def cases() -> list[Case]:
    """All of them."""
    return [*_accuracies(), *_areas(), *_of_counts(), *_of_losses(), *_permutations()]


def _claims(coverage: tuple[float, float], level: tuple[float, float], reason: str = "") -> tuple[Claim, Claim]:
    of_interval, of_level = reason if coverage != COVERAGE else "", reason if level != LEVEL else ""
    return Claim("interval", coverage, of_interval), Claim("level", level, of_level)


def _compared(metric: str, sample: Sample, rng: Generator) -> tuple[Outcome, Outcome]:
    result = compare_paired(*sample, metric=metric, n_resamples=999, seed=seed(rng))
    return inside(result.difference, 0), rejects(result.p_value)


def _accuracies() -> list[Case]:
    def one(rng: Generator, n: int, disputed: float) -> tuple[Outcome, Outcome]:
        return _compared("accuracy", (np.ones(n, dtype=bool), *answers(rng, n, disputed, 0.0)), rng)

    def of_many(rng: Generator, n: int, disputed: float) -> tuple[Outcome, Outcome]:
        result = compare_accuracies(*answers(rng, n, disputed, 0.0))
        return Outcome(bool(result.low[0] <= 0 <= result.high[0])), rejects(result.p_value[0])

    return [
        Case(function, f"{disputed:.0%} in dispute", f"{n}", partial(draw, n=n, disputed=disputed),
             _claims((0.94, 1.0), (0.0, 0.055), FEW), options, samples=8_000)
        for function, options, draw in [("compare_paired", "accuracy", one), ("compare_accuracies", "", of_many)]
        for n, disputed in [(20, 0.15), (300, 0.15)]
    ]  # fmt: skip


def _areas() -> list[Case]:
    def draw(rng: Generator, n: int) -> tuple[Outcome, Outcome]:
        truth = np.repeat([1, 0], n)
        shared = rng.normal(size=2 * n) + 1.5 * truth
        return _compared("auc", (truth, *(shared + 0.7 * rng.normal(size=(2, 2 * n)))), rng)

    stated = "level 0.025 to 0.065 stated"
    return [
        Case("compare_paired", "normal scores", f"{n} and {n}", partial(draw, n=n),
             _claims((0.935, 0.975), (0.025, 0.065), stated), "auc", may_refuse=n == 10)
        for n in (10, 80)
    ]  # fmt: skip


def _of_counts() -> list[Case]:
    def draw(rng: Generator, metric: str, n: int, classes: int) -> tuple[Outcome, Outcome]:
        truth = (rng.random(n) < 0.3).astype(int) if classes == 2 else rng.integers(0, classes, n)
        error = np.where(rng.random(n) < 0.3, 0.3, 0.1)  # what is hard is hard for both
        said = [np.where(rng.random(n) < error, truth + rng.integers(1, classes, n), truth) % classes for _ in range(2)]
        return _compared(metric, (truth, *said), rng)

    return [
        Case("compare_paired", f"{classes} classes", f"{n}", partial(draw, metric=metric, n=n, classes=classes),
             _claims((0.93, 0.98), LEVEL, "0.939 and more stated"), metric, samples=200 if classes > 2 else 600)
        for metric, n, classes in [("f1", 50, 2), ("f1", 300, 2), ("mcc", 300, 2), ("macro_f1", 300, 3)]
    ]  # fmt: skip


def _of_losses() -> list[Case]:
    def numbers(rng: Generator, metric: str, n: int) -> tuple[Outcome, Outcome]:
        truth, hard = rng.normal(size=n), rng.exponential(size=n)  # what is hard is hard for both
        return _compared(metric, (truth, *(truth + hard * rng.normal(size=(2, n)))), rng)

    def probabilities(rng: Generator, metric: str, n: int) -> tuple[Outcome, Outcome]:
        logits = rng.normal(size=n)
        truth = rng.random(n) < 1 / (1 + np.exp(-logits))
        said = 1 / (1 + np.exp(-logits - 0.5 * rng.normal(size=(2, n))))
        return _compared(metric, (truth.astype(int), *said), rng)

    return [
        Case("compare_paired", data, f"{n}", partial(draw, metric=metric, n=n),
             _claims(covered, LEVEL, "0.97 to 0.99 stated"), metric, samples=1_500)
        for data, draw, metrics, covered in [
            ("heavy-tailed errors", numbers, ("mae", "rmse"), COVERAGE),
            ("heavy-tailed errors", numbers, ("r2",), (0.93, 1.0)),
            ("noisy logits", probabilities, ("brier", "log_loss"), COVERAGE),
        ]
        for metric in metrics
        for n in (30, 200)
    ]  # fmt: skip


def _permutations() -> list[Case]:
    def draw(rng: Generator, n: tuple[int, int], spread: float, paired: bool, skewed: bool) -> tuple[Outcome, Outcome]:
        a, b = (rng.exponential(size=k) - 1 if skewed else rng.normal(size=k) for k in n)
        result = permutation_test(spread * a, b, paired=paired, n_resamples=999, seed=seed(rng))
        return inside(result.difference, 0), rejects(result.p_value)

    exact = _claims(COVERAGE, (0.03, 0.06), "exact: the level is held, and used up")
    wrong = _claims(COVERAGE, (0.22, 0.28), "0.25 stated: only the means are equal, and sizes differ")
    distributions = [
        ("normal pairs", (10, 10), 1, True, False, exact),
        ("exponential pairs", (100, 100), 1, True, True, exact),
        ("exponential", (10, 23), 1, False, True, exact),
        ("normal, a 3 times as wide", (20, 20), 3, False, False, _claims(COVERAGE, LEVEL)),
        ("normal, a 3 times as wide", (20, 80), 3, False, False, wrong),
    ]

    def ratios(rng: Generator) -> tuple[Outcome, Outcome]:
        n_bytes = rng.lognormal(3, 0.5, size=(2, 50))
        rows = [np.stack([size * rng.lognormal(-0.045, 0.3, 50), size], axis=1) for size in n_bytes]
        result = permutation_test(
            *rows, paired=True, statistic=lambda m: m[..., 0] / m[..., 1], n_resamples=999, seed=seed(rng)
        )
        return inside(result.difference, 0), rejects(result.p_value)

    return [
        *(
            Case("permutation_test", data, f"{n[0]} and {n[1]}",
                 partial(draw, n=n, spread=spread, paired=paired, skewed=skewed), claims,
                 "paired" if paired else "independent", samples=3_000)
            for data, n, spread, paired, skewed, claims in distributions
        ),
        Case("permutation_test", "ratios of lognormal rows", "50 and 50", ratios, exact, "paired",
             samples=1_500),
    ]  # fmt: skip
