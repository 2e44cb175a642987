"""What a search chooses from: ranges of numbers, and choices among a few values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

Value = bool | int | float | str | None


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; ``Range(1e-4, 1e-1, log=True)``.

    Attributes:
        low: the least.
        high: the greatest.
        log: whether each factor counts alike (1e-4 to 1e-3 as much as 1e-3 to 1e-2), not each distance.
        integer: whether the numbers are whole.
        step: the distance between neighbors; None for no grid (1 for integers).

    Raises:
        ValueError: naming the fields that contradict each other.

    Example:
        >>> Range(0.1, 0.3, step=0.1).values
        [0.1, 0.2, 0.3]
        >>> Range(0, 1, log=True)  # refused
        Traceback (most recent call last):
        ValueError: expected low above 0 and no step with log=True, got Range(low=0, high=1, log=True,...
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
        if self.step is not None and self._steps % 1:
            raise ValueError(f"expected high to be a whole number of steps above low, {got}: change high or step")

    @property
    def _steps(self) -> Decimal:
        """Steps from low to high, of the numbers as they are written: 0.1 + 0.2 is 0.3."""
        return (Decimal(str(self.high)) - Decimal(str(self.low))) / Decimal(str(self.step or 1))

    @property
    def values(self) -> list[Value]:
        """All numbers of a range with steps, for a grid."""
        if self.step is None and not self.integer:
            raise ValueError(f"expected a range with a step in a grid, got {self}: give it a step, or take a Choice")
        kind, low, step = int if self.integer else float, Decimal(str(self.low)), Decimal(str(self.step or 1))
        return [kind(low + i * step) for i in range(int(self._steps) + 1)]


@dataclass(frozen=True)
class Choice:
    """One of several texts, numbers, booleans or None, in no order; ``Choice(["adamw", "muon"])``.

    Example:
        >>> Choice(["adamw", "muon"]).values
        ('adamw', 'muon')
        >>> Choice("adamw")  # refused
        Traceback (most recent call last):
        ValueError: expected a list of at least one value, got 'adamw'
    """

    values: Sequence[Value]

    def __post_init__(self) -> None:
        if isinstance(self.values, str) or not self.values:
            raise ValueError(f"expected a list of at least one value, got {self.values!r}")
        object.__setattr__(self, "values", tuple(self.values))  # as a tuple it stays as it was checked
        for value in self.values:
            if not isinstance(value, Value):
                raise ValueError(f"expected texts, numbers, booleans or None, got {value!r}: name the values by texts")
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"expected each value once, got {list(self.values)}")
