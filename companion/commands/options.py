"""Options of the command line, made from the fields of configs, and errors of one line."""

import argparse
import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints


class Parser(argparse.ArgumentParser):
    """A parser that raises what a user typed wrong, where argparse would print the usage and leave."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False, exit_on_error=False)

    def error(self, message: str) -> NoReturn:
        """Called by argparse for what concerns no single option."""
        raise ValueError(f"expected options as `{self.prog} --help` lists them, got something else ({message})")


def add_fields(
    parser: argparse.ArgumentParser,
    title: str,
    config: type[Any],
    defaults: Mapping[str, Any],
    *,
    without: Iterable[str] = (),
) -> None:
    """An option for each field of a dataclass; only those that were typed are in what the parser returns.

    Args:
        parser: gets the options.
        title: above them.
        config: its docstring says under ``Attributes`` what each field means.
        defaults: shown where they are not those of the fields.
        without: fields that get none.
    """
    texts, hints, group = described(config), get_type_hints(config), parser.add_argument_group(title)
    for field in dataclasses.fields(config):
        if field.name not in without:
            default = defaults.get(field.name, field.default)
            shown = "" if default is None or default is dataclasses.MISSING else f" (default: {_typed(default)})"
            flag = f"--{field.name.replace('_', '-')}"
            text = (texts[field.name].rstrip(".") + shown).replace("%", "%%")
            group.add_argument(flag, default=argparse.SUPPRESS, help=text, **_settings(hints[field.name], flag))


def described(config: type[Any]) -> dict[str, str]:
    """What a dataclass's docstring says of each field under ``Attributes``, as plain text."""
    section = re.search(r"^Attributes:\n((?:    .*\n|\n)*)", f"{inspect.getdoc(config)}\n", re.M)
    entries = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section[1], re.M) if section else []
    return {name: re.sub(r":\w+:`(.*?)`", r"\1", " ".join(text.split())).replace("``", "") for name, text in entries}


def _settings(hint: Any, flag: str) -> dict[str, Any]:
    """What argparse is to know of an option whose field has this type."""
    alternatives = [part for part in get_args(hint) if part is not NoneType] if NoneType in get_args(hint) else [hint]
    kind = str if str in alternatives else alternatives[0]
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        count = "+" if ... in parts else len(parts)
        return {"type": reader(parts[0], flag), "nargs": count, "action": _AsTuple, "metavar": _metavar(parts[0])}
    return {"type": reader(kind, flag), "metavar": _metavar(kind)}


class _AsTuple(argparse.Action):
    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        setattr(namespace, self.dest, tuple(values))


def _metavar(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "{" + ",".join(get_args(kind)) + "}"
    return {int: "N", float: "X", str: "TEXT"}[kind]


def _typed(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def reader(kind: Any, flag: str) -> Callable[[str], Any]:
    """What turns a typed word into a value of ``kind``: int, float, str or a Literal."""

    def read(word: str) -> Any:
        if get_origin(kind) is Literal:
            if word not in get_args(kind):
                raise argparse.ArgumentTypeError(f"expected {flag} to be one of {get_args(kind)}, got {word!r}")
            return word
        if kind is str:
            if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in word):
                raise argparse.ArgumentTypeError(f"expected {flag} to be UTF-8 text, got other bytes: {word!r}")
            return word
        try:
            return kind(word)
        except ValueError as error:
            name = {int: "a whole number", float: "a number"}[kind]
            raise argparse.ArgumentTypeError(f"expected {flag} to be {name}, got {word!r}") from error

    return read
