"""Options that a user can get wrong, refused where they enter: levels, counts, names, functions, seeds."""

from collections.abc import Iterable, Set
from reprlib import repr as brief

import numpy as np

from companion.checks import check_whole, is_number, is_whole

#: Levels nearer to 0 or 1 have a quantile that rounding makes 0 or infinite.
CLOSEST = 1e-12

#: Beyond, a float does not hold every whole number.
LARGEST_COUNT = 2**53


def check_level(level: float) -> None:
    """Refuses a level that is no proportion, such as 95 for 95%."""
    check_share("level", level, "write 0.95 for 95%")


def check_alpha(alpha: float) -> None:
    """Refuses the level of a test that is no proportion, such as 5 for 5%."""
    check_share("alpha", alpha, "write 0.05 for 5%")


def check_share(name: str, value: float, advice: str) -> None:
    """Refuses a number that is not between 0 and 1, or that rounding takes for one of them."""
    if not is_number(value) or not 0 < value < 1:
        raise ValueError(f"expected {name} strictly between 0 and 1, got {brief(value)}; {advice}")
    if not CLOSEST <= value <= 1 - CLOSEST:
        raise ValueError(f"expected {name} at least {CLOSEST} away from 0 and 1, got {value!r}; {advice}")


def check_n_resamples(n_resamples: int) -> None:
    """Refuses less than one resample."""
    check_whole("n_resamples", n_resamples, at_least=1, advice="9,999 is a good number")


def generator_of(seed: int | None) -> np.random.Generator:
    """The random numbers that a seed stands for; None takes fresh ones."""
    if seed is not None:
        check_whole("seed", seed, at_least=0, advice="omit it for a fresh one")
    return np.random.default_rng(seed)


def check_callable(name: str, value: object, example: str) -> None:
    """Refuses what cannot be called."""
    if not callable(value):
        raise ValueError(f"expected {name} to be a function, got {brief(value)}; pass one such as {example}")


def as_names(names: object) -> tuple[str, ...]:
    """Names as text; what is no list of them is refused."""
    if isinstance(names, str | bytes | Set) or not isinstance(names, Iterable):
        raise ValueError(f"expected names in a list, got {brief(names)}; pass them as ['a', 'b']")
    return tuple(map(str, names))


def check_counts(successes: int, trials: int) -> None:
    """Refuses successes and trials that are no counts, and more successes than trials."""
    for name, count in (("successes", successes), ("trials", trials)):
        if not is_whole(count):
            raise ValueError(
                f"expected {name} to be a whole number, got {brief(count)}; pass counts, not shares or vectors"
            )
    if not 0 <= successes <= trials or not 1 <= trials <= LARGEST_COUNT:
        raise ValueError(
            f"expected 0 <= successes <= trials and 1 trial at least, got {brief(successes)} of {brief(trials)}; "
            "check how they were counted"
        )


def check_population(population: int | None, n: int) -> None:
    """Refuses a population smaller than the sample, or no whole number; None stands for one without bounds."""
    if population is not None and (not is_whole(population) or not n <= population <= LARGEST_COUNT):
        raise ValueError(
            f"expected population to be a whole number of at least the {n:,} sampled, got {brief(population)}; "
            "omit it where the sample stands for cases yet to come, or where it is beyond 2**53"
        )


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Refuses a number that does not lie strictly between two bounds."""
    if not is_number(value) or not low < value < high:
        raise ValueError(f"expected {name} strictly between {low:g} and {high:g}, got {brief(value)}")


def check_positive(name: str, value: float) -> None:
    """Refuses a number that is not positive, or infinite."""
    if not is_number(value) or not 0 < value < float("inf"):
        raise ValueError(f"expected {name} to be a positive number, got {brief(value)}")
