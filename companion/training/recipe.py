"""Recipes: a run's data, model and training as one TOML file that can be read, compared and kept."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from companion.data import CorpusConfig
from companion.models import GPTConfig
from companion.toml_files import read_toml
from companion.training.config import TrainConfig

#: The config behind each table.
CONFIGS: dict[str, type[Any]] = {"data": CorpusConfig, "model": GPTConfig, "train": TrainConfig}
#: What each table may say. Where a run is kept is not part of a recipe; vocabulary and seed are the data's.
#: Scaled angles are those of models that others trained.
TABLES = {
    table: {field.name for field in dataclasses.fields(config)} - without
    for (table, config), without in zip(
        CONFIGS.items(), (set[str](), {"vocab_size", "rope_scaling"}, {"checkpoint_dir", "seed"}), strict=True
    )
}


def read_recipe(path: str | Path) -> dict[str, Any]:
    """The settings of a recipe's three tables, by name; no two tables have a name in common.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is no TOML, has a table or a name that no recipe has, or a value of another type.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "recipe.toml"
        >>> _ = path.write_text("[model]\\nn_layer = 2\\n[train]\\nbetas = [0.9, 0.99]\\n")
        >>> read_recipe(path)
        {'n_layer': 2, 'betas': (0.9, 0.99)}
    """
    recipe = read_toml(path, "a recipe")
    settings: dict[str, Any] = {}
    for table, values in recipe.items():
        if table not in TABLES or not isinstance(values, dict):
            raise ValueError(f"expected the tables [data], [model] and [train] in {path}, got {table}")
        if unknown := sorted(values.keys() - TABLES[table]):
            known = ", ".join(sorted(TABLES[table]))
            raise ValueError(f"expected names such as {known} in [{table}] of {path}, got {', '.join(unknown)}")
        hints = get_type_hints(CONFIGS[table])
        for name, value in values.items():
            settings[name] = tuple(value) if isinstance(value, list) else value
            if not _fits(settings[name], hints[name]):
                kind = getattr(hints[name], "__name__", str(hints[name]).replace("typing.", ""))
                raise ValueError(f"expected {name} in [{table}] of {path} to be {kind}, got {value!r}")
    return settings


def _fits(value: Any, hint: Any) -> bool:
    """Whether a TOML value may stand in a field of this type; a whole number is a float too, a bool is no number."""
    parts = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if get_origin(hint) is Literal:
        return value in parts
    if get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = parts[:1] * len(value) if ... in parts else parts
        return len(value) == len(kinds) and all(map(_fits, value, kinds))
    if hint in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if hint is float else hint)


def write_recipe(settings: Mapping[str, Any], path: str | Path) -> None:
    """Writes the recipe that :func:`read_recipe` reads as ``settings``; what is None is left out.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "recipe.toml"
        >>> write_recipe({"n_layer": 2, "bias": True, "n_inner": None}, path)
        >>> read_recipe(path)
        {'n_layer': 2, 'bias': True}
    """
    path, lines = Path(path), []
    for table, config in CONFIGS.items():
        lines.append(f"[{table}]")
        for field in dataclasses.fields(config):
            if field.name in TABLES[table] and settings.get(field.name) is not None:
                lines.append(f"{field.name} = {_toml(settings[field.name])}")
    part = path.with_suffix(".part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(path)


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():  # JSON writes strings as TOML does, but for one character
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case tuple():
            return f"[{', '.join(map(_toml, value))}]"
    return repr(value)  # the shortest digits that are read as the same number
