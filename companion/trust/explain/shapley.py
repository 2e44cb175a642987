r"""What each feature adds to an output, on average over the orders in which features may become known."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from companion.checks import check_whole
from companion.stats.base.options import generator_of

#: From coalitions ``[coalitions, players]`` to what each is worth ``[coalitions]``.
Value = Callable[[Bool[np.ndarray, "coalitions players"]], Float[np.ndarray, " coalitions"]]
_MOST = 20  # players whose coalitions are all looked at: a million


def exact_shapley(value: Value, players: int) -> Float[np.ndarray, " players"]:
    r"""Shapley values from all :math:`2^n` coalitions.

    .. math:: \phi_i = \sum_{S \not\ni i} \frac{|S|! \, (n - |S| - 1)!}{n!} \big(v(S \cup \{i\}) - v(S)\big)

    Args:
        value: what coalitions are worth; called once, with all of them.
        players: :math:`n`, at most 20.

    Raises:
        ValueError: for too many players, or values that are no finite number each.

    Source:
        Shapley 1953.

    >>> exact_shapley(lambda s: 1.0 * (s.sum(axis=1) >= 2), 3).round(4).tolist()  # a majority of three
    [0.3333, 0.3333, 0.3333]
    """
    check_whole("players", players, at_least=1, advice="it is how many features there are")
    if players > _MOST:
        raise ValueError(f"expected at most {_MOST} players, got {players}: use sampled_shapley")
    numbers = np.arange(2**players)
    coalitions = (numbers[:, None] >> np.arange(players)) % 2 == 1
    worth, sizes = _worth(value, coalitions), coalitions.sum(axis=1)
    weights = np.array([1 / (players * math.comb(players - 1, size)) for size in range(players)])
    shares = np.empty(players)
    for i in range(players):
        without = numbers[~coalitions[:, i]]
        shares[i] = weights[sizes[without]] @ (worth[without + 2**i] - worth[without])
    return shares


@dataclass(frozen=True)
class SampledShapley:
    """Shapley values by sampling.

    Attributes:
        values: estimates ``[players]``.
        standard_errors: of each.
    """

    values: Float[np.ndarray, " players"]
    standard_errors: Float[np.ndarray, " players"]


def sampled_shapley(value: Value, players: int, *, orders: int, seed: int | None = 0) -> SampledShapley:
    r"""Shapley values from random orders, each taken forwards and backwards; errors fall like :math:`1/\sqrt m`.

    Whatever the sample, the values add up to what all are worth beyond nobody.

    Args:
        value: what coalitions are worth; called once.
        players: how many features there are.
        orders: pairs of orders, :math:`m`, two at least; each costs ``2 * players + 2`` evaluations.
        seed: of the orders.

    Raises:
        ValueError: for fewer than two orders, or values that are no finite number each.

    Source:
        Castro, Gómez and Tejada 2009; Mitchell et al. 2022 for the pairs.
    """
    check_whole("players", players, at_least=1, advice="it is how many features there are")
    check_whole("orders", orders, at_least=2, advice="one says nothing of its error")
    rng = generator_of(seed)
    forwards = rng.permuted(np.tile(np.arange(players), (orders, 1)), axis=1)
    both = np.stack([forwards, forwards[:, ::-1]], axis=1)  # [orders, 2, players]
    ranks = np.argsort(both, axis=2)
    coalitions = ranks[:, :, None, :] < np.arange(players + 1)[:, None]  # [orders, 2, known, players]
    worth = _worth(value, coalitions.reshape(-1, players)).reshape(orders, 2, players + 1)
    gains = np.take_along_axis(np.diff(worth, axis=2), ranks, axis=2).mean(axis=1)  # [orders, players]
    return SampledShapley(gains.mean(axis=0), gains.std(axis=0, ddof=1) / math.sqrt(orders))


def masking_value(
    score: Callable[[Float[np.ndarray, "rows features"]], ArrayLike],
    x: Float[np.ndarray, " features"],
    background: Float[np.ndarray, "rows features"],
) -> Value:
    """What a coalition of features of ``x`` is worth: the mean score with all others taken from each background row.

    The features are set, not seen (interventional): where they depend on each other, it asks about rows that do not
    occur.

    Args:
        score: from rows ``[rows, features]`` to one number each.
        x: the row that is explained.
        background: rows that stand for not knowing.

    Raises:
        ValueError: where the widths differ, or there is no background.
    """
    row, rest = np.asarray(x, dtype=float), np.asarray(background, dtype=float)
    if row.ndim != 1 or rest.ndim != 2 or rest.shape[1] != len(row) or not len(rest):
        raise ValueError(f"expected x [features] and background [rows, features], got {row.shape} and {rest.shape}")

    def value(coalitions: Bool[np.ndarray, "coalitions players"]) -> Float[np.ndarray, " coalitions"]:
        mixed = np.where(coalitions[:, None], row, rest)
        scores = np.asarray(score(mixed.reshape(-1, len(row))), dtype=float)
        return scores.reshape(len(coalitions), len(rest)).mean(axis=1)

    return value


def _worth(value: Value, coalitions: Bool[np.ndarray, "coalitions players"]) -> Float[np.ndarray, " coalitions"]:
    worth = np.asarray(value(coalitions), dtype=float)
    if worth.shape != (len(coalitions),) or not np.isfinite(worth).all():
        raise ValueError(f"expected a finite value of each of {len(coalitions):,} coalitions, got shape {worth.shape}")
    return worth
