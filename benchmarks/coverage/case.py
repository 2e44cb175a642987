"""A simulation of one public function, and what its docstring claims of the outcomes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.stats import Interval

#: What a 95% interval is held to.
COVERAGE = (0.93, 0.97)

#: What a test at 5% is held to.
LEVEL = (0.0, 0.06)


@dataclass(frozen=True)
class Outcome:
    """Of one sample.

    Attributes:
        hit: whether the interval holds the truth, or the test rejects.
        width: of the interval, in its own unit; NaN where there is none.
    """

    hit: bool
    width: float = math.nan


Draw = Callable[[np.random.Generator], tuple[Outcome, ...]]


@dataclass(frozen=True)
class Claim:
    """Between which proportions one of a case's outcomes is to be a hit.

    Attributes:
        quantity: which outcome, in words; empty where there is one only.
        allowed: least and largest proportion of hits.
        reason: why another range than a 95% interval's, or a 5% test's.
    """

    quantity: str = ""
    allowed: tuple[float, float] = COVERAGE
    reason: str = ""


@dataclass(frozen=True)
class Case:
    """A function, the distribution of its data, and what is claimed.

    Attributes:
        function: its name in ``companion.stats``.
        distribution: of the data.
        n: how many examples, in words.
        draw: from a generator to the outcomes of one sample, one a claim.
        claims: in the order of the outcomes.
        options: of the function, in words.
        samples: how many are drawn for the report.
        may_refuse: whether the docstring says that some samples have no answer; others are then drawn in their place.
    """

    function: str
    distribution: str
    n: str
    draw: Draw
    claims: tuple[Claim, ...] = (Claim(),)
    options: str = ""
    samples: int = 4_000
    may_refuse: bool = False

    @property
    def what(self) -> str:
        """The function with its options."""
        return f"{self.function} ({self.options})" if self.options else self.function

    @property
    def title(self) -> str:
        """What tells this case from all others."""
        return f"{self.what}: {self.distribution}, {self.n}"


def inside(interval: Interval, truth: float) -> Outcome:
    """Whether the interval holds the truth."""
    return Outcome(interval.low <= truth <= interval.high, interval.high - interval.low)


def rejects(p_value: float, *, alpha: float = 0.05) -> Outcome:
    """Whether the test finds something."""
    return Outcome(p_value <= alpha)


def seed(rng: np.random.Generator) -> int:
    """A seed for a function that wants one."""
    return int(rng.integers(2**32))


def covers(
    function: str,
    distribution: str,
    n: str,
    interval: Callable[[np.random.Generator], Interval],
    truth: float,
    *,
    options: str = "",
    allowed: tuple[float, float] = COVERAGE,
    reason: str = "",
    samples: int = 4_000,
    may_refuse: bool = False,
) -> Case:
    """The case of one interval, whose truth is always the same."""
    return Case(
        function,
        distribution,
        n,
        lambda rng: (inside(interval(rng), truth),),
        (Claim("", allowed, reason),),
        options,
        samples,
        may_refuse,
    )


def holds(
    function: str,
    distribution: str,
    n: str,
    p_value: Callable[[np.random.Generator], float],
    *,
    options: str = "",
    allowed: tuple[float, float] = LEVEL,
    reason: str = "",
    samples: int = 4_000,
) -> Case:
    """The case of one test at 5%, of data that hold no difference."""
    return Case(
        function,
        distribution,
        n,
        lambda rng: (rejects(p_value(rng)),),
        (Claim("level", allowed, reason),),
        options,
        samples,
    )
