"""What each chapter costs to run and holds: CPU seconds, words, code cells, and the part of them that is not compared.

Each chapter is executed once, in its own folder and in a kernel of its own; its file is not changed. CPU seconds are
those of the kernel and of the processes that it starts: they hardly depend on what else the machine does.
"""

import re
import resource
import time
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from benchmarks.report import RESULTS, header, tell, write

BOOK = Path(__file__).parents[1] / "book"
COMMAND = "python -m benchmarks.chapters"
TABLE = "chapters.md"

BUDGET = 60.0  #: CPU seconds a chapter
MARGIN = 1.5  #: processors differ by about so much: what is above is too long on any

IGNORED = "nbval-ignore-output"
#: No words of the prose: formulas, code, directives with their options, labels.
NOT_PROSE = re.compile(r"\$\$[^$]*\$\$|\$[^$\n]+\$|`[^`\n]+`|^[`:]{3,}.*$|^:[\w-]+:.*$|^\([\w-]+\)=$|\{[\w:]+\}", re.M)


@dataclass(frozen=True)
class Chapter:
    """A row of the table.

    Attributes:
        name: the file, below ``book``.
        cpu: CPU seconds of its execution.
        wall: seconds of its execution.
        words: of its prose.
        cells: code cells.
        ignored: code cells whose output is not compared.
    """

    name: str
    cpu: float
    wall: float
    words: int
    cells: int
    ignored: int


def chapters() -> list[Path]:
    """The notebooks of the book, without the template."""
    return sorted(path for path in BOOK.glob("*/*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def measured(path: Path) -> Chapter:
    """One chapter, executed.

    Raises:
        nbclient.exceptions.CellExecutionError: where a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    started, before = time.perf_counter(), _cpu_of_children()
    NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(path.parent)}}).execute()
    cpu, wall = _cpu_of_children() - before, time.perf_counter() - started
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    ignored = sum(IGNORED in cell.metadata.get("tags", []) for cell in code)
    name = f"{path.parent.name}/{path.stem}"
    return Chapter(name, cpu, wall, count_words(notebook), len(code), ignored)


def _cpu_of_children() -> float:
    """CPU seconds of all processes that this one has started and that have ended, a kernel when it is shut down."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def count_words(notebook: nbformat.NotebookNode) -> int:
    """The words of the prose; formulas, code and directives are none."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return len(re.findall(r"\w[\w'’-]*", NOT_PROSE.sub(" ", prose)))


def table(rows: Iterable[Chapter]) -> str:
    """The rows, and all together."""
    rows = list(rows)
    lines = ["| chapter | CPU s | wall s | words | code cells | not compared |", "|---|---|---|---|---|---|"]
    together = [sum(column) for column in zip(*(astuple(row)[1:] for row in rows), strict=True)]
    return "\n".join([*lines, *map(_line, [*rows, Chapter(f"all {len(rows)}", *together)])])


def _line(row: Chapter) -> str:
    part = f"{row.ignored} ({row.ignored / max(1, row.cells):.0%})"
    return f"| {row.name} | {row.cpu:.1f} | {row.wall:.1f} | {row.words:,} | {row.cells} | {part} |"


def read_table(text: str) -> Iterator[tuple[str, float]]:
    """Name and CPU seconds of each chapter in a table that was written before."""
    for name, cpu in re.findall(r"^\| (\w+/\w+) \| ([\d.]+) \|", text, re.M):
        yield name, float(cpu)


def too_long(timed: Iterable[tuple[str, float]]) -> list[str]:
    """What is far above the budget, in words."""
    return [
        f"{name} takes {cpu:.0f} CPU seconds, budget {BUDGET:.0f}: record the long run, or make it smaller"
        for name, cpu in timed
        if cpu > MARGIN * BUDGET
    ]


def main() -> None:
    """Executes all chapters, one after the other, and writes ``results/chapters.md``."""
    rows = []
    for path in chapters():
        tell(f"executing {path.relative_to(BOOK)}")
        rows.append(measured(path))
    write(TABLE, f"# Chapters: what they cost to run\n\n{header(COMMAND)}\n\n{table(rows)}")
    for complaint in too_long((row.name, row.cpu) for row in rows):
        tell(f"warning: {complaint}")
    tell(f"written to {RESULTS / TABLE}")


if __name__ == "__main__":
    main()
