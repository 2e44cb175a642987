"""What stands above every measurement: on which machine, when, and by which command."""

import os
import platform
import sys
import textwrap
from datetime import date
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def header(command: str) -> str:
    """Machine, versions, date and command as the first lines of a Markdown report."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "torch"))
    return "\n".join(
        [
            f"- machine: {_processor()}, {os.cpu_count()} cores",
            f"- versions: CPython {platform.python_version()}, {libraries}",
            f"- date: {date.today().isoformat()}",
            f"- command: `{command}`",
        ]
    )


def write(name: str, text: str) -> Path:
    """Writes a report to ``results`` and prints it."""
    path = RESULTS / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.rstrip() + "\n", encoding="utf-8")
    print(text)
    return path


def tell(progress: str) -> None:
    """Says what is being done, beside the report."""
    print(progress, file=sys.stderr, flush=True)


def reason(error: Exception) -> str:
    """An error as a cell of a table."""
    return textwrap.shorten(f"{type(error).__name__}: {error}".replace("|", "/"), 100, placeholder=" …")


def _processor() -> str:
    """The processor's name; on Linux ``platform`` gives only its family, so the kernel is asked."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
