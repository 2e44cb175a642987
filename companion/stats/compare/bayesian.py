"""The Bayesian signed-rank test: how probable it is that a is better, that b is, or that they are as good as equal."""

from dataclasses import dataclass
from reprlib import repr as brief

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from companion.checks import is_number
from companion.stats.base.checks import as_numbers
from companion.stats.base.frames import same_examples
from companion.stats.base.options import check_n_resamples, generator_of
from companion.stats.base.result import Result
from companion.stats.base.ties import differences, rounding
from companion.stats.resampling.bootstrap import blocks

#: Weight of the prior's one pseudo-observation, in observations, as in the authors' own package (baycomp).
PRIOR_STRENGTH = 0.5


@dataclass(frozen=True)
class PracticalComparison(Result):
    """Probabilities that a is better, equivalent or worse in practice, given the data and the prior.

    Attributes:
        a_better: posterior probability that a is better by more than ``rope``.
        equivalent: that they differ by at most ``rope``.
        b_better: that b is better by more than ``rope``.
        rope: half-width of the region of practical equivalence, in the scores' unit.
        effect: posterior mean of the proportion of pairs of sets whose mean difference favors a by more than ``rope``,
            less the proportion that favors b: from -1 to 1.
        n_sets: number of pairs of scores.
    """

    a_better: float
    equivalent: float
    b_better: float
    rope: float
    effect: float
    n_sets: int

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the three probabilities as bars, on ``axes`` or on new ones."""
        axes = plt.subplots(figsize=(6, 2), layout="constrained")[1] if axes is None else axes
        names = ["a better", "equivalent", "b better"]
        axes.barh(names, [self.a_better, self.equivalent, self.b_better])
        axes.invert_yaxis()
        axes.set(xlabel=f"posterior probability (equivalent: within {self.rope:g})", xlim=(0, 1))
        return axes

    def __str__(self) -> str:
        return (
            f"The probability is {self.a_better:.3f} that a is better by more than {self.rope:g}, "
            f"{self.equivalent:.3f} that they differ by less, and {self.b_better:.3f} that b is better by more "
            "(Bayesian signed-rank test, "
            f"{self.n_sets:,} pairs); the rank effect is {self.effect:z.2f}."
        )


@same_examples("a", "b")
def bayesian_signed_rank(
    a: ArrayLike, b: ArrayLike, *, rope: float, n_resamples: int = 50_000, seed: int | None = None
) -> PracticalComparison:
    r"""Weighs whether a is better than b, over data sets, by more than matters in practice.

    The differences :math:`z_i = a_i - b_i`, and :math:`z_0 = 0` with weight :math:`s = 1/2` as prior, stand for a
    distribution that is itself uncertain, a Dirichlet process: weights :math:`w \sim \mathrm{Dirichlet}(s, 1, \dots,
    1)`. Each draw of them gives three proportions,

    .. math:: \theta_a = \sum_{i,j} w_i w_j [z_i + z_j > 2r], \quad
        \theta_b = \sum_{i,j} w_i w_j [z_i + z_j < -2r], \quad \theta_e = 1 - \theta_a - \theta_b

    with :math:`r` the region of practical equivalence; sums on the border count half on either side. The probabilities
    are how often each of the three is the largest. With ``rope=0`` they are close to the one-sided p-values of
    Wilcoxon's test. Unlike there, equality can be shown, not only fail to be refuted: the middle one can become large.

    The differences must be independent and of one kind (the same metric on data sets, or on tasks), for which their
    distribution need not be normal, only be such that the median of mean pairs is of interest. They must not be the
    folds of one cross-validation, which :func:`companion.stats.compare_cross_validated` is for.

    Simulated for equal models, normal differences and ``rope=0``: a probability beyond 0.95 for a comes up in 0.091 of
    samples with 5 sets, 0.067 with 10, 0.051 with 20, 0.049 with 50 (2,000 to 6,000 samples each), so that from 20 sets
    on it may be read as a one-sided test at 5%; with a ``rope`` of a quarter of the standard deviation, in 0.045 at
    most.

    The effect size, of ranks as the test is, is the mean of :math:`\theta_a - \theta_b`.

    Args:
        a: scores of a, one a data set, at least 2; higher is better.
        b: scores of b on the same sets.
        rope: differences up to this one do not matter, in the scores' unit: 0.01 for a point of accuracy. Say it before
            you look.
        n_resamples: draws of the weights; with 50,000 a probability varies by 0.002 from seed to seed.
        seed: of the draws; ``None`` takes a fresh one.

    Raises:
        ValueError: for NaN or infinity (named by the index), other lengths, fewer than 2 sets, a negative ``rope``.

    Source:
        Benavoli, Corani, Demšar and Zaffalon 2017, "Time for a change", *Journal of Machine Learning Research* 18(77).

    >>> a = [0.84, 0.91, 0.77, 0.69, 0.88, 0.95, 0.73, 0.81]
    >>> b = [0.83, 0.88, 0.73, 0.70, 0.85, 0.94, 0.70, 0.77]
    >>> print(bayesian_signed_rank(a, b, rope=0.01, seed=0))  # doctest: +NORMALIZE_WHITESPACE
    The probability is 0.981 that a is better by more than 0.01, 0.019 that they differ by less, and 0.000 that b is
    better by more (Bayesian signed-rank test, 8 pairs); the rank effect is 0.79.
    """
    scores_a, scores_b = as_numbers(at_least=2, a=a, b=b)
    check_n_resamples(n_resamples)
    if not is_number(rope) or not 0 <= rope < np.inf:
        raise ValueError(
            f"expected rope of at least 0, got {brief(rope)}; it is a difference too small to matter, such as 0.01"
        )
    gaps = np.append(0.0, differences(scores_a, scores_b))
    close = rounding(max(rope, np.abs(scores_a).max(), np.abs(scores_b).max()), 4)
    order = np.argsort(gaps)
    strengths = np.append(PRIOR_STRENGTH, np.ones(len(scores_a)))[order]
    rng = generator_of(seed)
    wins, effect = np.zeros(3), 0.0
    for size in blocks(n_resamples, len(order)):
        shares = _shares(gaps[order], rng.dirichlet(strengths, size), rope, close)
        wins += np.bincount(shares.argmax(1), minlength=3)
        effect += float(np.sum(shares[:, 2] - shares[:, 0]))
    b_better, equivalent, a_better = (wins / n_resamples).tolist()
    return PracticalComparison(a_better, equivalent, b_better, rope, effect / n_resamples, len(scores_a))


def _shares(
    ordered: Float[np.ndarray, " n"], weights: Float[np.ndarray, "draws n"], rope: float, close: float
) -> Float[np.ndarray, "draws 3"]:
    """The proportions of b, of the region, and of a. As differences are in order, each one's partners are a run.

    Sums that come within ``close`` of the border are on it.
    """
    below = np.cumsum(np.insert(weights, 0, 0.0, axis=1), axis=1)  # [draws, n + 1]: the weight before each place

    def share_below(border: float) -> Float[np.ndarray, " draws"]:
        """Of pairs whose sum is below the border, and half of those on it."""
        before, upto = (np.searchsorted(ordered, border - ordered + step) for step in (-close, close))
        return np.sum(weights * (below[:, before] + below[:, upto]), axis=1) / 2

    lost, not_won = share_below(-2 * rope), share_below(2 * rope)
    return np.stack([lost, not_won - lost, 1 - not_won], axis=1)
