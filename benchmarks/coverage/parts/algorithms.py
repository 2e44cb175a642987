"""Algorithms over splits or data sets, and tests adjusted for their number."""

from functools import partial

import numpy as np
from jaxtyping import Bool, Float

from benchmarks.coverage.case import LEVEL, Case, Claim, Outcome, holds, rejects, seed
from companion.stats import adjust, bayesian_signed_rank, compare_cross_validated, compare_many

Generator = np.random.Generator


def cases() -> list[Case]:
    """All of them."""
    return [*_splits(), *_rankings(), *_bayesian(), *_adjusted()]


def accuracy_of_centroids(
    features: Float[np.ndarray, "n columns"],
    labels: Bool[np.ndarray, " n"],
    train: Bool[np.ndarray, " n"],
    test: Bool[np.ndarray, " n"],
) -> float:
    """Of the classifier that takes the nearer mean of the training examples."""
    ones, zeros = features[train & labels].mean(0), features[train & ~labels].mean(0)
    says = (features[test] - (ones + zeros) / 2) @ (ones - zeros) > 0
    return float(np.mean(says == labels[test]))


def equal_learners(rng: Generator, n: int, repetitions: int, folds: int) -> Float[np.ndarray, "2 splits"]:
    """Nearest centroids on two sets of features that differ by name only."""
    labels = np.arange(n) % 2 > 0
    features = [rng.normal(size=(n, 5)) + 0.5 * labels[:, None] for _ in range(2)]
    places = [rng.permutation(n) % folds for _ in range(repetitions)]
    tests = [place == fold for place in places for fold in range(folds)]
    return np.array([[accuracy_of_centroids(x, labels, ~test, test) for test in tests] for x in features])


def _splits() -> list[Case]:
    def corrected(rng: Generator, n: int, repetitions: int) -> float:
        return compare_cross_validated(*equal_learners(rng, n, repetitions, 10), test_fraction=0.1).p_value

    def combined(rng: Generator, n: int) -> float:
        try:
            return compare_cross_validated(*equal_learners(rng, n, 5, 2), method="5x2cv_f").p_value
        except ValueError:
            return 0.0  # repetitions so far apart that every difference is rejected

    small = {"allowed": (0.05, 0.10), "reason": "0.08 stated: take the F test with 400 examples or more"}
    return [
        holds("compare_cross_validated", "10 folds", "100", partial(corrected, n=100, repetitions=1),
              options="corrected t", samples=3_000),
        holds("compare_cross_validated", "10 folds, 10 times", "100", partial(corrected, n=100, repetitions=10),
              options="corrected t", samples=600),
        holds("compare_cross_validated", "2 folds, 5 times", "100", partial(combined, n=100),
              options="5x2cv F", samples=3_000, **small),
        holds("compare_cross_validated", "2 folds, 5 times", "400", partial(combined, n=400),
              options="5x2cv F", samples=3_000),
    ]  # fmt: skip


def _rankings() -> list[Case]:
    def draw(rng: Generator, sets: int, models: int) -> tuple[Outcome, ...]:
        result = compare_many(rng.normal(size=(sets, models)), [str(k) for k in range(models)])
        least = result.pairs[["p_nemenyi", "p_holm"]].min()
        return rejects(result.p_value), rejects(least["p_nemenyi"]), rejects(least["p_holm"])

    stated = Claim("Iman-Davenport", (0.03, 0.08), "0.068 stated with 6 models and 5 sets")
    rest = (Claim("Nemenyi, any pair", LEVEL), Claim("Wilcoxon and Holm, any pair", LEVEL))
    return [
        Case("compare_many", f"{models} equal models", f"{sets} sets", partial(draw, sets=sets, models=models),
             (first, *rest), samples=500)
        for models, sets, first in [(3, 10, Claim("Iman-Davenport", LEVEL)), (6, 5, stated)]
    ]  # fmt: skip


def _bayesian() -> list[Case]:
    def p_value(rng: Generator, n: int, rope: float) -> float:
        result = bayesian_signed_rank(rng.normal(size=n), np.zeros(n), rope=rope, n_resamples=2_000, seed=seed(rng))
        return 1 - result.a_better

    few = {"allowed": (0.07, 0.11), "reason": "0.091 stated for 5 sets"}
    return [
        holds("bayesian_signed_rank", "normal", f"{n} sets", partial(p_value, n=n, rope=rope),
              options=f"rope {rope}, probability above 0.95", samples=2_000, **stated)
        for n, rope, stated in [(5, 0, few), (20, 0, {}), (20, 0.25, {})]
    ]  # fmt: skip


def _adjusted() -> list[Case]:
    def p_value(rng: Generator, method: str) -> float:
        return float(adjust(rng.random(10), method=method).adjusted.min())

    return [
        holds("adjust", "independent, none true", "10 tests", partial(p_value, method=method), options=method)
        for method in ("holm", "benjamini_hochberg")
    ]
