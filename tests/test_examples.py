"""Every example in a docstring of companion prints what it says."""

import doctest
import importlib
import pkgutil

import matplotlib.pyplot as plt
import pytest

import companion


def examples() -> dict[str, list[doctest.DocTest]]:
    """The examples of each module that has any."""
    names = [module.name for module in pkgutil.walk_packages(companion.__path__, "companion.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    found = {module.__name__: doctest.DocTestFinder(exclude_empty=True).find(module) for module in modules}
    return {name: tests for name, tests in found.items() if any(test.examples for test in tests)}


EXAMPLES = examples()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 30


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_examples_print_what_they_say(module: str) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for example in EXAMPLES[module]:
        runner.run(example)
    plt.close("all")
    assert runner.summarize().failed == 0
