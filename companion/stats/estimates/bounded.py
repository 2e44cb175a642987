r"""Means of scores that lie between two bounds: right or wrong, wins with ties, pass@k, partial credit.

Near a bound Student's interval is too short, since the sample rarely holds the few low scores that decide, and it
leaves the range. Wilson's does neither, for as many answers of right or wrong as the scores are worth. With scores
scaled to :math:`[0, 1]`, their mean :math:`\hat p`, in :math:`G` clusters of :math:`n_g` (each score a cluster of one,
if they are independent), and :math:`\tilde p = (G \hat p + 2) / (G + 4)` (Agresti and Coull 1998):

.. math:: n_e = \max\Big(\frac{n^2}{\sum_g n_g^2}, \, \frac{\hat p (1 - \hat p)}{\text{SE}^2}\Big)
    \frac{z^2}{t_{G-1}^2}, \qquad \text{SE}^2 = \frac{1}{n^2} \sum_{g=1}^{G} \Big(\sum_{i \in g} (x_i - \hat p)\Big)^2
    + \frac{\tilde p (1 - \tilde p)}{G^2}

The last term is a pseudo-cluster (or pseudo-observation), wrong or right as a whole, of the kind that the sample may
have missed. It fades as :math:`G` grows.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri
from scipy.stats import t

from companion.stats.base.intervals import Interval, wilson

Vector = Float[np.ndarray, " examples"]


def are_right_or_wrong(values: Vector) -> bool:
    """Whether the values are 0 and 1 only, so that their mean is a proportion."""
    return bool(np.isin(values, (0, 1)).all())


def bounded_interval(
    values: Vector,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    clusters: Int[np.ndarray, " examples"] | None = None,
    population: int | None = None,
    level: float,
) -> Interval:
    """The mean of 2 or more values within ``bounds``, in 2 or more clusters: Wilson's interval for what they are worth.

    Independent values that are all on the bounds are a proportion: theirs is :func:`companion.stats.proportion_ci`.
    """
    least, most = bounds
    scaled, mean = (values - least) / (most - least), float(values.mean())
    of = "" if population is None else f", {len(scaled):,} of {population:,}"
    if clusters is None and are_right_or_wrong(scaled):
        found, method = wilson(int(scaled.sum()), len(scaled), population=population, level=level), f"Wilson score{of}"
    else:
        codes = np.arange(len(scaled)) if clusters is None else clusters
        worth = _worth(scaled, codes, level)
        if population is not None:  # as in Wilson's for a proportion
            worth *= (population - 1) / (population - len(scaled))
        found = wilson(float(scaled.mean()) * worth, worth, level=level)
        method = (
            f"Wilson score, bounded values{of}" if clusters is None else f"Wilson score, {codes.max() + 1:,} clusters"
        )
    low, high = (least + (most - least) * bound for bound in (found.low, found.high))
    return Interval.around(mean, low, high, level, method, within=bounds)


def _worth(scaled: Vector, clusters: Int[np.ndarray, " examples"], level: float) -> float:
    """The effective number of answers; those that are right or wrong are worth no more than they are many."""
    n, mean, sizes = len(scaled), float(scaled.mean()), np.bincount(clusters)
    pseudo = (len(sizes) * mean + 2) / (len(sizes) + 4)
    totals = np.bincount(clusters, scaled - mean)
    variance = float(np.sum(totals**2)) / n**2 + pseudo * (1 - pseudo) / len(sizes) ** 2
    most = n if are_right_or_wrong(scaled) else np.inf
    worth = min(most, max(n**2 / float(np.sum(sizes**2)), mean * (1 - mean) / variance))
    return worth * float(ndtri((1 + level) / 2) / t.ppf((1 + level) / 2, len(sizes) - 1)) ** 2
