"""Which of several ideas first, where neither their scores nor the weights of the criteria are known."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.interpolate import make_smoothing_spline

from companion.stats.base.checks import as_given
from companion.stats.base.frames import same_examples
from companion.stats.base.options import generator_of


def smaa(
    scores: ArrayLike, *, weights: ArrayLike | None = None, names: list[str] | None = None, seed: int | None = 0
) -> pd.DataFrame:
    r"""The probability of each rank for each alternative (stochastic multicriteria acceptability analysis).

    The value of an alternative is :math:`\sum_j w_j s_j`. Where nothing is known of the weights, all that add up to 1
    are equally likely.

    Args:
        scores: larger is better, ``[alternatives, criteria]``, or draws of them ``[draws, alternatives, criteria]``.
        weights: draws ``[draws, criteria]``, as many as of the scores; by default uniform on the simplex, 10,000 of
            them where the scores are no draws.
        names: of the alternatives.
        seed: of the weights.

    Returns:
        Probabilities with a row an alternative and a column a rank, 1 the best; ties go to the alternative before.

    Raises:
        ValueError: for shapes that do not fit, values that are no numbers, or negative weights.

    Source:
        Lahdelma and Salminen 2001, *SMAA-2*.

    >>> table = smaa([[0.9, 0.1], [0.2, 0.6]], names=["fast", "deep"])
    >>> round(float(table[1]["fast"]), 2)  # better where w > 5/12: 7/12 of all weights
    0.58
    """
    table = as_given("scores", scores)
    if table.ndim not in (2, 3) or not np.isfinite(table).all():
        raise ValueError(f"expected scores as numbers [(draws,) alternatives, criteria], got shape {table.shape}")
    if names is not None and len(names) != table.shape[-2]:
        raise ValueError(f"expected a name for each of {table.shape[-2]} alternatives, got {len(names)}")
    draws = table if table.ndim == 3 else table[None]
    n_draws, n_alternatives, n_criteria = draws.shape
    if weights is None:
        drawn = generator_of(seed).dirichlet(np.ones(n_criteria), size=10_000 if table.ndim == 2 else n_draws)
    else:
        drawn = as_given("weights", weights)
    fits = drawn.ndim == 2 and drawn.shape[1] == n_criteria and (n_draws == 1 or len(drawn) == n_draws)
    if not fits or (drawn < 0).any() or not (drawn.sum(axis=1) > 0).all():
        raise ValueError(f"expected weights of at least 0 of shape [{n_draws}, {n_criteria}], got {drawn.shape}")
    values = np.einsum("dac,dc->da", np.broadcast_to(draws, (len(drawn), *draws.shape[1:])), drawn)
    order = np.argsort(-values, axis=1, kind="stable")
    ranks = np.argsort(order, axis=1)
    shares = [(ranks == rank).mean(axis=0) for rank in range(n_alternatives)]
    return pd.DataFrame(np.stack(shares, axis=1), index=names, columns=range(1, n_alternatives + 1))


@same_examples("payoffs", "about")
def value_of_information(payoffs: ArrayLike, about: ArrayLike | None = None) -> float:
    r"""What it is worth to know the truth, or one number of it, before one of several options is chosen.

    .. math:: \mathbb{E}_\theta\Big[\max_d \mathbb{E}[u_d \mid \theta]\Big] - \max_d \mathbb{E}[u_d]

    No experiment is worth more than what it asks about. Without ``about`` it is the value of knowing everything. With
    it, :math:`\mathbb{E}[u_d \mid \theta]` is a smooth curve through the draws, whose smoothness cross-validation
    chooses; the maximum of noisy curves is a little too high, the more so the fewer draws.

    Args:
        payoffs: in dollars, one row for each state of the world that was drawn ``[draws, options]``.
        about: the number that would be known, in each of these states ``[draws]``.

    Raises:
        ValueError: for shapes that do not fit, or values that are no numbers.

    Source:
        Strong, Oakley and Brennan 2014 for the regression.

    >>> rng = np.random.default_rng(0)
    >>> demand = rng.normal(0.0, 1.0, 20_000)
    >>> value = value_of_information(np.stack([np.zeros(20_000), demand], axis=1), demand)
    >>> round(value, 2)  # E max(0, Z) = 1 / √(2π) = 0.399
    0.4
    """
    table = as_given("payoffs", payoffs)
    if table.ndim != 2 or table.shape[1] < 2 or not len(table) or not np.isfinite(table).all():
        raise ValueError(f"expected payoffs as numbers [draws, options], two options or more, got shape {table.shape}")
    known = table if about is None else _explained(table, as_given("about", about))
    return max(0.0, float(known.max(axis=1).mean() - table.mean(axis=0).max()))


def _explained(
    table: Float[np.ndarray, "draws options"], about: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "draws options"]:
    """The mean of each payoff given the number, up to what all options share, which decides nothing."""
    if about.shape != (len(table),) or not np.isfinite(about).all():
        raise ValueError(f"expected about as {len(table)} numbers, got shape {about.shape}")
    places, where, counts = np.unique(about, return_inverse=True, return_counts=True)
    if len(places) < 5:  # too few for a curve, and enough draws of each for a mean
        means = np.stack([np.bincount(where, column) / counts for column in table.T], axis=1)
        return means[where]
    columns = [_curve(places, where, column - table[:, 0]) for column in table.T]
    return np.stack(columns, axis=1) + table[:, :1].mean()


def _curve(
    places: Float[np.ndarray, " places"], where: np.ndarray, payoff: Float[np.ndarray, " draws"]
) -> Float[np.ndarray, " draws"]:
    """A smoothing spline over at most 200 groups of neighbors, by generalized cross-validation."""
    groups = (
        np.minimum(np.arange(len(places)) * 200 // len(places), 199) if len(places) > 200 else np.arange(len(places))
    )
    member = groups[where]
    n = np.bincount(member)
    x = np.bincount(member, places[where]) / n
    y = np.bincount(member, payoff) / n
    if not np.ptp(payoff):
        return payoff
    try:
        return make_smoothing_spline(x, y, w=n.astype(float))(places[where])
    except ValueError as error:
        raise ValueError(
            f"expected about in a unit in which a curve can be drawn, got numbers {places.std():.3g} apart around "
            f"{places.mean():.3g}; pass (about - about.mean()) / about.std()"
        ) from error
