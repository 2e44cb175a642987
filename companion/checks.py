"""One way to refuse what a user can get wrong: every message says what was expected, what came, and what to do."""

import math
import numbers
from collections.abc import Iterable
from reprlib import repr as brief
from typing import Any, get_args


def check_one_of(name: str, value: object, known: Iterable[str]) -> None:
    """Refuses a name that is not among the known ones.

    Raises:
        ValueError: naming the option, its value and what is known.
    """
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"expected {name} to be one of {', '.join(known)}; got {value!r}")


def check_choices(config: object, **choices: Any) -> None:
    """Refuses a config where a field is not one of its ``Literal``'s values: ``check_choices(self, cell=CellName)``.

    Raises:
        ValueError: naming the field, its value and what is known.
    """
    for name, literal in choices.items():
        check_one_of(name, getattr(config, name), get_args(literal))


def check_sizes(config: object, *names: str, at_least: int = 1) -> None:
    """Refuses a config whose fields ``names`` are not all integers of at least ``at_least``.

    Raises:
        ValueError: naming the field and its value.
    """
    wanted = "a positive integer" if at_least == 1 else f"an integer of at least {at_least}"
    for name in names:
        value = getattr(config, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
            raise ValueError(f"expected {name} to be {wanted}, got {value!r}")


def check_whole(name: str, value: object, *, at_least: int, advice: str) -> None:
    """Refuses what is no whole number, and one that is too small.

    Raises:
        ValueError: naming the option and its value, and what to do.
    """
    if not is_whole(value):
        raise ValueError(f"expected {name} to be a whole number, got {brief(value)}; {advice}")
    if value < at_least:  # type: ignore[operator]
        raise ValueError(f"expected {name} of at least {at_least}, got {brief(value)}; {advice}")


def is_whole(value: object) -> bool:
    """Whether it is a whole number that a float can hold; booleans are none."""
    return is_number(value) and isinstance(value, numbers.Integral)


def is_number(value: object) -> bool:
    """Whether it is a real number or infinity, which a float can hold; NaN and booleans are none."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    try:
        return not math.isnan(float(value))
    except OverflowError:
        return False
