"""One reader of TOML for recipes, plans and statements."""

import subprocess
import sys
from pathlib import Path

import pytest

from companion.commands import recipes
from companion.economics.plans import read_plan
from companion.toml_files import read_toml
from companion.training import read_recipe

PLAN = '[quantities]\na = 3\n[options]\ngo = "a"\n'


def test_a_file_as_windows_editors_write_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a recipe é.toml"
    for text, read, expected in (
        ("[train]\r\nsteps = 3\r\n", read_recipe, {"steps": 3}),
        ("[chat]\r\nseed = 3\r\n", lambda path: recipes.expand(["chat", "--recipe", str(path)])[1], "--seed=3"),
        (PLAN.replace("\n", "\r\n"), lambda path: read_plan(path).quantities, {"a": 3.0}),
    ):
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert read(path) == expected  # type: ignore[operator]


@pytest.mark.parametrize("content", [b"[chat", b"\xff", b"a = " + b"[" * 10_000])
def test_what_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="^expected TOML in .*, got something else"):
        read_toml(path, "a recipe")
    with pytest.raises(FileNotFoundError, match="^expected a plan in nowhere, got no such file"):
        read_toml("nowhere", "a plan")


def test_the_command_line_reads_one_without_torch() -> None:
    code = "import sys, companion.__main__, companion.toml_files; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
