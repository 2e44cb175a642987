"""From a table of applicants to a score, a decision at the stated cost, and its reasons for each."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from companion.cases.scorecard.tested import TestedCard, at_base_rate
from companion.stats import Interval


@dataclass(frozen=True)
class Decision:
    """What is said of one applicant.

    Attributes:
        score: in points, the sum of the card's points.
        probability: of bad, that the score stands for.
        observed: the proportion of bad among held-out applicants of similar score, with its interval.
        threshold: probability of bad from which on refusing costs less than accepting.
        reasons: columns on which points were lost against the average of the training table, most points first.
        notes: what the card could not read: missing values and categories that training has not seen.
    """

    score: int
    probability: float
    observed: Interval
    threshold: float
    reasons: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def refuse(self) -> bool:
        """Whether the probability of bad reaches the threshold."""
        return self.probability >= self.threshold

    @property
    def is_close(self) -> bool:
        """Whether the interval of those of similar score holds the threshold, so that the test cannot decide."""
        return self.observed.low <= self.threshold <= self.observed.high


def score_applicants(
    table: pd.DataFrame,
    tested: TestedCard,
    *,
    cost_bad: float = 5.0,
    cost_good: float = 1.0,
    base_rate: float | None = None,
    n_reasons: int = 3,
) -> list[Decision]:
    r"""Scores applicants and decides: refuse where :math:`p\ge c_g/(c_g+c_b)`.

    Args:
        table: a row an applicant, with the columns of the card; others are ignored.
        tested: the card with its test.
        cost_bad: of a bad applicant who is accepted.
        cost_good: of a good applicant who is refused, in the same unit.
        base_rate: proportion of bad among the applicants; that of the training table by default.
        n_reasons: given for each, at most.

    Raises:
        ValueError: for missing columns, text where a number is expected, costs that are not positive, a base rate that
            is not between 0 and 1.

    Example:
        >>> from companion.cases.scorecard import load_card
        >>> tested = load_card()
        >>> table = pd.DataFrame({c.name: [None] for c in tested.card.columns}, dtype=object)
        >>> score_applicants(table, tested)[0].notes[0]
        'status is missing'
    """
    for name, cost in (("cost_bad", cost_bad), ("cost_good", cost_good)):
        if not (np.isfinite(cost) and cost > 0):
            raise ValueError(f"expected a positive {name}, got {cost}")
    card, trained = tested.card, tested.base_rate
    here = trained if base_rate is None else base_rate
    parts, scores = card.parts(table), card.score(table)
    chances = at_base_rate(card.scale.probability(scores), trained=trained, here=here)
    threshold = cost_good / (cost_good + cost_bad)
    return [
        Decision(int(score), float(p), _moved(seen, trained, here), threshold, _reasons(tested, part, n_reasons), notes)
        for score, p, seen, part, notes in zip(
            scores, chances, tested.observed(scores), parts, _notes(table, tested), strict=True
        )
    ]


def _moved(seen: Interval, trained: float, here: float) -> Interval:
    """The interval at another proportion of bad; its bounds move as probabilities do."""
    low, estimate, high = at_base_rate([seen.low, seen.estimate, seen.high], trained=trained, here=here).tolist()
    return Interval(estimate, low, high, seen.level, seen.method)


def _reasons(tested: TestedCard, parts: np.ndarray, n: int) -> tuple[str, ...]:
    lost = parts - tested.card.average()
    order = np.argsort(lost, kind="stable")[:n]
    return tuple(f"{tested.card.columns[i].name} ({lost[i]:+.0f})" for i in order if lost[i] <= -0.5)


def _notes(table: pd.DataFrame, tested: TestedCard) -> list[tuple[str, ...]]:
    """For every applicant what the card could not read."""
    found: list[list[str]] = [[] for _ in range(len(table))]
    for column in tested.card.columns:
        values, index = table[column.name], column.index(table[column.name])
        for row in np.flatnonzero(values.isna().to_numpy()):
            found[row].append(f"{column.name} is missing")
        for row in np.flatnonzero(index == -1):
            found[row].append(f"{column.name} {str(values.iloc[row])[:40]!r} was never seen, 0 points")
    return [tuple(notes) for notes in found]
