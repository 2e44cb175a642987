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


def test_its_examples_run():
    assert doctest.testmod(stats) == (0, 6)
