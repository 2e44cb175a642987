"""Every command that README, CONTRIBUTING and the book tell a reader to type exists."""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "book/how_to_use.md", "book/index.ipynb", "book/appendix/api.md")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TARGETS = set((ROOT / "Makefile").read_text(encoding="utf-8").partition(".PHONY:")[2].split())
FILES = ("constraints.txt", "data-packages.txt")
LOCK = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


def commands() -> Iterator[tuple[str, str]]:
    """Document and command, for each line of a shell block and each inline `make …`."""
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        for block in re.findall(r"^```(?:bash|sh|shell)\n(.*?)^```", text, re.M | re.S):
            for line in block.splitlines():
                yield from ((document, part) for part in line.partition(" #")[0].strip().split(" && ") if part)
        yield from ((document, inline) for inline in re.findall(r"`(make [a-z-]+)`", text))


def arguments(words: list[str]) -> list[str]:
    return [word for word in words if not word.startswith("-")]


def problem(command: str) -> str:
    """What is wrong with a command; empty where it exists. Commands that this does not know are wrong."""
    words = [word for word in shlex.split(command) if not re.match(r"[A-Z_]+=", word)]
    words[0] = words[0].removeprefix(".venv/bin/")
    match words:
        case ["python", "-m", "pytest", *rest] | ["pytest", *rest]:
            return missing(arguments(rest))
        case ["python", "-m", "companion", *rest]:
            return fails(sys.executable, "-m", "companion", *arguments(rest), "--help")
        case ["python", "-m", module] if module.startswith("benchmarks."):
            path = module.replace(".", "/")  # the extra that it needs may not be installed
            return missing([f"{path}/__main__.py" if (ROOT / path).is_dir() else f"{path}.py"])
        case ["python", "-m", "venv", ".venv"] | ["source", ".venv/bin/activate"]:
            return ""
        case ["make", *rest]:
            return "" if {word for word in rest if "=" not in word} <= TARGETS else f"no such target: {command}"
        case ["pip", "install", *rest]:
            return pip_problem(rest)
        case ["conda", "env", "create", "-f", file]:
            return missing([file])
        case ["conda", "activate", name]:
            return "" if f"name: {name}\n" in (ROOT / "environment.yml").read_text(encoding="utf-8") else "other name"
        case ["jupyter-book", "build", folder]:
            return missing([folder])
        case ["jupyter", "lab", "lab"]:
            return ""  # the line before makes the folder
        case ["python", script] if script.endswith(".py"):
            return missing([script])
        case ["jupytext", *rest]:
            return missing([word for word in arguments(rest) if word.endswith(".ipynb")])
        case ["pre-commit", "install"]:
            return missing([".pre-commit-config.yaml"])
    return f"test_readme does not know this command: {command}"


def missing(paths: list[str]) -> str:
    gone = [path for path in paths if not (ROOT / path).exists()]
    return f"no such path: {', '.join(gone)}" if gone else ""


@cache
def fails(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr


def pip_problem(words: list[str]) -> str:
    for word in arguments(words):
        if editable := re.fullmatch(r"\.\[(.+)\]", word):
            unknown = set(editable[1].split(",")) - set(PROJECT["optional-dependencies"])
            if unknown:
                return f"no such extra: {', '.join(unknown)}"
        elif word not in {".", *FILES, "torch", "https://download.pytorch.org/whl/cpu", *LOCK}:
            return f"neither locked nor known: {word}"
    return ""


@pytest.mark.parametrize(("document", "command"), sorted(set(commands())))
def test_a_command_exists(document: str, command: str) -> None:
    assert problem(command) == ""


@pytest.mark.parametrize(
    "command",
    [
        "make nonsense",
        'pip install -e ".[nonsense]"',
        "pip install torch==1.0.0",
        "pytest --nbval nonsense",
        "conda env create -f nonsense.yml",
        "python -m companion nonsense",
        "python -m benchmarks.nonsense",
        "rm -rf book",
    ],
)
def test_a_wrong_command_is_refused(command: str) -> None:
    assert problem(command) != ""


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_links_and_paths_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if not link.startswith("http")]
    named = re.findall(r"`([\w.-]+(?:/[\w.-]*)+|\w[\w-]*\.(?:yml|toml|txt|bib|md))`", text)
    assert missing(links + [path for path in named if not path.startswith(("_build", "~"))]) == ""


def test_readme_imports_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert blocks
    assert [fails(sys.executable, "-c", block) for block in blocks] == [""] * len(blocks)
