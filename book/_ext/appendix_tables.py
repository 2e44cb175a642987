"""Tables of the appendix, made when the site is built: from YAML files and from the tags of the chapters' cells.

A code cell says what it decides in its metadata: a tag ``claim-25`` for a row of ``appendix/claims.yml``, a tag
``formula-softmax`` for a row of ``appendix/formulas.yml`` that it computes, and for each number of the literature that it reproduces an entry of ``metadata.published``: ``what``, ``source`` (a key of
``references.bib``), ``printed`` and ``ours``. A row links to the label ``(label)=`` that stands before the cell.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import tool_tables
import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

LABEL = re.compile(r"^\(([\w-]+)\)=$", re.M)
TAG = re.compile(r"(claim|formula)-([\w-]+)")
# A long record in a single row would take the room from what holds, in all of them.
WIDTHS = {
    "claims essays": (12, 28, 40, 20),
    "claims famous": (20, 25, 35, 20),
}
# Columns of numbers are compared, and stay columns on a phone.
OF_NUMBERS = ("hardware",)


@dataclass(frozen=True)
class TaggedCell:
    """A code cell that decides a claim, computes a formula or reproduces a number: where it is, what it printed."""

    chapter: str
    label: str | None
    executed: bool
    output: str
    claims: tuple[str, ...] = ()
    formulas: tuple[str, ...] = ()
    published: tuple[dict[str, str], ...] = field(default=())


def tagged_cells(book: Path) -> list[TaggedCell]:
    """The tagged cells of all chapters below ``book``, in the order of the files."""
    paths = sorted(
        path
        for path in book.glob("*/*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    )
    return [
        cell
        for path in paths
        for cell in _cells(path.relative_to(book).with_suffix("").as_posix(), path)
    ]


def _cells(chapter: str, path: Path) -> Iterator[TaggedCell]:
    label = None
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            label = next(reversed(LABEL.findall("".join(cell["source"]))), label)
            continue
        metadata = cell.get("metadata", {})
        tags = [m for tag in metadata.get("tags", []) if (m := TAG.fullmatch(tag))]
        claims, formulas = (
            tuple(m[2] for m in tags if m[1] == kind)
            for kind in ("claim", "formula")
        )
        published = tuple(metadata.get("published", []))
        if claims or formulas or published:
            executed = cell.get("execution_count") is not None
            yield TaggedCell(
                chapter,
                label,
                executed,
                _printed(cell),
                claims,
                formulas,
                published,
            )


def _printed(cell: dict[str, Any]) -> str:
    texts = [
        output.get("text", output.get("data", {}).get("text/plain", ""))
        for output in cell.get("outputs", [])
    ]
    return "\n".join("".join(text) for text in texts)


def claims(book: Path, part: str) -> str:
    """The rows of one part of ``claims.yml`` as a table; what holds is told once a cell or a record shows it."""
    decided = {claim: cell for cell in tagged_cells(book) for claim in cell.claims}
    rows = []
    for key, row in yaml.safe_load(
        (book / "appendix/claims.yml").read_text(encoding="utf-8")
    )[part].items():
        if "record" in row:
            rows.append((row["at"], row["said"], row["holds"], row["record"]))
        elif cell := decided.get(str(key)):
            rows.append((row["at"], row["said"], row["holds"], _link(cell)))
        else:
            rows.append(
                (
                    row["at"],
                    row["said"],
                    "",
                    f"coming in *{_title(row['chapter'])}*",
                )
            )
    return _table(("Where", "What is said", "What holds", "Shown in"), rows)


def formulas(book: Path, part: str) -> str:
    """The rows of one part of ``formulas.yml`` as a table: how a formula holds, how it was printed, where it is computed."""
    computed = {key: cell for cell in tagged_cells(book) for key in cell.formulas}
    rows = [
        (
            f"${row['formula']}$",
            _in_the_essays(row),
            _link(computed[key])
            if key in computed
            else f"coming in *{_title(row['chapter'])}*",
        )
        for key, row in yaml.safe_load(
            (book / "appendix/formulas.yml").read_text(encoding="utf-8")
        )[part].items()
    ]
    return _table(("Formula", "In the essays", "Computed in"), rows)


def _in_the_essays(row: dict[str, Any]) -> str:
    if "printed" not in row:
        return row["at"]
    claim = f" (claim {row['claim']})" if "claim" in row else ""
    return f"{row['at']}: ${row['printed']}${claim}"


def sources(book: Path, essay: str) -> str:
    """The sections of one essay and the chapters that teach them, as a table."""
    about = yaml.safe_load(
        (book / "appendix/sources.yml").read_text(encoding="utf-8")
    )[essay]
    rows = [
        (section, topic, ", ".join(_chapter(book, chapter) for chapter in chapters))
        for section, (topic, chapters) in about["sections"].items()
    ]
    return f"{about['title']}: *{about['english']}*\n\n" + _table(
        ("Section", "About", "Taught in"), rows
    )


def published_numbers(book: Path) -> str:
    """The numbers of the literature that chapters reproduce, as a table."""
    rows = [
        (
            number["what"],
            f"{number['printed']} {{cite:p}}`{number['source']}`",
            number["ours"],
            _link(cell),
        )
        for cell in tagged_cells(book)
        for number in cell.published
    ]
    return _table(("What", "Published", "Ours", "Computed in"), rows)


def _chapter(book: Path, chapter: str) -> str:
    there = any(
        (book / chapter).with_suffix(suffix).exists()
        for suffix in (".ipynb", ".md")
    )
    return f"{{doc}}`/book/{chapter}`" if there else f"*{_title(chapter)}* (coming)"


def _title(chapter: str) -> str:
    return chapter.rpartition("/")[2].replace("_", " ").capitalize()


def _link(cell: TaggedCell) -> str:
    return (
        f"{{ref}}`{_title(cell.chapter)} <{cell.label}>`"
        if cell.label
        else f"{{doc}}`/book/{cell.chapter}`"
    )


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
        for line in lines
    )


def _of_tools(name: str, book: Path, *part: str) -> str:
    return _table(*getattr(tool_tables, name)(book, *part))


class AppendixTable(SphinxDirective):
    """``{appendix-table} claims essays``: one of the tables above, with its argument."""

    required_arguments = 1
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The table's nodes."""
        make = {
            "claims": claims,
            "formulas": formulas,
            "sources": sources,
            "published_numbers": published_numbers,
            "faq": partial(tool_tables.answers, "faq"),
            "goals": partial(tool_tables.answers, "goals"),
        } | {
            name: partial(_of_tools, name)
            for name in ("tools", "hardware", "prices")
        }
        kind, *part = self.arguments
        text = make[kind](Path(self.env.srcdir) / "book", *part)
        made = self.parse_text_to_nodes(text)
        if kind in OF_NUMBERS:
            _mark_numbers(made)
        if widths := WIDTHS.get(" ".join(self.arguments)):
            _set_widths(made, widths)
        return made


def _mark_numbers(made: list[nodes.Node]) -> None:
    """Keeps the tables from being shown as cards on a phone (``stacked.js``)."""
    for table in (table for node in made for table in node.findall(nodes.table)):
        table["classes"].append("numbers")


def _set_widths(made: list[nodes.Node], widths: tuple[int, ...]) -> None:
    """Gives the columns of the tables these widths, in percent, whatever stands in them."""
    for table in (table for node in made for table in node.findall(nodes.table)):
        table["classes"] = ["colwidths-given", "set-widths"]
        for column, width in zip(table.findall(nodes.colspec), widths, strict=True):
            column["colwidth"] = width


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directive."""
    app.add_directive("appendix-table", AppendixTable)
    return {"parallel_read_safe": True}
