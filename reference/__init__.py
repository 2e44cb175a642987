"""Every family of models beside an independent reference with the same weights."""

import importlib
import pkgutil

from reference.case import Case

#: A family is a module here with a function ``case(*, large: bool = False) -> Case``.
FAMILIES = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "case")


def make(family: str, *, large: bool = False) -> Case:
    """The case of one family: small sizes that differ from each other, or large ones that are worth timing."""
    return importlib.import_module(f"reference.{family}").case(large=large)
