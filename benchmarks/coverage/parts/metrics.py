"""Every metric of predictions."""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
from jaxtyping import Float
from scipy import stats
from scipy.special import expit, logit

from benchmarks.coverage.case import COVERAGE, Case, Claim, Outcome, covers, inside, seed
from benchmarks.coverage.distributions import forecasts
from benchmarks.coverage.parts.calibration import true_error
from companion.stats import Interval, metric_ci, reliability
from companion.stats.metrics.counts import Table

Generator = np.random.Generator
Sample = Callable[[Generator], tuple[np.ndarray, np.ndarray]]

#: Proportions of true negatives, false positives, false negatives and true positives.
TWO_CLASSES = np.array([[0.48, 0.12], [0.06, 0.34]])
#: Proportions of the true classes (rows) as they are predicted (columns).
FIVE_CLASSES = 0.005 + np.diag([0.25, 0.2, 0.2, 0.15, 0.075])

PROPORTIONS = ("accuracy", "micro_f1", "precision", "recall", "specificity")
OF_COUNTS = ("f1", "balanced_accuracy", "macro_f1", "mcc")
SMOOTH = {"allowed": (0.92, 0.97), "reason": "0.92 to 0.96 stated"}


def cases() -> list[Case]:
    """All of them."""
    return [*_of_labels(), *_of_ranks(), *_of_probabilities(), *_of_numbers()]


def _case(
    metric: str, data: str, n: str, sample: Sample, truth: float, *, samples: int = 1_500, n_resamples: int = 499,
    allowed: tuple[float, float] = COVERAGE, reason: str = "",
) -> Case:  # fmt: skip
    def interval(rng: Generator) -> Interval:
        return metric_ci(*sample(rng), metric=metric, n_resamples=n_resamples, seed=seed(rng))

    return covers(
        "metric_ci", data, n, interval, truth, options=metric, samples=samples, allowed=allowed, reason=reason
    )


def _of_labels() -> list[Case]:
    def drawn(
        rng: Generator, n: int, proportions: Float[np.ndarray, "classes classes"]
    ) -> tuple[np.ndarray, np.ndarray]:
        return np.divmod(rng.choice(proportions.size, size=n, p=proportions.ravel()), len(proportions))

    def truth(metric: str, proportions: Float[np.ndarray, "classes classes"]) -> float:
        classes = np.indices(proportions.shape).reshape(2, -1)
        table = Table(np.ones(proportions.size, int), classes, len(proportions))
        return table.metric(metric)(proportions.ravel()).item()

    of_two = [(metric, "two classes", TWO_CLASSES, n) for metric in (*PROPORTIONS, *OF_COUNTS) for n in (50, 300)]
    of_five = [(metric, "five classes", FIVE_CLASSES, n) for metric in OF_COUNTS[1:] for n in (400,)]
    return [
        _case(metric, data, f"{n}", partial(drawn, n=n, proportions=proportions), truth(metric, proportions))
        for metric, data, proportions, n in of_two + of_five
    ]


def _of_ranks() -> list[Case]:
    def normal(rng: Generator, n: tuple[int, int], shift: float) -> tuple[np.ndarray, np.ndarray]:
        truth = np.repeat([1, 0], n)
        return truth, rng.normal(size=len(truth)) + shift * truth

    def with_proportion(rng: Generator, n: int, p: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
        truth = (rng.random(n) < p).astype(int)
        return truth, rng.normal(size=n) + shift * truth

    areas = [
        _case("auc", f"normal scores, shift {shift}", f"{n[0]} and {n[1]}", partial(normal, n=n, shift=shift),
              stats.norm.cdf(shift / np.sqrt(2)), samples=4_000)
        for n, shift in [((20, 20), 1.0), ((80, 120), 2.0)]
    ]  # fmt: skip
    stated = {"allowed": (0.92, 0.98), "reason": "0.92 to 0.98 stated"}
    return areas + [
        _case("average_precision", f"normal scores, shift {shift}, proportion {p}", f"{n}",
              partial(with_proportion, n=n, p=p, shift=shift), average_precision(p, shift), samples=4_000,
              **stated)
        for n, p, shift in [(150, 0.1, 1.5), (100, 0.4, 2.5), (500, 0.3, 0.5)]
    ]  # fmt: skip


def average_precision(p: float, shift: float) -> float:
    """Of normal scores, of which a proportion is shifted."""
    at = np.linspace(-10, 14, 20_001)
    hits, alarms = p * stats.norm.sf(at - shift), (1 - p) * stats.norm.sf(at)
    return float(np.trapezoid(hits / (hits + alarms) * stats.norm.pdf(at - shift), at))


def sharpened(chance: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """What an overconfident model says."""
    return np.clip(expit(1.5 * logit(np.clip(chance, 1e-9, 1 - 1e-9))), 1e-4, 1 - 1e-4)


@cache
def expected_loss(metric: str) -> float:
    """Of the overconfident model, over chances from Beta(0.3, 0.3)."""
    chance = stats.beta.ppf((np.arange(50_000) + 0.5) / 50_000, 0.3, 0.3)
    says = sharpened(chance)
    of_one, of_zero = ((1 - says) ** 2, says**2) if metric == "brier" else (-np.log(says), -np.log(1 - says))
    return float(np.mean(chance * of_one + (1 - chance) * of_zero))


def _of_probabilities() -> list[Case]:
    def calibration_error(rng: Generator) -> tuple[Outcome]:
        predicted, true, outcome = forecasts(rng, 1_000, temperature=2.5)
        truth = true_error(reliability(outcome, predicted), predicted, true)
        return (inside(metric_ci(outcome, predicted, metric="calibration_error"), truth),)

    def overconfident(rng: Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        chance = rng.beta(0.3, 0.3, size=n)
        return (rng.random(n) < chance).astype(int), sharpened(chance)

    losses = [
        _case(metric, "overconfident", f"{n}", partial(overconfident, n=n), expected_loss(metric), **SMOOTH)
        for metric in ("brier", "log_loss")
        for n in (100, 300)
    ]
    return [
        *losses,
        Case("metric_ci", "temperature 2.5", "1000", calibration_error, (Claim(),), "calibration_error", samples=1_500),
    ]


def _of_numbers() -> list[Case]:
    def laplace(rng: Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        predicted = 1.5 * rng.normal(size=n)
        return predicted + rng.laplace(size=n), predicted

    truths = {"mae": 1.0, "rmse": np.sqrt(2), "r2": 1.5**2 / (1.5**2 + 2)}
    return [
        _case(metric, "Laplace errors", f"{n}", partial(laplace, n=n), truth, **SMOOTH)
        for metric, truth in truths.items()
        for n in (100, 300)
    ]
