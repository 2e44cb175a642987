"""The table of questions in the docstring of companion.stats names every function, and nothing else."""

import doctest
import inspect
import re

from companion import stats


def test_each_function_answers_a_question():
    told = set(re.findall(r"``(\w+)[`(]", stats.__doc__))
    entries = [getattr(stats, name) for name in stats.__all__]
    functions = {entry.__name__ for entry in entries if not inspect.isclass(entry)} | {"ABTest"}
    assert told == functions - {"forest"}  # which draws answers


def defaults(option):
    """The default of an option in each function that has it."""
    functions = {name: getattr(stats, name) for name in stats.__all__}
    parameters = {name: inspect.signature(function).parameters for name, function in functions.items()}
    found = {name: given[option].default for name, given in parameters.items() if option in given}
    return {name: default for name, default in found.items() if default is not inspect.Parameter.empty}


def test_what_is_not_said_is_95_percent_and_a_p_value_can_be_5_percent():
    assert {name for name, level in defaults("level").items() if level != 0.95} == {
        "conformal_sets",
        "conformal_intervals",
    }
    assert set(defaults("alpha").values()) == {0.05}
    resamples = defaults("n_resamples")
    assert resamples.pop("bayesian_signed_rank", 50_000) == 50_000  # draws from a posterior: no p-value comes of them
    assert all((n + 1) % 1_000 == 0 for n in resamples.values())  # Davison and Hinkley 1997, section 4.2.5


def test_its_examples_run():
    assert doctest.testmod(stats) == (0, 9)
