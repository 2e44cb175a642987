"""`make env` where something is missing: one clear line, and the next run starts from nothing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NO_INDEX = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE"))},
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",  # the discard port: nothing listens there
    "PIP_RETRIES": "0",
}

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "data-packages.txt", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("book", "companion"):
        (tmp_path / name).mkdir()
    return tmp_path


def make(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    """Exit code, and the lines on stderr that are ours."""
    done = subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder, env=NO_INDEX, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, [line for line in done.stderr.splitlines() if not line.startswith("make: ")]


def test_without_a_network_it_says_so_in_one_line_and_starts_from_nothing(clone: Path) -> None:
    half_made = clone / ".venv/lib/half-made.txt"
    half_made.parent.mkdir(parents=True)
    half_made.touch()
    code, lines = make(clone, "book")
    assert code != 0
    assert len(lines) == 1
    assert "no network" in lines[0]
    assert (clone / ".venv/install.log").read_text(encoding="utf-8")
    assert not half_made.exists()
    assert not (clone / ".venv/.complete").exists()


def test_a_python_that_is_too_old_is_named(clone: Path) -> None:
    old = clone / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.1"\nexit 1\n')
    old.chmod(0o755)
    code, lines = make(clone, "env", f"PYTHON={old}")
    assert code != 0
    assert len(lines) == 1
    assert "3.11" in lines[0]
    assert "Python 3.9.1" in lines[0]
    assert not (clone / ".venv").exists()


def test_help_names_every_target() -> None:
    _, lines = make(ROOT, "nonsense")
    assert lines == []
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = (ROOT / "Makefile").read_text(encoding="utf-8").partition(".PHONY:")[2].split()
    assert sorted(line.split()[0] for line in shown.splitlines()) == sorted(phony)
