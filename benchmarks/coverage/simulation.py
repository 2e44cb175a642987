"""Draws the samples of a case, counts the hits, and says whether they refute the claim."""

from dataclasses import dataclass

import numpy as np

from benchmarks.coverage.case import Case, Claim, Outcome
from companion.stats import Interval, proportion_ci

#: Part of every seed. Raise it when claims were changed in view of results, so that others than those judge them.
DRAWN = 3


@dataclass(frozen=True)
class Found:
    """What a simulation found of one claim.

    Attributes:
        case: that was simulated.
        claim: of the case.
        hits: samples whose interval held the truth, or whose test rejected.
        samples: that had an answer.
        width: median width of the intervals; NaN where there are none.
        refused: samples without an answer, in whose place others were drawn.
    """

    case: Case
    claim: Claim
    hits: int
    samples: int
    width: float
    refused: int

    def proportion(self, *, level: float = 0.95) -> Interval:
        """The proportion of hits with its exact interval: of claims that hold, 5% at most are refuted."""
        return proportion_ci(self.hits, self.samples, method="clopper_pearson", level=level)

    def refutes(self, *, level: float = 0.95) -> bool:
        """Whether the interval of the proportion lies wholly outside the range that is claimed."""
        proportion, (least, most) = self.proportion(level=level), self.claim.allowed
        return proportion.high < least or proportion.low > most

    @property
    def verdict(self) -> str:
        """In words, for the report."""
        least, most = self.claim.allowed
        within = least <= self.hits / self.samples <= most
        return "**refuted**" if self.refutes() else "holds" if within else "undecided"


def simulate(case: Case, samples: int) -> list[Found]:
    """One result a claim; the same case draws the same samples, whatever runs beside it.

    Raises:
        ValueError: where a case that must not refuses a sample, or more samples are refused than answered.
    """
    rng = np.random.default_rng([DRAWN, *case.title.encode()])
    outcomes: list[tuple[Outcome, ...]] = []
    refused = 0
    while len(outcomes) < samples:
        try:
            outcomes.append(case.draw(rng))
        except ValueError:
            refused += 1
            if not case.may_refuse or refused > samples:
                raise
    return [
        Found(
            case,
            claim,
            sum(outcome.hit for outcome in column),
            samples,
            float(np.median([outcome.width for outcome in column])),
            refused,
        )
        for claim, column in zip(case.claims, zip(*outcomes, strict=True), strict=True)
    ]
