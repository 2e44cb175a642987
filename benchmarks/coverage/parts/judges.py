"""Judges that err: proportions corrected for it, and means of labels and verdicts in clusters of 1 to 9."""

from functools import partial

import numpy as np

from benchmarks.coverage.case import Case, covers
from benchmarks.coverage.distributions import clusters_of
from companion.stats import Interval, prediction_powered_ci, rogan_gladen_ci

Generator = np.random.Generator


def cases() -> list[Case]:
    """All of them."""
    return [*_corrected(), *_clustered()]


def _corrected() -> list[Case]:
    def draw(rng: Generator, n: int, right: int, wrong: int, judge: tuple[float, float], p: float) -> Interval:
        sensitivity, specificity = judge

        def verdicts(labels: np.ndarray) -> np.ndarray:
            return (rng.random(len(labels)) < np.where(labels == 1, sensitivity, 1 - specificity)).astype(int)

        labels, others = np.repeat([1, 0], [right, wrong]), (rng.random(n) < p).astype(int)
        return rogan_gladen_ci(labels, verdicts(labels), verdicts(others))

    return [
        covers("rogan_gladen_ci", f"proportion {p}, sensitivity {judge[0]}, specificity {judge[1]}",
               f"{n} and {right} right, {wrong} wrong", partial(draw, n=n, right=right, wrong=wrong, judge=judge, p=p),
               p, may_refuse=True, allowed=(0.94, 1.0), reason="0.94 to 1 stated for 3 answers of each kind or more")
        for n, right, wrong, judge, p in [
            (100, 20, 10, (0.9, 0.8), 0.5), (100, 20, 10, (0.9, 0.8), 0.98),
            (1_000, 40, 40, (0.95, 0.9), 0.02), (1_000, 40, 40, (0.95, 0.9), 0.8), (1_000, 40, 40, (0.95, 0.9), 0.995),
            (1_000, 160, 40, (0.99, 0.3), 0.8), (1_000, 160, 40, (0.99, 0.3), 0.97),
            (10_000, 160, 40, (0.9, 0.6), 0.97), (1_000, 160, 40, (0.6, 0.5), 0.5), (1_000, 160, 40, (0.6, 0.5), 0.02),
            (1_000, 47, 3, (0.99, 0.3), 0.5),
        ]
    ]  # fmt: skip


def beta_binomial(rng: Generator, clusters: np.ndarray, p: float, icc: float) -> np.ndarray:
    """Right or wrong, of a mean ``p`` and an intraclass correlation."""
    both = 1 / icc - 1
    return rng.random(len(clusters)) < rng.beta(both * p, both * (1 - p), clusters[-1] + 1)[clusters]


def _clustered() -> list[Case]:
    def interval(rng: Generator, n: int, p: float | None, *, shared: bool) -> Interval:
        clusters = clusters_of(rng, n if shared else 11 * n)
        if p is None:
            each = rng.normal(size=(2, clusters[-1] + 1))[:, clusters]
            y = each[0] + rng.normal(size=len(clusters))
            f = y + 0.3 + 0.7 * each[1] + 0.5 * rng.normal(size=len(clusters))
        else:
            y = beta_binomial(rng, clusters, p, 0.3).astype(float)
            f = np.where(beta_binomial(rng, clusters, 0.85, 0.3), y, 1 - y)
        labeled = rng.random(len(clusters)) < 0.2 if shared else clusters < n
        return prediction_powered_ci(
            y[labeled], f[labeled], f[~labeled], clusters=clusters[labeled], clusters_unlabeled=clusters[~labeled]
        )

    stated = {
        20: ((0.88, 0.96), "0.88 to 0.96 stated for 20 clusters"),
        50: ((0.91, 0.96), "0.91 to 0.96 stated for 50 clusters"),
        100: ((0.92, 0.96), "0.92 to 0.96 stated for 100 clusters"),
    }  # fmt: skip
    ends = ((0.82, 0.98), "0.82 to 0.98 stated for proportions of 0.9 or more")
    return [
        covers("prediction_powered_ci", f"{f'proportion {p}' if p else 'normal scores'}, judge's errors in clusters",
               f"{n} clusters with labels, {'shared' if shared else f'{10 * n} others'}",
               partial(interval, n=n, p=p, shared=shared), p or 0, options="clusters", may_refuse=True,
               allowed=allowed, reason=reason, samples=2_000)
        for n in (20, 50, 100)
        for shared in (False, True)
        for p in (None, 0.6, 0.8, 0.9, 0.97)
        if not (shared and p == 0.97)
        for allowed, reason in [ends if p and p >= 0.9 else stated[n]]
    ]  # fmt: skip
