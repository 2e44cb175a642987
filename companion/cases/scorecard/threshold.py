"""At which probability of bad to refuse, at given costs, and how well a test can tell."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from companion.stats import Interval
from companion.stats.base.arrays import as_probabilities
from companion.stats.base.frames import same_examples
from companion.stats.base.labels import as_binary
from companion.stats.base.options import check_level, check_n_resamples, check_positive, generator_of


@dataclass(frozen=True)
class CostThreshold:
    """The threshold with the lowest cost on a test, its interval, and the threshold that theory names.

    Attributes:
        threshold: probability of bad from which on applicants are refused, with an interval.
        cost: of a decision by ``threshold.estimate``, in units of the costs an applicant; as it was chosen on these
            rows it is too low.
        theory: :math:`c_g/(c_g+c_b)`, the best threshold of all for probabilities that are right.
        cost_at_theory: of a decision by it, an applicant.
        accept_all: cost of refusing nobody, an applicant.
        refuse_all: cost of refusing everybody.
    """

    threshold: Interval
    cost: float
    theory: float
    cost_at_theory: float
    accept_all: float
    refuse_all: float


@same_examples("bad", "probability")
def cost_threshold(
    bad: ArrayLike,
    probability: ArrayLike,
    *,
    cost_bad: float = 5.0,
    cost_good: float = 1.0,
    level: float = 0.95,
    n_resamples: int = 1_000,
    seed: int = 0,
) -> CostThreshold:
    r"""The probability of bad at which to refuse, from a test, with an interval.

    A threshold t costs :math:`C(t)`: ``cost_bad`` for each bad applicant with :math:`p<t`, who is accepted, and
    ``cost_good`` for each good one with :math:`p\ge t`, who is refused; an applicant, on average. Where p is right,
    refusing pays from :math:`p=c_g/(c_g+c_b)` on.

    The lowest cost on a sample wanders, and a bootstrap of the place where a minimum lies is not valid. The interval
    reaches over those thresholds t on a grid of hundredths that the sample cannot exclude from being the best: where
    :math:`\max_u [\hat C(t)-\hat C(u)]/s_{tu}`, with the standard errors :math:`s_{tu}` of the differences, is at most
    the ``level`` quantile of what bootstrap samples move it by. It errs on the wide side: of 200 simulated tests of 300
    applicants 198 held the truth, of 200 of 1,000 applicants all.

    Args:
        bad: 1 for those who did not pay back, else 0, of rows that no part of the model has seen.
        probability: of bad, from the model.
        cost_bad: of a bad applicant who is accepted.
        cost_good: of a good applicant who is refused, in the same unit.
        level: intended coverage.
        n_resamples: bootstrap samples.
        seed: of them.

    Raises:
        ValueError: for labels other than 0 and 1, probabilities outside of 0 to 1, lengths or indexes that differ,
            costs that are not positive, or a level outside (0, 1).

    Source:
        Elkan, *The foundations of cost-sensitive learning* (2001). The interval inverts a test for each threshold.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> p = rng.beta(1, 2, size=600)
        >>> found = cost_threshold(rng.random(600) < p, p)
        >>> round(found.theory, 3), found.threshold.low <= 0.17 <= found.threshold.high
        (0.167, True)
    """
    check_level(level)
    check_n_resamples(n_resamples)
    y, p = _checked(bad, probability, cost_bad, cost_good)
    grid = np.arange(101) / 100
    costs = _costs(y, p, grid, cost_bad, cost_good)
    mean = costs.mean(0)
    kept = grid[_may_be_best(costs, generator_of(seed), level, n_resamples)]
    best, theory = float(grid[mean.argmin()]), cost_good / (cost_good + cost_bad)
    interval = Interval.around(best, kept.min(), kept.max(), level, "thresholds that a test of each cannot exclude")
    at_theory = float(_costs(y, p, np.array([theory]), cost_bad, cost_good).mean())
    return CostThreshold(
        interval, float(mean.min()), theory, at_theory, cost_bad * float(y.mean()), cost_good * float(1 - y.mean())
    )


def _may_be_best(
    costs: Float[np.ndarray, "rows thresholds"], rng: np.random.Generator, level: float, n_resamples: int
) -> Bool[np.ndarray, " thresholds"]:
    """Which thresholds the sample cannot exclude from having the lowest cost."""
    n, mean = len(costs), costs.mean(0)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples) / n
    moves = weights @ costs - mean
    covariance = np.cov(costs.T, bias=True) / n
    variance = np.diag(covariance)
    # One row that costs the same twice over keeps the error of neighbors, which few rows tell apart, from vanishing.
    floor = 2 * (costs**2).mean() / n**2
    errors = np.sqrt(np.maximum(variance[:, None] + variance - 2 * covariance, 0) + floor)
    worse = ((mean[:, None] - mean) / errors).max(1)
    bounds = [np.quantile(((moves[:, [t]] - moves) / errors[t]).max(1), level) for t in range(len(mean))]
    return worse <= np.array(bounds)


def _costs(
    y: Float[np.ndarray, " rows"],
    p: Float[np.ndarray, " rows"],
    grid: Float[np.ndarray, " thresholds"],
    cost_bad: float,
    cost_good: float,
) -> Float[np.ndarray, "rows thresholds"]:
    accepted = p[:, None] < grid
    return np.where(accepted, cost_bad * y[:, None], cost_good * (1 - y[:, None]))


def _checked(
    bad: ArrayLike, probability: ArrayLike, cost_bad: float, cost_good: float
) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " rows"]]:
    check_positive("cost_bad", cost_bad)
    check_positive("cost_good", cost_good)
    (y,), p = as_binary("costs", bad=bad), as_probabilities("probability", probability)
    if y.shape != p.shape or len(y) < 2:
        raise ValueError(
            f"expected a label and a probability for each of two applicants or more, got shapes {y.shape} and {p.shape}"
        )
    return y.astype(float), p
