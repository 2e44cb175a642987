"""The coverage of every interval and the level of every test of ``companion.stats``, by simulation.

What the tests hold quickly, and ``python -m benchmarks.coverage`` closely, are the same cases.
"""

import importlib
import pkgutil

from benchmarks.coverage import parts
from benchmarks.coverage.case import Case

#: The cases of each module of ``parts``, which has a function ``cases() -> list[Case]``.
PARTS: dict[str, list[Case]] = {
    name: importlib.import_module(f"{parts.__name__}.{name}").cases()
    for name in sorted(module.name for module in pkgutil.iter_modules(parts.__path__))
}
CASES = [case for cases in PARTS.values() for case in cases]
