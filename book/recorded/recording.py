"""What the recorded runs share: a table beside the script, an entry in ``run.json`` that says how it was made, a command line."""

import argparse
import csv
import hashlib
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch


@dataclass(frozen=True)
class Run:
    """One run: what makes its files, from which seeds, with which packages beside torch, numpy and safetensors.

    ``make`` may name the files that it wrote; else they are all that begin with the run's name and a dot.
    """

    make: Callable[[], list[str] | None]
    seeds: Iterable[int] = (0,)
    packages: tuple[str, ...] = ()


def write(
    path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]
) -> None:
    """A table as a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def record(script: str, about: str | None, runs: Mapping[str, Run]) -> None:
    """The command line of a script: makes the runs that it names, all by default, on one thread."""
    parser = argparse.ArgumentParser(description=about)
    help_ = f"which of {', '.join(runs)}; all by default"
    parser.add_argument("runs", nargs="*", default=list(runs), help=help_)
    given = parser.parse_args(sys.argv[1:]).runs
    if unknown := sorted(set(given) - set(runs)):
        parser.error(
            f"expected runs from {', '.join(runs)}; got {', '.join(unknown)}"
        )
    torch.set_num_threads(1)
    for name in given:
        started = cpu_seconds()
        files = runs[name].make()
        seconds = cpu_seconds() - started
        note(Path(script), name, runs[name], files, seconds)
        print(f"{name}: {seconds:.0f} s", flush=True)


def cpu_seconds() -> float:
    """CPU time of this process and of the child processes that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def note(
    script: Path, name: str, run: Run, files: list[str] | None, seconds: float
) -> None:
    """One entry of ``run.json`` beside the script: who made it, when, with what, and what came out.

    Its ``seconds`` are of CPU, child processes included; entries dated up to 2026-11-26 count the parent alone.
    """
    folder = script.resolve().parent
    path = folder / "run.json"
    made = files or sorted(each.name for each in folder.glob(f"{name}.*"))
    packages = ("torch", "numpy", "safetensors", *run.packages)
    entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    entries[name] = {
        "command": f"python book/recorded/{folder.name}/{script.name} {name}",
        "seeds": list(run.seeds),
        "machine": f"{platform.machine()}, one thread",
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds),
        "versions": {"python": platform.python_version()}
        | {each: importlib.metadata.version(each) for each in packages},
        "sha256": {
            each: hashlib.sha256((folder / each).read_bytes()).hexdigest()
            for each in made
        },
    }
    path.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
