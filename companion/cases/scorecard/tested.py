"""A card with its test: how many were bad at each height of the score, among rows that the card had not seen."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from companion.cases.scorecard.binning import as_bad
from companion.cases.scorecard.card import Card, Scorecard
from companion.stats import Interval, proportion_ci


@dataclass(frozen=True)
class Band:
    """Held-out applicants of similar score.

    Attributes:
        from_score: the lowest score of the band; it reaches up to the next band's.
        good: how many of them paid back.
        bad: how many did not.
    """

    from_score: int
    good: int
    bad: int


@dataclass(frozen=True)
class TestedCard:
    """A card fitted on all rows of a table, and what cards fitted on nine tenths of it did on the rest.

    Attributes:
        card: of all rows.
        bands: by rising score, about equally many applicants in each.
    """

    __test__ = False  # pytest would take it for a class of tests

    card: Card
    bands: tuple[Band, ...]

    @property
    def base_rate(self) -> float:
        """The proportion of bad in the training table."""
        good, bad = np.sum([(band.good, band.bad) for band in self.bands], axis=0)
        return float(bad / (good + bad))

    def observed(self, scores: ArrayLike) -> list[Interval]:
        """For each score the proportion of bad in its band, with its interval."""
        starts = [band.from_score for band in self.bands[1:]]
        found = [proportion_ci(band.bad, band.good + band.bad) for band in self.bands]
        return [found[i] for i in np.searchsorted(starts, np.asarray(scores), side="right")]


def fit_tested(
    table: pd.DataFrame,
    bad: ArrayLike,
    *,
    scorecard: Scorecard | None = None,
    folds: int = 10,
    bands: int = 8,
    seed: int = 0,
) -> TestedCard:
    """Fits a card on all rows, and tests the recipe by cross-validation, everything anew in each fold.

    Args:
        table: a row an applicant.
        bad: 1 for those who did not pay back, else 0.
        scorecard: with the settings; it is left unfitted.
        folds: of the cross-validation.
        bands: of the scores of held-out rows; fewer where they tie.
        seed: of the folds.

    Raises:
        ValueError: where a class has fewer rows than there are folds, and as ``Scorecard.fit``.

    Example:
        >>> table = pd.DataFrame({"months": [6, 12, 24, 36] * 50, "home": ["own", "rent"] * 100})
        >>> tested = fit_tested(table, [0, 0, 0, 1] * 40 + [0, 1, 0, 1] * 10)
        >>> sum(band.good + band.bad for band in tested.bands)
        200
    """
    model, labels = scorecard or Scorecard(), as_bad(table, bad)
    card = clone(model).fit(table, labels).card_
    rarer = int(np.bincount(labels).min())
    if rarer < folds:
        raise ValueError(f"expected at least {folds} good and {folds} bad rows to test on, got {rarer} of one kind")
    scores = _held_out(table, labels, model, folds, seed)
    starts = np.unique(np.quantile(scores, np.arange(1, bands) / bands).round().astype(int))
    place = np.searchsorted(starts, scores, side="right")
    found = [
        Band(start, int(np.sum((place == i) & (labels == 0))), int(np.sum((place == i) & (labels == 1))))
        for i, start in enumerate([int(scores.min()), *starts.tolist()])
    ]
    return TestedCard(card, tuple(band for band in found if band.good + band.bad))


def _held_out(
    table: pd.DataFrame, bad: Int[np.ndarray, " rows"], model: Scorecard, folds: int, seed: int
) -> Int[np.ndarray, " rows"]:
    """The score of every row by a card that has not seen it."""
    scores = np.zeros(len(bad), int)
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(table, bad):
        card = clone(model).fit(table.iloc[train], bad[train]).card_
        scores[test] = card.score(table.iloc[test])
    return scores


def at_base_rate(probability: ArrayLike, *, trained: float, here: float) -> Float[np.ndarray, " applicants"]:
    r"""Probabilities of bad where a proportion ``here`` is bad, from those of a table where it is ``trained``.

    The odds are multiplied by :math:`\frac{h/(1-h)}{t/(1-t)}`: good and bad look as they did, there are only more of
    one.

    Args:
        probability: of bad, by a model of the training table.
        trained: proportion of bad in that table.
        here: proportion of bad among the applicants that are scored.

    Raises:
        ValueError: where one of the proportions is not between 0 and 1, or a probability not from 0 to 1.

    Source:
        Elkan, *The foundations of cost-sensitive learning* (2001), theorem 2.

    Example:
        >>> at_base_rate([0.3, 0.5], trained=0.3, here=0.05).round(3)
        array([0.05 , 0.109])
    """
    for name, value in (("trained", trained), ("here", here)):
        if not 0 < value < 1:
            raise ValueError(f"expected the proportion of bad ({name}) between 0 and 1, got {value}")
    p = np.asarray(probability, float)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("expected probabilities from 0 to 1, got others or NaN")
    ratio = here / (1 - here) / (trained / (1 - trained))
    return p * ratio / (1 - p + p * ratio)
