"""Models that people compared two at a time: how strong is each, and which can be told apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.sparse.csgraph import connected_components
from scipy.stats import norm, studentized_range

from companion.stats.base.arrays import as_array
from companion.stats.base.frames import check_same_columns, check_same_index, column_names
from companion.stats.base.options import LARGEST_COUNT, check_level
from companion.stats.base.result import Result
from companion.stats.compare.davidson import Strengths, fit_strengths

#: Elo's scale: at 400 points more, a model wins ten times as often as it loses.
POINTS = 400 / np.log(10)
AVERAGE = 1_000.0

Matrix = Float[np.ndarray, "models models"]


@dataclass(frozen=True, eq=False)
class Arena(Result):
    """Ratings of models by their games; ``frame`` has a row a model, the strongest first.

    Attributes:
        names: of the models, the strongest first.
        ratings: in points of Elo's scale, 1,000 on average, in that order.
        n_games: number of games.
        tie_share: of the games between two equal models, the proportion that would end in a tie.
        level: at which all intervals of a table hold together.
        models: a row a model: ``games``, ``rating``, ``low``, ``high``, and the places that it may have: ``best_rank``
            (one more than the number of models that are proven stronger) and ``worst_rank``.
        pairs: a row a pair, the stronger first: ``a``, ``b``, the ``difference`` of their ratings with ``low`` and
            ``high``, and ``p_win``, with which a wins a game that is no tie.
    """

    names: tuple[str, ...]
    ratings: tuple[float, ...]
    n_games: int
    tie_share: float
    level: float
    models: pd.DataFrame
    pairs: pd.DataFrame

    def __str__(self) -> str:
        ratings = ", ".join(f"{name} {rating:,.0f}" for name, rating in zip(self.names, self.ratings, strict=True))
        apart = int((self.pairs["low"] > 0).sum())
        return (
            f"The ratings after {self.n_games:,} games are {ratings}; {apart:,} of {len(self.pairs):,} pairs can be "
            f"told apart (simultaneous intervals, {100 * self.level:g}%)."
        )

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each model."""
        return self.models

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the ratings with their intervals, the strongest on top."""
        n = len(self.names)
        axes = plt.subplots(figsize=(6, 1 + 0.4 * n), layout="constrained")[1] if axes is None else axes
        bars = np.abs(self.models[["low", "high"]].to_numpy().T - self.models["rating"].to_numpy())
        axes.errorbar(self.models["rating"], range(n), xerr=bars, fmt="o", capsize=3)
        axes.set(
            yticks=range(n),
            yticklabels=self.names,
            ylim=(n - 0.5, -0.5),
            xlabel=f"rating in Elo points ({100 * self.level:g}% simultaneous intervals)",
        )
        return axes


def arena(
    wins: ArrayLike, names: Sequence[str] | None = None, *, ties: ArrayLike | None = None, level: float = 0.95
) -> Arena:
    r"""Rates models that met two at a time, with ties, by Bradley and Terry's model as Davidson extended it.

    With strengths :math:`\pi = e^\theta`, a game between :math:`a` and :math:`b` ends with

    .. math:: P(a) = \frac{\pi_a}{\pi_a + \pi_b + \nu \sqrt{\pi_a \pi_b}}, \qquad
        P(\text{tie}) = \frac{\nu \sqrt{\pi_a \pi_b}}{\pi_a + \pi_b + \nu \sqrt{\pi_a \pi_b}}

    A rating is :math:`1000 + 400 \log_{10} \pi`, the :math:`\log \pi` averaging to 0. Elo's rule, which adds
    :math:`K (\text{score} - \text{expected})` after each game, is a stochastic gradient of the same likelihood, and
    depends on the order of the games. The likelihood is maximized with Jeffreys' prior (Firth 1993), so that a model
    that won or lost every game gets a finite rating; of two models without ties the difference is then
    :math:`\log \frac{w_a + 1/2}{w_b + 1/2}`.

    The intervals of all differences hold together with probability ``level`` (the studentized range, after Tukey and
    Kramer), and so do the intervals of all ratings (after Šidák): a difference whose interval holds 0 is no rank.

    Coverage of all differences at once, at 95% (1,000 tournaments each; all ratings at once are within 0.02 of it):

    ============================  ============  =============  ==============
    games a pair                  5             20             100
    ============================  ============  =============  ==============
    5 equal models                0.978         0.954          0.951
    5 over 347 points             0.982         0.967          0.942
    one of 5 hardly loses         0.986         0.958          0.957
    5 over 347 points, with ties  0.989         0.957          0.953
    12 over 347 points            0.975         0.958
    ============================  ============  =============  ==============

    Games must be independent. Votes of one person, or many answers to one prompt, agree with each other, and the
    intervals are then too narrow; so they are where the choice of who meets whom went by how the games stood, and where
    strength is no single number (a beats b, b beats c, c beats a).

    Args:
        wins: ``wins[a, b]`` is how often a beat b; whole numbers, the diagonal 0. A frame has the same names on both
            sides: ``pd.crosstab(games["winner"], games["loser"])``, reindexed so that both have every model.
        names: of the models, all different; a frame brings its own.
        ties: ``ties[a, b]`` is how often a and b tied, a symmetric matrix; None for none.
        level: with which the intervals of a table hold together.

    Raises:
        ValueError: for counts that are no whole numbers from 0 on, games of a model with itself, ties that are not
            symmetric, fewer than 2 models, groups of models that never met, names as in
            :func:`companion.stats.compare_many`.

    Source:
        Davidson 1970, "On extending the Bradley-Terry model to accommodate ties in paired comparison experiments",
        *Journal of the American Statistical Association* 65; Firth 1993, *Biometrika* 80.

    >>> wins = [[0, 30, 40], [20, 0, 35], [10, 15, 0]]
    >>> print(arena(wins, ["large", "tuned", "small"]))  # doctest: +NORMALIZE_WHITESPACE
    The ratings after 150 games are large 1,101, tuned 1,025, small 873; 2 of 3 pairs can be told apart
    (simultaneous intervals, 95%).
    """
    check_same_columns(wins=wins, ties=ties)
    check_same_index(wins=wins, ties=ties)
    listed = column_names(wins, names)
    _check_frame(wins, listed)
    won = _as_games("wins", wins, listed)
    tied = np.zeros_like(won) if ties is None else _as_games("ties", ties, listed)
    check_level(level)
    if not (tied == tied.T).all():
        row, column = np.argwhere(tied != tied.T)[0]
        raise ValueError(
            f"expected symmetric ties, got {tied[row, column]:g} of {listed[row]!r} with {listed[column]!r} and "
            f"{tied[column, row]:g} the other way; count each tie in both places: ties + ties.T"
        )
    _check_connected(won + won.T + tied, listed)
    met = [(a, b) for a, b in combinations(range(len(won)), 2) if won[a, b] + won[b, a] + tied[a, b] > 0]
    first, second = np.array(met).T
    contrasts = np.eye(len(won))[first] - np.eye(len(won))[second]
    games = np.stack([won[first, second], won[second, first], tied[first, second]], axis=1)
    fitted = fit_strengths(games, contrasts)
    order = np.argsort(-fitted.values, kind="stable")
    labels = tuple(listed[model] for model in order)
    pairs = _pairs(fitted, order, labels, level)
    models = _models(fitted, order, (won + won.T + tied).sum(1), pairs, labels, level)
    weight = np.exp(fitted.tie)
    return Arena(
        names=labels,
        ratings=tuple(models["rating"].tolist()),
        n_games=int(games.sum()),
        tie_share=float(weight / (2 + weight)),
        level=level,
        models=models,
        pairs=pairs,
    )


def _pairs(fitted: Strengths, order: np.ndarray, names: tuple[str, ...], level: float) -> pd.DataFrame:
    """Differences of ratings, the stronger model first, with intervals that hold together."""
    critical = float(studentized_range.ppf(level, len(order), np.inf)) / np.sqrt(2)
    rows = []
    for i, j in combinations(range(len(order)), 2):
        a, b = order[i], order[j]
        gap = fitted.values[a] - fitted.values[b]
        error = np.sqrt(fitted.covariance[a, a] + fitted.covariance[b, b] - 2 * fitted.covariance[a, b])
        low, high = (POINTS * (gap + side * critical * error) for side in (-1, 1))
        rows.append((names[i], names[j], POINTS * gap, low, high, 1 / (1 + np.exp(-gap))))
    return pd.DataFrame(rows, columns=["a", "b", "difference", "low", "high", "p_win"])


def _models(
    fitted: Strengths,
    order: np.ndarray,
    played: Float[np.ndarray, " models"],
    pairs: pd.DataFrame,
    names: tuple[str, ...],
    level: float,
) -> pd.DataFrame:
    critical = float(norm.ppf((1 + level ** (1 / len(order))) / 2))
    ratings = AVERAGE + POINTS * fitted.values[order]
    half = critical * POINTS * np.sqrt(np.diag(fitted.covariance)[order])
    proven = pairs[pairs["low"] > 0]
    stronger, weaker = (proven[side].value_counts().reindex(names, fill_value=0).to_numpy() for side in ("b", "a"))
    table = pd.DataFrame({"games": played[order].astype(int), "rating": ratings}, index=pd.Index(names, name="model"))
    return table.assign(
        low=ratings - half, high=ratings + half, best_rank=1 + stronger, worst_rank=len(names) - weaker
    ).reset_index()


def _as_games(name: str, values: ArrayLike, names: Sequence[str]) -> Matrix:
    array = as_array(name, values, at_least=2)
    if array.shape != (len(names), len(names)):
        raise ValueError(f"expected {name} as [models, models] for {len(names)} models, got shape {array.shape}")
    if len(set(names)) < len(names):
        raise ValueError(f"expected names that are all different, got {list(names)}; number the ones that recur")
    if (array < 0).any() or (array != np.floor(array)).any() or (array > LARGEST_COUNT).any():
        raise ValueError(
            f"expected {name} as whole numbers from 0 on, got {array.min():g} to {array.max():g}; count games"
        )
    if np.diag(array).any():
        raise ValueError(f"expected {name} with a diagonal of 0, got {np.diag(array).tolist()}; no model meets itself")
    return array


def _check_frame(wins: ArrayLike, names: Sequence[str]) -> None:
    """Refuses a frame whose rows are other models than its columns."""
    if isinstance(wins, pd.DataFrame) and [str(label) for label in wins.index] != list(names):
        raise ValueError(
            f"expected the rows of wins to be its columns, {list(names)}, got {wins.index.tolist()}; take "
            "wins.reindex(index=models, columns=models, fill_value=0)"
        )


def _check_connected(games: Matrix, names: Sequence[str]) -> None:
    parts, part = connected_components(games > 0, directed=False)
    if parts > 1:
        apart = [name for name, which in zip(names, part, strict=True) if which != part[0]]
        raise ValueError(
            f"expected models that games connect, got none between {names[0]!r} and {apart}; let them play, or rate "
            "each group by itself"
        )
