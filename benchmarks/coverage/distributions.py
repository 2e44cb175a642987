"""Distributions of data that several cases draw from."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit, logit

Generator = np.random.Generator
Vector = Float[np.ndarray, " examples"]
Answers = Bool[np.ndarray, " examples"]


def clusters_of(rng: Generator, n_clusters: int, *, largest: int = 9) -> Int[np.ndarray, " examples"]:
    """The cluster of each example, for clusters of 1 to ``largest``."""
    return np.repeat(np.arange(n_clusters), rng.integers(1, largest + 1, n_clusters))


def clustered(rng: Generator, n_clusters: int, *, skewed: bool = False) -> tuple[Vector, Int[np.ndarray, " examples"]]:
    """Values around 0 with an intraclass correlation of 0.5; skewed ones have exponential effects of the clusters."""
    clusters = clusters_of(rng, n_clusters)
    effects = rng.exponential(size=n_clusters) - 1 if skewed else rng.normal(size=n_clusters)
    return effects[clusters] + rng.normal(size=len(clusters)), clusters


def answers(rng: Generator, n: int, disagreement: float, difference: float) -> tuple[Answers, Answers]:
    """Whether each of two models is right on the same examples; 80% of those not in dispute are right in both."""
    u, both = rng.random(n), rng.random(n) < 0.8
    gained = u < (disagreement + difference) / 2
    lost = ~gained & (u < disagreement)
    return (both & ~lost) | gained, (both & ~gained) | lost


def documents(rng: Generator, n: int, *, sigma: float = 0.5) -> Float[np.ndarray, "documents 2"]:
    """Errors and words of documents; the rate is 0.2 on average and varies by a third."""
    words = np.ceil(rng.lognormal(3, sigma, size=n))
    return np.stack([0.2 * words * np.exp(rng.normal(size=n) / 3 - 1 / 18), words], axis=1)


def forecasts(
    rng: Generator, n: int, *, temperature: float = 1.0, a: float = 2.0, b: float = 2.0
) -> tuple[Vector, Vector, Int[np.ndarray, " examples"]]:
    """Predictions that are too sure by ``temperature``, the true probabilities, and outcomes."""
    predicted = rng.beta(a, b, n).clip(1e-6, 1 - 1e-6)
    true = expit(logit(predicted) / temperature)
    return predicted, true, (rng.random(n) < true).astype(int)


def rated(
    rng: Generator,
    n: int,
    raters: int,
    *,
    agree: float = 0.6,
    proportions: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25),
) -> Int[np.ndarray, "items raters"]:
    """Ratings whose agreement beyond chance is ``agree``, in every coefficient and on every scale.

    A rater sees the item's true category with probability √agree and else draws one by the proportions.
    """
    truth = rng.choice(len(proportions), n, p=proportions)
    sure = rng.random((n, raters)) < np.sqrt(agree)
    return np.where(sure, truth[:, None], rng.choice(len(proportions), (n, raters), p=proportions))
