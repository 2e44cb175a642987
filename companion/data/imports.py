"""A real graph with no network: the imports between the modules of an installed package."""

import ast
import hashlib
import inspect
import json
import os
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from companion import runtime
from companion.data.corpora import fingerprint, source_files
from companion.data.graphs import UNLABELED, Graph


def import_graph(package: str = "scipy", *, features: int = 256, smallest: int = 20, directed: bool = False) -> Graph:
    """A real graph: the modules of a package, joined where one imports the other; kept in the cache folder.

    Source files are parsed, never imported; what is found depends on the installed version. A module's class is its
    subpackage (``scipy.linalg``), or the package where it lies in none. Features tell which names its code uses, split
    into words, without those of its imports: the words are hashed into ``features`` counts, and the vector of
    ``log(1 + count)`` is scaled to length 1. Imports inside functions count too.

    Args:
        package: its import name.
        features: numbers a node.
        smallest: modules of a subpackage with fewer than this stay in the graph, unlabeled.
        directed: each edge leads from the imported module to the one that imports it, in place of both ways: what
            is known of a new module, which imports others before others import it.

    Raises:
        ValueError: where the package is not installed, or no subpackage has ``smallest`` modules.

    Example:
        >>> graph = import_graph("tqdm", smallest=2)
        >>> graph.classes, len(graph.names) == len(graph.features)
        (('tqdm', 'tqdm.contrib'), True)
    """
    files = source_files(package)
    made_by = f"{fingerprint(files)} {features} {smallest} {inspect.getsource(sys.modules[__name__])}"
    key = hashlib.sha256(made_by.encode()).hexdigest()[:16]
    cache = runtime.cache_dir() / f"imports-{package}-{key}.safetensors"
    if not cache.is_file():
        graph = _build(files, features, smallest)
        part = cache.with_suffix(f".{os.getpid()}.part")  # a second process may be at the same work
        tensors = {"features": graph.features, "edges": graph.edges, "labels": graph.labels}
        save_file(tensors, part, metadata={"words": json.dumps([graph.classes, graph.names])})
        part.replace(cache)
    with safe_open(cache, "pt") as file:
        classes, names = json.loads(file.metadata()["words"])
        tensors = {name: file.get_tensor(name) for name in ("features", "edges", "labels")}
    if not directed:
        tensors["edges"] = torch.cat([tensors["edges"], tensors["edges"].flip(0)], dim=1).unique(dim=1)
    return Graph(**tensors, classes=tuple(classes), names=tuple(names))


def _build(files: list[tuple[str, Path]], features: int, smallest: int) -> Graph:
    trees = {name: (tree, path.stem == "__init__") for name, path in files if (tree := _parse(path)) is not None}
    numbers = {name: number for number, name in enumerate(trees)}
    found = set()
    for name, (tree, is_package) in trees.items():
        modules = (module for module in _imports(tree, _package(name, is_package)) if module in numbers)
        found |= {(numbers[module], numbers[name]) for module in modules if module != name}
    groups = [".".join(_package(name, is_package).split(".")[:2]) for name, (_, is_package) in trees.items()]
    classes = sorted(group for group, count in Counter(groups).items() if count >= smallest)
    if not classes:
        raise ValueError(f"expected a subpackage of at least smallest={smallest} modules, got none; lower it")
    return Graph(
        features=torch.stack([_bag(tree, features) for tree, _ in trees.values()]),
        edges=torch.tensor(sorted(found), dtype=torch.int64).view(-1, 2).T.contiguous(),
        labels=torch.tensor([classes.index(group) if group in classes else UNLABELED for group in groups]),
        classes=tuple(classes),
        names=tuple(trees),
    )


def _parse(path: Path) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other people's invalid escapes are not ours to report
        try:
            return ast.parse(path.read_bytes())
        except SyntaxError:  # templates and files for other Pythons
            return None


def _package(name: str, is_package: bool) -> str:
    """The package where a module's relative imports start: itself, or the one that it lies in."""
    return name if is_package else name.rpartition(".")[0]


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """What may be a module: in ``from a import b``, ``a`` is one, and ``a.b`` is one or an object of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            parts = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _bag(tree: ast.Module, size: int) -> Float[Tensor, " features"]:
    """Hashed counts of the words in a module's names; crc32, because ``hash()`` differs from run to run."""
    words: Counter[int] = Counter()
    for node in ast.walk(tree):
        name = getattr(node, "id", getattr(node, "attr", getattr(node, "arg", None)))
        if isinstance(name, str):
            words.update(zlib.crc32(word.encode()) % size for word in name.lower().split("_") if word)
    counts = torch.zeros(size)
    counts[list(words)] = torch.tensor(list(words.values()), dtype=torch.float32)
    return F.normalize(counts.log1p(), dim=0)
