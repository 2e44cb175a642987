"""Every example in a docstring of companion prints what it says."""

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import matplotlib.pyplot as plt
import pytest

import companion


class Finder(doctest.DocTestFinder):
    """Finds the examples of functions whose annotations are checked too, which stand in a wrapper of jaxtyping's."""

    def _from_module(self, module: ModuleType | None, object: object) -> bool:
        return super()._from_module(module, inspect.unwrap(object) if callable(object) else object)


def examples() -> dict[str, list[doctest.DocTest]]:
    """The examples of each module that has any."""
    names = [module.name for module in pkgutil.walk_packages(companion.__path__, "companion.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    found = {module.__name__: Finder(exclude_empty=True).find(module) for module in modules}
    return {name: tests for name, tests in found.items() if any(test.examples for test in tests)}


EXAMPLES = examples()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 30


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_examples_print_what_they_say(module: str) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for example in EXAMPLES[module]:
        runner.run(example)
    plt.close("all")
    assert runner.summarize().failed == 0


def without_example(package: ModuleType) -> list[str]:
    """Public functions and classes without an example; what a function of stats returns, that function shows."""
    public = {name: getattr(package, name) for name in package.__all__}
    needy = [name for name, thing in public.items() if callable(thing) and not _is_result(package, thing)]
    return [name for name in needy if not doctest.DocTestParser().get_examples(public[name].__doc__ or "")]


def _is_result(package: ModuleType, thing: object) -> bool:
    return package.__name__ == "companion.stats" and inspect.isclass(thing)


@pytest.mark.parametrize("package", ["data", "models", "stats", "training"])
def test_every_public_name_has_an_example(package: str) -> None:
    assert without_example(importlib.import_module(f"companion.{package}")) == []


def test_a_public_name_without_an_example_is_found() -> None:
    def silent() -> None:
        """Says what it does, and shows nothing."""

    def shown() -> None:
        """Shows it.

        >>> 1 + 1
        2
        """

    package = ModuleType("package")
    package.__dict__.update(__all__=["SIZE", "shown", "silent"], SIZE=3, shown=shown, silent=silent)
    assert without_example(package) == ["silent"]


def test_examples_of_functions_whose_annotations_are_checked_are_found() -> None:
    module = importlib.import_module("companion.data.tokens")
    assert any(test.name == "companion.data.tokens.pad_left" and test.examples for test in EXAMPLES[module.__name__])
