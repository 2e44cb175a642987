"""What only people know of a run: its purpose, licenses, prices, privacy, failures; a TOML file in the run's folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from companion.toml_files import read_toml

_TEXTS = ("name", "purpose", "not_for", "license", "contact")
_COST = {"accelerator": str, "devices": int, "utilization": float, "price": float, "price_source": str}
_PRIVACY = {"noise_multiplier": float, "sampling_rate": float, "steps": int, "delta": float}
_DATA = {"name": str, "source": str, "license": str}
_FAILURE = {"text": str}
#: The statement's file in a run's folder.
STATEMENT = "dataroom.toml"


@dataclass(frozen=True)
class Statement:
    """What the file says.

    Attributes:
        texts: ``name``, ``purpose``, ``not_for``, ``license``, ``contact``.
        data: a mapping a data set: ``name``, ``source``, ``license``.
        failures: what is known to go wrong, a text each.
        cost: ``accelerator``, ``devices``, ``utilization`` that was planned, ``price`` in dollars for an hour of one
            device and ``price_source``; None where nothing is said.
        privacy: ``noise_multiplier``, ``sampling_rate``, ``steps``, ``delta`` of differentially private training, or
            None.
    """

    texts: Mapping[str, str]
    data: tuple[Mapping[str, str], ...]
    failures: tuple[str, ...]
    cost: Mapping[str, Any] | None = field(default=None)
    privacy: Mapping[str, Any] | None = field(default=None)


def read_statement(path: str | Path) -> Statement:
    """A statement from a TOML file.

    .. code-block:: toml

        name = "Our small model"
        purpose = "Sorts mail of {model.vocabulary} kinds of tokens."
        not_for = "Decisions about people."
        license = "MIT"
        contact = "team@example.com"

        [[data]]
        name = "docstrings"
        source = "packages of PyPI"
        license = "BSD, MIT"

        [[failures]]
        text = "It answers in English whatever it is asked in."

        [cost]
        accelerator = "H100"
        devices = 1
        utilization = 0.4
        price = 2.5
        price_source = "our cloud's list of 2026-11-01"

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: for no TOML, an entry that is missing, unknown, empty or of another type.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"expected what only you know of the run in {path}, got no such file: the README shows one"
        )
    content = read_toml(path, "a statement")
    if unknown := sorted(set(content) - {*_TEXTS, "data", "failures", "cost", "privacy"}):
        raise ValueError(f"expected {', '.join(_TEXTS)}, data, failures, cost, privacy in {path}, got {unknown[0]!r}")
    texts = _checked({name: content.get(name) for name in _TEXTS}, dict.fromkeys(_TEXTS, str), str(path))
    data = [_checked(row, _DATA, f"[[data]] of {path}") for row in _rows(content, "data", path)]
    failures = [_checked(row, _FAILURE, f"[[failures]] of {path}")["text"] for row in _rows(content, "failures", path)]
    cost, privacy = (
        _checked(content[name], keys, f"[{name}] of {path}") if name in content else None
        for name, keys in (("cost", _COST), ("privacy", _PRIVACY))
    )
    return Statement(texts, tuple(data), tuple(failures), cost, privacy)


def _rows(content: Mapping[str, Any], name: str, path: Path) -> list[Any]:
    rows = content.get(name)
    if not isinstance(rows, list) or not rows:
        advice = (
            "no model is without failures: name one" if name == "failures" else "name each set, its source and license"
        )
        raise ValueError(f"expected [[{name}]] in {path}, one or more, got none: {advice}")
    return rows


def _checked(values: Any, keys: Mapping[str, type], where: str) -> dict[str, Any]:
    if not isinstance(values, dict) or set(values) - set(keys):
        unknown = sorted(set(values) - set(keys))[0] if isinstance(values, dict) else values
        raise ValueError(f"expected {', '.join(keys)} in {where}, got {unknown!r}")
    for key, kind in keys.items():
        value = values.get(key)
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        fits = numeric if kind is float else isinstance(value, kind) and not isinstance(value, bool)
        if not fits or value == "":
            what = {str: "a text", int: "a whole number", float: "a number"}[kind]
            raise ValueError(f"expected {what} for {key} in {where}, got {value!r}")
    return dict(values)
