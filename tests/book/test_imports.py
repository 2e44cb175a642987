"""Imports within companion point one way, to packages of a lower level, and no two classes have one name."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "companion"
LEVELS = {
    **dict.fromkeys(["runtime", "plotting", "checks", "packaged", "toml_files"], 0),
    **dict.fromkeys(["models", "data", "stats"], 1),
    **dict.fromkeys(["training", "economics"], 2),
    **dict.fromkeys(["finetune", "compress", "trust"], 3),
    **dict.fromkeys(["serving"], 4),
    **dict.fromkeys(["cases", "dataroom"], 5),
    **dict.fromkeys(["commands"], 6),
    **dict.fromkeys(["__main__"], 7),
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def part_of(path: Path) -> str:
    """The package or module directly below companion that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_parts(source: str, file_package: tuple[str, ...]) -> set[str]:
    """The parts of companion that a module imports; `file_package` resolves relative imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(file_package[: len(file_package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("companion.")}


def complaints(part: str, imported: set[str]) -> list[str]:
    """What is wrong with a part that imports these parts."""
    if part not in LEVELS:
        return [f"companion.{part} has no level; give it one in LEVELS"]
    known = {name for name in imported if name in LEVELS and name != part}
    return [f"companion.{part} imports companion.{name}" for name in sorted(known) if LEVELS[name] >= LEVELS[part]]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_one_way(path: Path) -> None:
    imported = imported_parts(path.read_text(encoding="utf-8"), path.relative_to(PACKAGE.parent).parent.parts)
    assert complaints(part_of(path), imported) == []


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("stats", "from companion.models import GPT"),
        ("models", "import companion.training.loop"),
        ("data", "from companion import training"),
        ("data", "from ..training import fit"),
        ("models", "def f():\n    from companion.data import docstrings"),
        ("novelty", ""),
    ],
)
def test_a_wrong_import_is_refused(part: str, source: str) -> None:
    assert complaints(part, imported_parts(source, ("companion", part)))


def class_names(sources: dict[str, str]) -> dict[str, list[str]]:
    """Where the classes of each name stand, of all names that more than one class has."""
    found: dict[str, list[str]] = {}
    for place, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(place)
    return {name: places for name, places in found.items() if len(places) > 1}


def test_no_two_classes_have_one_name() -> None:
    sources = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in MODULES}
    assert class_names(sources) == {}


def test_two_classes_of_one_name_are_found() -> None:
    sources = {"a.py": "class Design: pass", "b.py": "def f():\n    class Design: pass\nclass Other: pass"}
    assert class_names(sources) == {"Design": ["a.py", "b.py"]}
