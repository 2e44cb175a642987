"""``--recipe`` of commands that use a model: a table of a TOML file stands for options that nobody typed."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from companion.commands.options import Parser, reader
from companion.toml_files import read_toml

#: ``pretrain`` and ``estimate`` read recipes of another kind: :func:`companion.training.read_recipe`.
COMMANDS = ("finetune", "chat", "evaluate", "serve")
_SIMPLE = str | int | float


def add(parser: argparse.ArgumentParser, command: str) -> None:
    """Adds the option."""
    text = f"TOML file whose table [{command}] has other defaults, by the options' names; what is typed wins over them"
    parser.add_argument("--recipe", type=reader(str, "--recipe"), metavar="FILE", help=text)


def expand(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command with those of its recipe before them, for the last one counts.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is no TOML, lacks the command's table, or holds what no option can be.
    """
    command, *typed = arguments or [""]
    if command not in COMMANDS:
        return list(arguments)
    alone = Parser(add_help=False)
    add(alone, command)
    path = alone.parse_known_args(typed)[0].recipe
    return list(arguments) if path is None else [command, *_words(Path(path), command), *typed]


def _words(path: Path, command: str) -> list[str]:
    """The table as if it had been typed."""
    tables = read_toml(path, "a recipe")
    if not isinstance(table := tables.get(command), dict):
        raise ValueError(f"expected a table [{command}] in {path}, got {', '.join(tables) or 'an empty file'}")
    return [word for name, value in table.items() for word in _option(name, value, path)]


def _option(name: str, value: Any, path: Path) -> list[str]:
    flag = name.replace("_", "-")
    if flag != "recipe" and isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if flag != "recipe" and isinstance(value, _SIMPLE):
        return [f"--{flag}={value}"]
    if flag != "recipe" and isinstance(value, list) and all(isinstance(each, _SIMPLE) for each in value):
        return [f"--{flag}", *map(str, value)]
    raise ValueError(f"expected options with a text, a number, a list of them, true or false in {path}, got {name}")
