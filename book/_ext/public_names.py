"""What of the companion package is public, and where each name is written.

Public are the names in the ``__all__`` of a package, and in a module directly below ``companion`` its functions, its
classes and its constants in capitals.
"""

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PublicName:
    """A name as a reader imports it, ``from package import name``, and the module in which it is written."""

    package: str
    name: str
    module: str

    @property
    def path(self) -> str:
        """``package.name``."""
        return f"{self.package}.{self.name}"

    @cached_property
    def value(self) -> Any:
        """What the name stands for."""
        return getattr(importlib.import_module(self.package), self.name)

    @property
    def other_name(self) -> str | None:
        """Of a function or class that goes by two names, the one that this is not written with."""
        written = getattr(self.value, "__name__", self.name)
        return None if written == self.name else written

    @property
    def kind(self) -> str:
        """``class``, ``function`` or ``data``."""
        if isinstance(self.value, type):
            return "class"
        return "function" if callable(self.value) else "data"


def public_packages(source: Path) -> list[str]:
    """The packages below ``source``, the folder of ``companion``, that have public names, and its modules."""
    packages = [
        ".".join(path.parent.relative_to(source.parent).parts)
        for path in sorted(source.rglob("*/__init__.py"))
        if "__all__" in path.read_text(encoding="utf-8")
    ]
    modules = [
        f"companion.{path.stem}"
        for path in sorted(source.glob("*.py"))
        if not path.stem.startswith("_")
    ]
    return packages + modules


@cache
def public_names(package: str) -> list[PublicName]:
    """The public names of a package or module, module by module, in the order in which they are written."""
    module = importlib.import_module(package)
    tree = _tree(module)
    written_in = dict(_defined(tree, package))
    if hasattr(module, "__all__"):
        written_in |= dict(_imported(tree))
        names = module.__all__
    else:
        names = list(written_in)
    return sorted(
        (_public(package, name, written_in) for name in names), key=_place
    )


def _public(package: str, name: str, written_in: dict[str, str]) -> PublicName:
    public = PublicName(package, name, written_in.get(name, package))
    return (
        replace(public, module=public.value.__module__)
        if public.other_name
        else public
    )


@cache
def _tree(module: Any) -> ast.Module:
    return ast.parse(Path(module.__file__).read_text(encoding="utf-8"))


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((alias.name, node.module) for alias in node.names)


def _defined(tree: ast.Module, module: str) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [ast.unparse(target) for target in node.targets]
        elif isinstance(node, ast.AnnAssign):
            names = [ast.unparse(node.target)]
        else:
            continue
        constants = isinstance(node, ast.Assign | ast.AnnAssign)
        for name in names:
            if not name.startswith("_") and (name.isupper() or not constants):
                yield name, module


def _place(public: PublicName) -> tuple[str, int]:
    defined = _defined(_tree(importlib.import_module(public.module)), public.module)
    order = [name for name, _ in defined]
    written = public.other_name or public.name
    return public.module, order.index(written) if written in order else -1
