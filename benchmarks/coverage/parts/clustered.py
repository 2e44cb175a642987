"""Metrics, and two models, on examples in clusters of 1 to 9 that are alike."""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy import stats

from benchmarks.coverage.case import Case, Claim, Outcome, covers, inside, rejects, seed
from benchmarks.coverage.distributions import clusters_of
from benchmarks.coverage.parts.metrics import average_precision, expected_loss, sharpened
from companion.stats import Interval, compare_paired, metric_ci

Generator = np.random.Generator
Columns = tuple[np.ndarray, ...]

#: How many of the noises' variance clusters share.
SHARED = 0.5


def cases() -> list[Case]:
    """All of them."""
    return [*_metrics(), *_differences()]


def noise(rng: Generator, clusters: np.ndarray) -> np.ndarray:
    """Standard normal, half of its variance the clusters'."""
    of_clusters = rng.normal(size=clusters[-1] + 1)[clusters]
    return np.sqrt(SHARED) * of_clusters + np.sqrt(1 - SHARED) * rng.normal(size=len(clusters))


def labeled(rng: Generator, n: int, models: int, *, right: float, classes: int) -> Columns:
    """Truth, each model's labels, and clusters; right answers have an intraclass correlation of 0.3."""
    clusters, both = clusters_of(rng, n), 1 / 0.3 - 1
    truth = rng.integers(0, classes, len(clusters))
    chance = rng.beta(both * right, both * (1 - right), size=(models, n))[:, clusters]
    wrong = (truth + rng.integers(1, classes, size=chance.shape)) % classes
    return truth, *np.where(rng.random(chance.shape) < chance, truth, wrong), clusters


def scored(rng: Generator, n: int, models: int) -> Columns:
    """40% positives, whose scores are 1.3 higher."""
    clusters = clusters_of(rng, n)
    truth = (rng.random(len(clusters)) < 0.4).astype(int)
    return truth, *(1.3 * truth + noise(rng, clusters) for _ in range(models)), clusters


def overconfident(rng: Generator, n: int) -> Columns:
    """Outcomes of one chance in each cluster, and what a model says that is too sure of it."""
    clusters = clusters_of(rng, n)
    chance = rng.beta(0.3, 0.3, n)[clusters]
    return (rng.random(len(clusters)) < chance).astype(int), sharpened(chance), clusters


def measured(rng: Generator, n: int, models: int) -> Columns:
    """Numbers of standard deviation 2, predicted with errors of standard deviation 1."""
    clusters = clusters_of(rng, n)
    truth = 2 * noise(rng, clusters)
    return truth, *(truth + noise(rng, clusters) for _ in range(models)), clusters


def _metrics() -> list[Case]:
    def case(metric: str, data: str, n: int, draw: Callable[..., Columns], truth: float) -> Case:
        def interval(rng: Generator) -> Interval:
            y_true, y_pred, clusters = draw(rng, n)
            return metric_ci(y_true, y_pred, metric=metric, clusters=clusters)

        least, most = (0.90 if n == 20 else 0.92), 0.98
        return covers("metric_ci", data, f"{n} clusters", interval, truth, options=metric, may_refuse=True,
                      allowed=(least, most), reason=f"{least:.2f} to {most:.2f} stated for {n} clusters")  # fmt: skip

    labels = [
        (metric, f"right {right}, {classes} classes", partial(labeled, models=1, right=right, classes=classes), truth)
        for right, classes, truths in [
            (0.8, 2, {"accuracy": 0.8, "recall": 0.8, "f1": 0.8, "balanced_accuracy": 0.8, "mcc": 0.6}),
            (0.93, 2, {"f1": 0.93, "mcc": 0.86}),
            (0.8, 5, {"macro_f1": 0.8, "mcc": 0.75}),
        ]
        for metric, truth in truths.items()
    ]
    ranks = [
        ("auc", "normal scores", partial(scored, models=1), stats.norm.cdf(1.3 / np.sqrt(2))),
        ("average_precision", "normal scores", partial(scored, models=1), average_precision(0.4, 1.3)),
    ]
    losses = [(metric, "overconfident", overconfident, expected_loss(metric)) for metric in ("brier", "log_loss")]
    numbers = [
        (metric, "normal errors", partial(measured, models=1), truth)
        for metric, truth in {"mae": np.sqrt(2 / np.pi), "rmse": 1.0, "r2": 0.75}.items()
    ]
    every = [*labels, *ranks, *losses, *numbers]
    return [case(metric, data, n, draw, truth) for metric, data, draw, truth in every for n in (20, 50)]


def _differences() -> list[Case]:
    def draw(rng: Generator, metric: str, sample: Callable[..., Columns], n: int) -> tuple[Outcome, Outcome]:
        y_true, a, b, clusters = sample(rng, n, models=2)
        result = compare_paired(y_true, a, b, metric=metric, clusters=clusters, n_resamples=499, seed=seed(rng))
        return inside(result.difference, 0), rejects(result.p_value)

    claims = Claim("interval", (0.92, 0.98), "0.92 to 0.98 stated"), Claim("level", (0.0, 0.07), "up to 0.07 stated")
    return [
        Case("compare_paired", f"clusters, {data}", f"{n} clusters", partial(draw, metric=metric, sample=sample, n=n),
             claims, metric, samples=1_500)
        for metric, data, sample in [
            ("accuracy", "right 0.8", partial(labeled, right=0.8, classes=2)),
            ("f1", "right 0.8", partial(labeled, right=0.8, classes=2)),
            ("macro_f1", "right 0.8, 5 classes", partial(labeled, right=0.8, classes=5)),
            ("auc", "normal scores", scored),
            ("mae", "normal errors", measured),
        ]
        for n in (20, 50)
    ]  # fmt: skip
