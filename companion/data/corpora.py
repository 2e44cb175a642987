"""Text with no network: the docstrings of the standard library and of installed packages, tens of megabytes of English.

They are read from source files, never by importing; a test folder is passed over. What is found depends on the
versions that are installed, so sizes differ a little between machines; the order is always the same.
"""

import ast
import hashlib
import importlib.util
import inspect
import json
import os
import sys
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from companion import runtime
from companion.data.checks import refuse_bare_text

#: Where the docstrings come from: ``stdlib`` is the standard library, the others are import names.
PACKAGES = ("stdlib", "numpy", "scipy", "statsmodels", "sklearn", "torch", "pandas", "matplotlib")

_PASSED_OVER = {"tests", "test", "_tests", "testing", "idlelib", "lib2to3", "site-packages", "__pycache__"}


@dataclass(frozen=True)
class Document:
    """A docstring, or a text of one's own, or a piece of one that is long.

    Attributes:
        module: dotted name of the module that it stands in, or the file; documents of one module are never split.
        name: what it documents, dotted within the module; empty for the module itself, and for a file.
        text: the docstring with its indentation removed, or the text.
        ends: whether the document ends here; of one that comes in pieces only the last does.

    Example:
        >>> document = Document("notes/today.md", "", "A text of one's own.")
        >>> document.module, len(document.text)
        ('notes/today.md', 20)
    """

    module: str
    name: str
    text: str
    ends: bool = True


def docstrings(packages: Sequence[str] = PACKAGES) -> list[Document]:
    """All distinct docstrings of ``packages``, ordered by package, module and line; kept in the cache folder.

    Of docstrings with the same text only the first is kept.

    Raises:
        ValueError: where a package is not installed, where no docstring is found, or for one name that is in no list.

    Example:
        >>> found = docstrings(["tqdm"])
        >>> found[0].module
        'tqdm'
    """
    refuse_bare_text("packages", packages, of="import names")
    documents, seen = [], set()
    for package in packages:
        for document in _package_docstrings(package):
            if document.text not in seen:
                seen.add(document.text)
                documents.append(document)
    if not documents:
        raise ValueError(f"expected docstrings in {', '.join(packages) or 'no package'}, got none: name other packages")
    return documents


def split_by_module(
    documents: Sequence[Document], *, validation_fraction: float = 0.1, seed: int = 0
) -> tuple[list[Document], list[Document]]:
    """Training and validation documents with no module in both, and no paragraph of one in the other.

    A module goes to validation where a hash of its name and ``seed`` falls below ``validation_fraction``: adding a
    package moves no other module. Libraries repeat themselves (a parameter's description stands in twenty functions),
    so each paragraph of a validation document that some training document holds too is then taken out.

    Raises:
        ValueError: for a fraction outside (0, 1), or where one side would be empty.

    Example:
        >>> few = [Document(f"page {i}", "", f"The text of page {i}.") for i in range(20)]
        >>> train, validation = split_by_module(few, validation_fraction=0.2)
        >>> {document.module for document in train} & {document.module for document in validation}
        set()
    """
    check_fraction(validation_fraction)
    held_out = {m for m in {d.module for d in documents} if _unit_hash(f"{seed} {m}") < validation_fraction}
    train = [document for document in documents if document.module not in held_out]
    seen = {_normal(paragraph) for document in train for paragraph in _paragraphs(document.text)}
    validation = []
    for document in documents:
        if document.module in held_out:
            new = [paragraph for paragraph in _paragraphs(document.text) if _normal(paragraph) not in seen]
            if new:
                validation.append(replace(document, text="\n\n".join(new)))
    if not train or not validation:
        got = f"{len(train)} for training and {len(validation)} for validation"
        raise ValueError(f"expected documents on both sides of the split, got {got}: give more modules")
    return train, validation


def check_fraction(validation_fraction: float) -> None:
    """Refuses a part of nothing, or of all.

    Raises:
        ValueError: for a fraction outside (0, 1).
    """
    if not 0 < validation_fraction < 1:
        raise ValueError(f"expected validation_fraction in (0, 1), got {validation_fraction}")


def _paragraphs(text: str) -> list[str]:
    return [paragraph for paragraph in text.split("\n\n") if paragraph.strip()]


def _normal(paragraph: str) -> str:
    """What is compared: indentation and line breaks do not make a paragraph new."""
    return " ".join(paragraph.split())


def _unit_hash(text: str) -> float:
    """A number in [0, 1) that depends on the text alone (``hash()`` differs from run to run)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64


def _package_docstrings(package: str) -> list[Document]:
    """All docstrings of one package, from the cache folder where they are there."""
    files = source_files(package)
    cache = runtime.cache_dir() / f"docstrings-{package}-{fingerprint(files)}.jsonl"
    if not cache.is_file():
        part = cache.with_suffix(f".{os.getpid()}.part")  # a second process may be at the same work
        with part.open("w", encoding="utf8") as out:
            out.writelines(json.dumps(asdict(d)) + "\n" for module, path in files for d in _documents(module, path))
        part.replace(cache)
    try:
        with cache.open(encoding="utf8") as lines:
            return [Document(**json.loads(line)) for line in lines]
    except (ValueError, TypeError) as error:
        raise ValueError(f"expected documents in {cache}, got something else ({error}): remove it") from error


def fingerprint(files: Sequence[tuple[str, Path]]) -> str:
    """Changes with what is installed, and with this module's own code."""
    stats = [(module, path.stat().st_size, path.stat().st_mtime_ns) for module, path in files]
    code = inspect.getsource(sys.modules[__name__])
    return hashlib.sha256(f"{sys.version_info[:2]} {stats} {code}".encode()).hexdigest()[:16]


def source_files(package: str) -> list[tuple[str, Path]]:
    """Module names and paths of an installed package or of ``stdlib``, ordered by name.

    Raises:
        ValueError: where the package is not installed.
    """
    if package == "stdlib":
        root, prefix = Path(sysconfig.get_path("stdlib")), ""
    else:
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
        if spec is None or not spec.submodule_search_locations:
            raise ValueError(f"expected installed packages, got {package!r}: install it, or leave it out")
        root, prefix = Path(spec.submodule_search_locations[0]), f"{package}."
    found = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if name not in _PASSED_OVER]
        for name in names:
            if name.endswith(".py"):
                path = Path(folder, name)
                module = prefix + ".".join(path.relative_to(root).with_suffix("").parts)
                found.append((module.removesuffix(".__init__"), path))
    return sorted(found)


def _documents(module: str, path: Path) -> Iterator[Document]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other people's invalid escapes are not ours to report
        try:
            tree = ast.parse(path.read_bytes())
        except SyntaxError:  # templates and files for other Pythons; their text is no loss
            return
    yield from _documents_below(tree, module, "")


def _documents_below(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, module: str, name: str
) -> Iterator[Document]:
    text = ast.get_docstring(node)
    if text and text.strip():
        yield Document(module, name, text)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _documents_below(child, module, f"{name}.{child.name}".lstrip("."))
