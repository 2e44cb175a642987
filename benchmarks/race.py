"""Both sides of a question, timed in turn, and how far apart their answers lie."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from companion.stats import AccuracyComparisons, Comparison, Interval

N_RESAMPLES = 9_999

Ours = Callable[[], Interval | Comparison | AccuracyComparisons]


@dataclass(frozen=True)
class Gap:
    """How far apart two answers to the same question lie.

    Attributes:
        words: the distance, in words.
        size: the distance.
        allowed: what the resampling error of both sides lets it be.
    """

    words: str
    size: float
    allowed: float


@dataclass
class Race:
    """The same question asked of both.

    Attributes:
        name: the question.
        ours: one call.
        theirs: draws some resamples from a seed, or makes some of the comparisons, and gives their values.
        rival: what ``theirs`` is made of.
        least: the ratio of seconds that we claim; 0 claims none.
        within: the seconds that we claim.
        repeats: how many of their values answer the question.
        gap: how far apart both answers lie, where theirs are of the same kind as ours.
        our_seconds: of each round, for all ``repeats`` or what stands for them.
        their_seconds: of each round, for one value.
        values: theirs, of all rounds.
        result: ours, of the last round.
    """

    name: str
    ours: Ours
    theirs: Callable[[int], np.ndarray]
    rival: str
    least: float = 0
    within: float = np.inf
    repeats: int = N_RESAMPLES
    gap: "Callable[[Race], Gap] | None" = None
    our_seconds: list[float] = field(default_factory=list)
    their_seconds: list[float] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)
    result: Interval | Comparison | AccuracyComparisons | None = None

    def round(self, seed: int) -> None:
        """Both in turn, so that whatever else the machine does falls on both alike."""
        started = time.perf_counter()
        self.result = self.ours()
        self.our_seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
        values = self.theirs(seed)
        self.their_seconds.append((time.perf_counter() - started) / len(values))
        self.values.append(values)

    @property
    def total(self) -> float:
        """Their seconds for all ``repeats``, extrapolated."""
        return self.repeats * float(np.median(self.their_seconds))

    @property
    def ratio(self) -> float:
        """Of the medians, for as many values."""
        return self.total / float(np.median(self.our_seconds))

    @property
    def row(self) -> str:
        """One line of the table."""
        low, middle, high = np.quantile(self.our_seconds, [0, 0.5, 1])
        return (
            f"| {self.name} | {middle:.3g} s ({low:.3g} to {high:.3g}) | {self.rival} | "
            f"{np.median(self.their_seconds):.3g} s × {self.repeats:,} = {self.total:,.1f} s | **{self.ratio:,.0f}** |"
        )

    def check(self) -> None:
        """Stops where a claim does not hold."""
        assert self.ratio >= self.least, f"expected {self.name} {self.least:,} times faster, got {self.ratio:,.1f}"
        seconds = np.median(self.our_seconds)
        assert seconds < self.within, f"expected {self.name} in less than {self.within:g} s, got {seconds:.2f} s"
        if self.gap is not None:
            gap = self.gap(self)
            assert gap.size <= gap.allowed, f"expected both to agree on {self.name}, got {gap.words}"


def between_bounds(race: Race) -> Gap:
    """Of intervals, as a share of our width; theirs are the quantiles of their values."""
    assert isinstance(race.result, Interval)
    values, z = np.concatenate(race.values), stats.norm.ppf(0.975)
    low, high = np.quantile(values, [0.025, 0.975])
    apart = max(abs(low - race.result.low), abs(high - race.result.high)) / (race.result.high - race.result.low)
    # the standard error of a 2.5% quantile of a normal sample, as a share of the distance between both quantiles
    error = np.sqrt(0.025 * 0.975 / len(values)) / stats.norm.pdf(z) / (2 * z)
    return Gap(f"bounds apart by at most {apart:.1%} of the width", apart, 0.03 + 4 * error)  # 0.03: BCa shifts


def between_p_values(race: Race) -> Gap:
    """Of permutation tests; theirs is the share of their values at least as extreme as the difference seen."""
    assert isinstance(race.result, Comparison)
    values, ours = np.concatenate(race.values), race.result.p_value
    theirs = (1 + np.sum(np.abs(values) >= abs(race.result.difference.estimate) - 1e-12)) / (1 + len(values))
    error = np.sqrt(theirs * (1 - theirs) * (1 / len(values) + 1 / N_RESAMPLES))
    return Gap(f"p = {ours:.4f} and {theirs:.4f}", abs(ours - theirs), 4 * error)
