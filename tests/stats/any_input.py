"""Arguments of every kind that companion.stats takes: mostly sensible ones, at times with something odd in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st

#: What may stand in one row of a column.
ODD_VALUES = (float("nan"), float("inf"), -float("inf"), 1e300, -1e300, 1e-300, 5e-324, 0.0, -1.0, 0.5, 1e9)
MISSING = (None, pd.NA)

#: What may come in the place of a column.
JUNK = (
    None, "text", 3, 0.5, (), [], [[]], [[1.0, 2.0]], [[1.0], [1.0, 2.0]], ["a", "b"], ["a", float("nan"), "b"],
    [None, 1.0], [1, "a"], {"a": 1}, {1.0, 2.0}, object(), [object()], [1 + 2j, 3.0], [True, False], [10**400, 1],
    [b"a", b"b"], np.array(["2026-01-01", "NaT"], dtype="datetime64[D]"), np.ones((2, 2, 2)), np.zeros((0, 3)),
    np.zeros((3, 0)), pd.Series([1, None], dtype="Int64"), pd.Series(["a", "b", None], dtype="string"),
    pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}), torch.ones(3, requires_grad=True),
    torch.ones(3, dtype=torch.bfloat16), np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False]),
    np.ma.masked,
)  # fmt: skip

ODD_NUMBERS = (
    None, "0.5", float("nan"), float("inf"), -float("inf"), -1, 0, 1, 0.5, 95, True, [0.5], np.array([0.5, 0.5]),
    1e300, 1e-300, 5e-324, 1 - 2**-53, 1 + 2j, pd.NA, object(), 10**400,
)  # fmt: skip
#: Small ones: a billion resamples are no fault, only long.
ODD_COUNTS = (None, "9", float("nan"), float("inf"), -1, 0, 1, 2, 2.5, True, [9], np.array([9, 9]), pd.NA, object())
ODD_WORDS = (None, "", "no such thing", 1, [], ["accuracy"], {}, np.array(["a", "b"]), True, float("nan"))
ODD_FUNCTIONS = (
    None, "mean", 3, lambda *_, **__: None, lambda *_, **__: "text", lambda *_, **__: float("nan"),
    lambda *_, **__: [1.0, 2.0], lambda *_, **__: [[1.0], [1.0, 2.0]], lambda *_, **__: 1 + 2j, lambda *_, **__: 0.5,
)  # fmt: skip

Make = Callable[[np.random.Generator, int], object]


@dataclass(frozen=True)
class Argument:
    """How an argument is made for ``n`` examples, and what may come in its place, or in one row of a column."""

    make: Make
    odd: tuple[object, ...]
    is_column: bool = False
    takes_missing: bool = False

    def faulty(self, sensible: object) -> st.SearchStrategy[object]:
        if not isinstance(sensible, np.ndarray):
            return st.sampled_from(JUNK if self.is_column else self.odd)
        in_a_row = st.builds(with_odd_row, st.just(sensible), st.integers(0, 99), st.sampled_from(self.odd))
        other_length = st.sampled_from([sensible[1:], np.concatenate([sensible, sensible[:1]])])
        return st.one_of(in_a_row, in_a_row, other_length, st.sampled_from(JUNK))


@dataclass(frozen=True)
class Case:
    """A public function, its arguments, the sizes to try, and how many examples the long test makes."""

    call: Callable[..., object]
    arguments: Mapping[str, Argument]
    sizes: tuple[int, ...] = (0, 1, 2, 3, 5, 12, 12, 12, 24, 24, 24, 24, 24, 24)
    examples: int = 200

    def misses(self, arguments: Mapping[str, object]) -> bool:
        """Whether a value is missing in a column that takes none."""
        return any(
            pd.isna(np.array(arguments[name], dtype=object).ravel()).any()
            for name, argument in self.arguments.items()
            if argument.is_column and not argument.takes_missing and isinstance(arguments[name], list | np.ndarray)
        )


@st.composite
def calls(draw: st.DrawFn, case: Case) -> dict[str, object]:
    """Arguments by name: sensible ones, with a fault in some."""
    rng = np.random.default_rng(draw(st.integers(0, 2**64 - 1)))  # uniform, which Hypothesis' own choices are not
    n, names = rng.choice(case.sizes), list(case.arguments)
    arguments = {name: argument.make(rng, n) for name, argument in case.arguments.items()}
    for name in rng.permutation(names)[: rng.choice([0, 0, 0, 1, 1, 2])]:
        arguments[name] = draw(case.arguments[name].faulty(arguments[name]))
    return arguments


def with_odd_row(values: np.ndarray, row: int, odd: object) -> object:
    """A copy with something odd in a row (of several columns in the first); a list where an array could not hold it."""
    if not values.size:
        return values
    is_number = values.dtype.kind in "biuf" and isinstance(odd, float)
    array = values.astype(float if is_number else object)
    array[(row % len(values), *[0] * (values.ndim - 1))] = odd
    return array if is_number else array.tolist()


def column(make: Make, *, takes_missing: bool = False) -> Argument:
    return Argument(make, ODD_VALUES + MISSING, is_column=True, takes_missing=takes_missing)


def option(*values: object, odd: tuple[object, ...]) -> Argument:
    return Argument(lambda rng, n: values[rng.integers(len(values))], odd)


def maybe(argument: Argument) -> Argument:
    """None half of the time."""
    return replace(argument, make=lambda rng, n: argument.make(rng, n) if rng.random() < 0.5 else None)


def numbers(rng: np.random.Generator, n: int, *shape: int) -> np.ndarray:
    """Normal, tied, heavy-tailed, constant or binary numbers, at times far from 0 or in units far from 1."""
    values = rng.normal(size=(n, *shape))
    odd_ones = [np.round(values), values**9, np.ones_like(values), 1.0 * (values > 0)]
    values = [*[values] * 6, *odd_ones][rng.integers(10)]
    return (values + rng.choice([0.0, 0.0, -3.0, 1e6])) * 10.0 ** rng.choice([0] * 20 + [-300, -140, -30, 30, 140])


def labels(rng: np.random.Generator, n: int) -> np.ndarray:
    """0 and 1 in most cases; also one class or three, and as booleans, numbers or text."""
    classes = [2, 2, 2, 2, 2, 2, 3, 1][rng.integers(8)]
    values = rng.choice(classes, size=n, p=rng.dirichlet(np.full(classes, 5.0)))
    return [*[values] * 9, values == 1, values.astype(float), values.astype(str)][rng.integers(12)]


def binary(rng: np.random.Generator, n: int) -> np.ndarray:
    return (rng.random(n) < rng.choice([0.5, 0.5, 0.9, 0.1, 1.0])).astype(["int", "bool", "float"][rng.integers(3)])


def probabilities(rng: np.random.Generator, n: int) -> np.ndarray:
    return [rng.random(n), rng.beta(0.1, 0.1, n), rng.random(n).round(1), np.full(n, 0.5)][rng.integers(4)]


def rows_of_probabilities(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.dirichlet([1.0, 1.0, 1.0], size=n) if n else np.zeros((0, 3))


def ratings(rng: np.random.Generator, n: int) -> np.ndarray:
    agreed = labels(rng, n).astype(float)[:, None]
    return np.where(rng.random((n, 3)) < 0.8, agreed, rng.integers(0, 3, size=(n, 3)))


def groups(rng: np.random.Generator, n: int) -> np.ndarray:
    codes = rng.integers(0, [12, 12, 12, 4, 4, 1][rng.integers(6)], size=n)
    return codes if rng.random() < 0.5 else np.array([f"group {code}" for code in codes], dtype=str)


NUMBERS, LABELS, BINARY = column(numbers), column(labels), column(binary)
TWO_COLUMNS = column(lambda rng, n: numbers(rng, n, 2))
PROBABILITIES, PROBABILITY_ROWS, GROUPS = column(probabilities), column(rows_of_probabilities), column(groups)
CLASSES = column(lambda rng, n: rng.integers(0, 3, size=n))
RATINGS = column(ratings, takes_missing=True)
LEVEL = option(0.95, 0.95, 0.5, 0.999, odd=ODD_NUMBERS)
ALPHA = option(0.05, 0.5, 0.001, odd=ODD_NUMBERS)
N_RESAMPLES = option(19, 99, odd=ODD_COUNTS)
SEED = option(0, None, np.int64(7), odd=(-1, 0.5, "seed", [1, 2], float("nan"), object()))
RESAMPLED = {"level": LEVEL, "n_resamples": N_RESAMPLES, "seed": SEED}


def number(*values: float) -> Argument:
    return option(*values, odd=ODD_NUMBERS)


def count(*values: int) -> Argument:
    return option(*values, odd=ODD_COUNTS)


def word(*values: str) -> Argument:
    return option(*values, odd=ODD_WORDS)


def function(*values: Callable[..., object]) -> Argument:
    return option(*values, odd=ODD_FUNCTIONS)
