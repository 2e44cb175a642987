"""TOML that people write by hand: recipes, plans, statements. Needs no torch: the command line reads one first."""

import tomllib
from pathlib import Path
from typing import Any


def read_toml(path: str | Path, what: str) -> dict[str, Any]:
    """The tables of a TOML file in UTF-8, with or without the mark that Windows' editors put before it.

    Args:
        path: the file.
        what: what it is to hold, for the message where it is missing.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is no TOML.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "recipe.toml"
        >>> _ = path.write_text("[train]\\nsteps = 3\\n")
        >>> read_toml(path, "a recipe")
        {'train': {'steps': 3}}
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected {what} in {path}, got no such file")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # also of bytes that are not UTF-8
        raise ValueError(f"expected TOML in {path}, got something else ({error})") from error
