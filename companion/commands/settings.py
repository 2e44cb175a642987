"""The settings of ``python -m companion pretrain``: what was typed, else a recipe's, else the defaults."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from companion import data, training
from companion.training.recipe import CONFIGS, TABLES

#: Where the command's defaults are not those of the configs: what two cores train in about an hour.
DEFAULTS: dict[str, Any] = {
    "block_size": 256,
    "n_layer": 6,
    "n_head": 6,
    "n_embd": 384,
    "steps": 2_000,
    "batch_size": 16,
    "optimizer": "muon",
    "lr": 2e-3,
    "warmup_steps": 100,
    "eval_every": 250,
    "checkpoint_every": 250,
}


def settings_of(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What was typed, else what the recipe says, or that of the run in the folder, else the defaults."""
    names = set[str]().union(*TABLES.values())
    fields = [field for config in CONFIGS.values() for field in dataclasses.fields(config)]
    plain = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
    settings = plain | DEFAULTS | {"vocab_size": data.CorpusConfig.vocab_size}
    own = folder / "recipe.toml"
    if recipe := options.recipe or (own if (folder / "checkpoints").is_dir() and own.is_file() else None):
        settings = _changed(settings, training.read_recipe(recipe))
    settings = _changed(settings, vars(options))
    return {name: value for name, value in settings.items() if name in names}


def _changed(settings: dict[str, Any], by: dict[str, Any]) -> dict[str, Any]:
    """The settings with others in their place, and with what hangs on these: text or packages, parts of all steps."""
    changed = settings | by
    if "packages" in by and "text" not in by:
        changed["text"] = None
    for name, least in (("warmup_steps", 0), ("decay_steps", 1)):
        if name not in by and settings[name] and 0 < changed["steps"] < settings["steps"]:
            changed[name] = max(least, settings[name] * changed["steps"] // settings["steps"])
    return changed


def config_of(config: type[Any], settings: dict[str, Any]) -> Any:
    """The config whose fields stand among the settings."""
    names = {field.name for field in dataclasses.fields(config)}
    return config(**{name: value for name, value in settings.items() if name in names})
