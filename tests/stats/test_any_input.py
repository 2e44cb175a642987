"""Whatever is passed to companion.stats: a sound result, or an error that says what was expected and what it got."""

import dataclasses
import inspect
import re
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from any_calls import CASES
from any_input import calls, with_odd_row
from hypothesis import HealthCheck, given, settings

from companion import stats
from companion.stats import Interval, Result
from companion.stats.monitoring import outliers

#: Attributes that may be infinite, as their docstrings say, and in tables the bound that an interval's method denies.
MAY_BE_INFINITE = re.compile("^degrees_of_freedom$|^f_statistic$|_high$")
PROBABILITY_NAMES = re.compile(r"(^|_)p(_value|_holm|_nemenyi|_wilcoxon)?$|^(a_better|b_better|equivalent|coverage)$")


def public_callables():
    """Names of the functions, of classes that check what they are made of, and of methods that take more than axes."""
    for name in stats.__all__:
        entry = getattr(stats, name)
        if not inspect.isclass(entry):
            if entry.__name__ == name:  # names of 0.1.0 are other names of the same functions
                yield name
            continue
        if "__post_init__" in vars(entry):
            yield name
        for method_name, method in inspect.getmembers(entry, inspect.isfunction):
            if not method_name.startswith("_") and set(inspect.signature(method).parameters) - {"self", "axes"}:
                yield method.__qualname__


def unsound(value, name=""):
    """Where in a result there is a number that is not finite, bounds in the wrong order, or a p-value that is none."""
    if isinstance(value, Result):
        if re.search("nan|None", text := str(value)) or not text:
            yield f"{name}: {text}"
        yield from unsound(value.frame.add_prefix("_"), f"{name}.frame")
    if isinstance(value, Interval):
        if not (value.low <= value.high and 0 < value.level < 1):
            yield f"{name}: {value!r}"
        if value.high == np.inf and "no upper bound" in str(value):
            value = dataclasses.replace(value, high=value.estimate)
    if dataclasses.is_dataclass(value):
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, pd.DataFrame):
        parts = {column: value[column].to_numpy() for column in value}
    elif isinstance(value, dict):
        parts = value
    elif isinstance(value, tuple | list):
        parts = dict(enumerate(value))
    else:
        parts = {}
    for part, inner in parts.items():
        yield from unsound(inner, f"{name}.{part}")
    if isinstance(value, float | np.ndarray) and np.asarray(value).dtype.kind == "f":
        last = name.rpartition(".")[2]
        if np.isnan(value).any() or (np.isinf(value).any() and not MAY_BE_INFINITE.search(last)):
            yield f"{name}: {value}"
        if PROBABILITY_NAMES.search(last) and not np.all((value >= 0) & (value <= 1)):
            yield f"{name}: {value}"


def outcome(case, arguments):
    """Whether a call gives a result or a refusal, or what is wrong with it."""
    try:
        result = case.call(**arguments)
    except (ValueError, TypeError) as error:
        in_our_words = re.match(r"expected (?!estimate, low and high).*\bgot\b", str(error), re.DOTALL)
        in_our_words = (
            in_our_words or case.call is Interval
        )  # which alone should find out by itself what is no interval
        return "refusal" if in_our_words else f"refused in other words: {error!r}"
    finally:
        plt.close("all")
    if case.misses(arguments):
        return f"nothing said of missing values, but {result}"
    return "; ".join(unsound(result)) or "result"


def outcomes(name, examples):
    """What generated calls come to, always the same ones."""
    seen = set()

    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(calls(CASES[name]))
    def try_out(arguments):
        seen.add(found := outcome(CASES[name], arguments))
        assert found in ("result", "refusal")

    try_out()
    return seen


@pytest.fixture(autouse=True)
def _fewer_draws(monkeypatch):
    """Of the numbers drawn where no option says how many."""
    monkeypatch.setattr(outliers, "DRAWN", 2**12)
    monkeypatch.setattr(outliers, "POINTS", 200)


def test_there_are_10_000_inputs_over_everything_public():
    assert {name.partition(",")[0] for name in CASES} == set(public_callables())
    assert sum(case.examples for case in CASES.values()) >= 10_000


@pytest.mark.parametrize("name", CASES)
def test_any_input_gives_a_sound_result_or_an_error_in_words(name):
    outcomes(name, max(2, CASES[name].examples // 10))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_10_000_inputs_give_sound_results_or_errors_in_words(name):
    assert outcomes(name, CASES[name].examples) == {"result", "refusal"}


COLUMNS = [
    (name, argument)
    for name, case in CASES.items()
    for argument, made in case.arguments.items()
    if made.is_column and not made.takes_missing
]


@cache
def sensible(name):
    """A call that gives a result, in which no column is left out."""
    case = CASES[name]
    for seed in range(200):
        rng = np.random.default_rng(seed)
        arguments = {name: made.make(rng, max(case.sizes)) for name, made in case.arguments.items()}
        is_full = all(arguments[name] is not None for name, made in case.arguments.items() if made.is_column)
        if is_full and outcome(case, arguments) == "result":
            return arguments
    raise AssertionError("no sensible call among 200")


@pytest.mark.parametrize(("name", "argument"), COLUMNS)
@pytest.mark.parametrize("missing", [float("nan"), None])
def test_a_missing_value_is_refused_with_its_row(name, argument, missing):
    faulty = with_odd_row(sensible(name)[argument], 7, missing)
    with pytest.raises(ValueError, match=r"(index|row) 7\b"):
        CASES[name].call(**(sensible(name) | {argument: faulty}))
