"""What a search chooses from: ranges of numbers, and choices among a few values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

Value = bool | int | float | str | None


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included.

    Attributes:
        low: the least.
        high: the greatest.
        log: whether each factor counts alike (1e-4 to 1e-3 as much as 1e-3 to 1e-2), not each distance.
        integer: whether the numbers are whole.
        step: the distance between neighbors; None for no grid (1 for integers).

    Raises:
        ValueError: naming the fields that contradict each other.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        got = f"got {self}"
        if not -math.inf < self.low <= self.high < math.inf:
            raise ValueError(f"expected finite numbers, low not above high, {got}: exchange them?")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError(f"expected low above 0 and no step with log=True, {got}: raise low, or leave out log")
        if self.step is not None and not 0 < self.step < math.inf:
            raise ValueError(f"expected a step above 0, {got}")
        if self.integer and any(x != int(x) for x in (self.low, self.high, self.step or 1)):
            raise ValueError(f"expected whole numbers with integer=True, {got}: round them, or leave out integer")
        if self.step is not None and (_exact(self.high) - _exact(self.low)) % _exact(self.step):
            raise ValueError(f"expected high to be a whole number of steps above low, {got}: change high or step")

    @property
    def values(self) -> list[Value]:
        """All numbers of a range that has finitely many.

        Raises:
            ValueError: where it has no step.
        """
        if self.step is None and not self.integer:
            raise ValueError(f"expected a range with a step in a grid, got {self}: give it a step, or take a Choice")
        step = _exact(self.step or 1)
        n = int((_exact(self.high) - _exact(self.low)) / step) + 1
        kind = int if self.integer else float
        return [kind(_exact(self.low) + i * step) for i in range(n)]


@dataclass(frozen=True)
class Choice:
    """One of several values, in no order.

    Attributes:
        values: texts, numbers, booleans, None; others have to be named, and looked up by whoever gets the name.

    Raises:
        ValueError: for no value, one twice, or another type.
    """

    values: Sequence[Value]

    def __post_init__(self) -> None:
        if isinstance(self.values, str) or not self.values:
            raise ValueError(f"expected a list of at least one value, got {self.values!r}")
        object.__setattr__(self, "values", tuple(self.values))  # as a tuple it stays as it was checked
        others = [value for value in self.values if not isinstance(value, Value)]
        if others:
            raise ValueError(
                f"expected texts, numbers, booleans or None, which a storage keeps, got {others[0]!r}: name the values "
                f"by texts, and look them up in your function"
            )
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"expected each value once, got {list(self.values)}")


def _exact(number: float) -> Decimal:
    """The number as it is written, so that 0.1 + 0.2 is 0.3."""
    return Decimal(str(number))
