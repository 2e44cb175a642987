"""Recipes: a run's data, model and training as one TOML file that can be read, compared and kept."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

from companion.models import GPTConfig
from companion.training.config import TrainConfig

#: What each table may say. Where a run is kept is not part of a recipe; the vocabulary is the data's.
TABLES = {
    "data": {"packages", "vocab_size", "seed"},
    "model": {field.name for field in dataclasses.fields(GPTConfig)} - {"vocab_size"},
    "train": {field.name for field in dataclasses.fields(TrainConfig)} - {"checkpoint_dir", "seed"},
}


def read_recipe(path: str | Path) -> dict[str, Any]:
    """The settings of a recipe's three tables, by name; no two tables have a name in common.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is no TOML, or has a table or a name that no recipe has.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a recipe in {path}, got no such file")
    try:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"expected TOML in {path}, got something else ({error})") from error
    settings: dict[str, Any] = {}
    for table, values in recipe.items():
        if table not in TABLES or not isinstance(values, dict):
            raise ValueError(f"expected the tables [data], [model] and [train] in {path}, got {table}")
        if unknown := sorted(values.keys() - TABLES[table]):
            known = ", ".join(sorted(TABLES[table]))
            raise ValueError(f"expected names such as {known} in [{table}] of {path}, got {', '.join(unknown)}")
        settings |= {name: tuple(value) if name == "betas" else value for name, value in values.items()}
    return settings
