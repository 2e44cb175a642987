"""The tables of the appendix: no row without an executed cell or a dated source, no section without a chapter."""

import json
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from docutils import nodes
from docutils.core import publish_doctree
from pybtex.database import parse_file

from companion.economics import ACCELERATORS

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
sys.path.insert(0, str(BOOK / "_ext"))

import appendix_tables as tables  # noqa: E402 - the build finds it there, too
import tool_tables  # noqa: E402

CLAIMS = yaml.safe_load((BOOK / "appendix/claims.yml").read_text(encoding="utf-8"))
ESSAYS = yaml.safe_load((BOOK / "appendix/sources.yml").read_text(encoding="utf-8"))
FAQ = yaml.safe_load((BOOK / "appendix/faq.yml").read_text(encoding="utf-8"))
GOALS = yaml.safe_load((BOOK / "appendix/goals.yml").read_text(encoding="utf-8"))
CELLS = tables.tagged_cells(BOOK)
ROWS = {str(key): row for part in CLAIMS.values() for key, row in part.items()}
FORMULAS = {
    key: row
    for part in yaml.safe_load((BOOK / "appendix/formulas.yml").read_text(encoding="utf-8")).values()
    for key, row in part.items()
}
MATHEMATICS = {  # the sections of the essays that are mathematics
    "S0": ("7.1", "7.2", "7.3", "8.1", "8.2", "8.3", "9.1", "9.2"),
    "S1": ("4.1", "4.2", "4.3"),
    "S2": ("4.1", "4.2", "4.3"),
    "S3": ("4.2", "4.4"),
    "S4": ("4.1", "4.2"),
}
PUBLISHED = [(cell, number) for cell in CELLS for number in cell.published]


def test_claims_are_numbered_without_a_gap() -> None:
    assert list(CLAIMS["essays"]) == list(range(1, len(CLAIMS["essays"]) + 1))


@pytest.mark.parametrize("key", ROWS)
def test_a_claim_has_a_cell_or_a_dated_source(key: str) -> None:
    row = ROWS[key]
    if "record" in row:
        assert re.search(r"\b(19|20)\d\d\b|table of tested", row["record"])
        return
    deciding = [cell for cell in CELLS if key in cell.claims]
    written = (BOOK / row["chapter"]).with_suffix(".ipynb").exists()
    assert len(deciding) == written, f"claim {key}: {len(deciding)} cells tagged claim-{key}"
    assert all(cell.executed and cell.label and cell.chapter == row["chapter"] for cell in deciding)


@pytest.mark.parametrize("key", FORMULAS)
def test_a_formula_is_computed(key: str) -> None:
    row = FORMULAS[key]
    computing = [cell for cell in CELLS if key in cell.formulas]
    written = (BOOK / row["chapter"]).with_suffix(".ipynb").exists()
    assert len(computing) == written, f"{key}: {len(computing)} cells tagged formula-{key}"
    assert all(cell.executed and cell.label and cell.chapter == row["chapter"] for cell in computing)
    assert "claim" not in row or row["claim"] in CLAIMS["essays"]


def test_formulas_name_the_sections_of_mathematics() -> None:
    named = {place for row in FORMULAS.values() for at in row["at"].split("; ") for place in sections(at)}
    assert named == {(essay, section) for essay, parts in MATHEMATICS.items() for section in parts}


def test_tags_name_rows() -> None:
    assert {claim for cell in CELLS for claim in cell.claims} <= set(ROWS)
    assert {key for cell in CELLS for key in cell.formulas} <= set(FORMULAS)


def test_every_topic_has_a_place() -> None:
    chapters = {chapter for essay in ESSAYS.values() for _, places in essay["sections"].values() for chapter in places}
    written = {path.relative_to(BOOK).with_suffix("").as_posix() for path in BOOK.glob("*/*.ipynb")}
    assert {name for name in written if not name.startswith("appendix/")} <= chapters  # each teaches some section
    assert all(places for essay in ESSAYS.values() for _, places in essay["sections"].values())


def test_claims_and_sources_agree_on_the_sections() -> None:
    places = [(essay, part) for row in CLAIMS["essays"].values() for essay, part in sections(row["at"])]
    assert [place for place in places if place[1] not in ESSAYS[place[0]]["sections"]] == []


def sections(at: str) -> list[tuple[str, str]]:
    """'S0 2.3, 6.3' as [('S0', '2.3'), ('S0', '6.3')]; a finer or a coarser one as the row that has it."""
    essay, _, parts = at.partition(" ")
    known = ESSAYS[essay]["sections"]
    return [
        (essay, next((s for s in known if part == s or part.startswith(f"{s}.") or s.startswith(f"{part}.")), part))
        for part in parts.split(", ")
    ]


def test_chapters_name_sections_that_there_are() -> None:
    for path in BOOK.glob("*/*.ipynb"):
        text = "".join("".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])
        for essay, parts in re.findall(r"^- (S[0-4]) ([\w.]+(?:, [\w.]+)*):", text.partition("## Sources")[2], re.M):
            assert all(part in ESSAYS[essay]["sections"] for _, part in sections(f"{essay} {parts}")), (
                path,
                essay,
                parts,
            )


@pytest.mark.parametrize(("cell", "number"), PUBLISHED, ids=[number["what"] for _, number in PUBLISHED])
def test_a_published_number_is_printed_by_its_cell(cell: tables.TaggedCell, number: dict[str, str]) -> None:
    assert set(number) == {"what", "source", "printed", "ours"}
    assert f"{{{number['source']}," in (ROOT / "references.bib").read_text(encoding="utf-8")
    assert cell.executed
    assert cell.label
    assert number["ours"] in cell.output


def test_the_bibliography_can_be_read_and_is_sorted() -> None:
    keys = list(parse_file(ROOT / "references.bib").entries)  # raises where a brace is missing, or a key stands twice
    assert keys == sorted(keys)


def test_every_work_of_the_bibliography_is_cited_and_stands_once() -> None:
    entries = parse_file(ROOT / "references.bib").entries
    titles = [re.sub(r"\W", "", entry.fields["title"].lower()) for entry in entries.values()]
    assert [title for title, times in Counter(titles).items() if times > 1] == []
    files = [path for kind in ("ipynb", "md", "yml") for path in BOOK.rglob(f"*.{kind}")]
    words = set(re.findall(r"\w+", " ".join(path.read_text(encoding="utf-8") for path in files)))
    assert sorted(set(entries) - words) == []


def test_every_chapter_reproduces_a_number() -> None:
    written = {path.relative_to(BOOK).with_suffix("").as_posix() for path in BOOK.glob("*/*.ipynb")}
    assert {name for name in written if not name.startswith("appendix/")} == {cell.chapter for cell, _ in PUBLISHED}


ASKED = {  # sections in which essays answer questions, and how many
    "S0 B.1": 3, "S0 B.2": 3, "S0 B.3": 3, "S1 9.1": 1, "S1 9.2": 1, "S1 9.3": 1, "S2 appendix": 5,
    **{f"S3 9.{k}": 1 for k in range(1, 8)}, **{f"S4 9.{k}": 1 for k in range(1, 5)},
}  # fmt: skip


def printed_under_labels() -> dict[str, str]:
    """What the executed cells of all chapters printed, by the label that stands before them."""
    printed: dict[str, str] = {}
    for path in BOOK.glob("*/*.ipynb"):
        label = ""
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                label = next(reversed(tables.LABEL.findall("".join(cell["source"]))), label)
            elif cell.get("execution_count") is not None:
                texts = [out.get("text", out.get("data", {}).get("text/plain", "")) for out in cell["outputs"]]
                printed[label] = printed.get(label, "") + " ".join("".join(text) for text in texts)
    return printed


QUESTIONS = [row for part in FAQ.values() for row in part]
ASKED_FOR = [row for part in GOALS.values() for row in part]
SHOWN = printed_under_labels()


@pytest.mark.parametrize("row", QUESTIONS + ASKED_FOR, ids=[row["ask"] for row in QUESTIONS + ASKED_FOR])
def test_an_answer_is_shown_by_executed_cells(row: dict[str, object]) -> None:
    labels = row["shown"]
    assert labels, "name the sections that show the answer"
    assert [label for label in labels if not SHOWN.get(label)] == []  # no such section, or no cell that printed
    printed = " ".join(SHOWN[label] for label in labels)
    assert [number for number in re.findall(r"\d[\d,.]*\d|\d", row["answer"]) if number not in printed] == []


def test_every_question_of_the_essays_is_asked() -> None:
    places = Counter(place for row in QUESTIONS for place in row["at"].split("; "))
    assert {place: places[place] for place in places if place not in ASKED} == {}
    assert {place: count for place, count in ASKED.items() if places[place] < count} == {}


def test_every_goal_of_the_case_studies_is_answered() -> None:
    # Each of the three has three goals (10.x), and steps and challenges (10.x, 11.x).
    for place in ("10.1", "10.2", "10.3"):
        assert sum(f"S0 {place}" in row["at"] for row in ASKED_FOR) >= 3
        assert any(f"S0 11.{place[-1]}" in row["at"] for row in ASKED_FOR)


def test_a_question_stands_with_its_answer_and_links() -> None:
    text = tool_tables.answers("faq", BOOK, "team")
    for row in FAQ["team"]:
        links = "; ".join(f"{{ref}}`{label}`" for label in row["shown"])
        assert f"**{row['ask']}** {row['answer']} Shown in: {links}. Asked in {row['at']}." in text


def test_tools_are_locked_or_on_record() -> None:
    for part in yaml.safe_load((BOOK / "appendix/tools.yml").read_text(encoding="utf-8")):
        _, rows = tool_tables.tools(BOOK, part)
        assert [name for name, use, _ in rows if not use] == []
    _, frameworks = tool_tables.tools(BOOK, "frameworks")
    assert all(state for *_, state in frameworks)


def test_hardware_and_prices_are_those_of_the_package() -> None:
    _, devices = tool_tables.hardware(BOOK)
    assert [name for name, *_ in devices] == list(ACCELERATORS)
    _, prices = tool_tables.prices(BOOK)
    assert {name: float(read) for name, read, *_ in prices}["gpt-4o-mini"] == 0.15


# The makers of the tables, on a book of their own


def cell(kind: str, source: str, count: int | None = 1, **metadata: object) -> dict[str, object]:
    outputs = [{"output_type": "stream", "text": [source]}] if kind == "code" else []
    return {"cell_type": kind, "source": [source], "execution_count": count, "metadata": metadata, "outputs": outputs}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "appendix").mkdir()
    (tmp_path / "part").mkdir()
    number = {"what": "parameters", "source": "author2017word", "printed": "7", "ours": "7.0"}
    tags = ["claim-1", "formula-sum"]
    cells = [cell("markdown", "(here)=\n### A claim"), cell("code", "7.0", tags=tags, published=[number])]
    (tmp_path / "part/one.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    rows = {n: {"at": "S0 1", "said": f"said {n}", "holds": f"holds {n}", "chapter": "part/one"} for n in (1, 2)}
    rows[3] = {"at": "S0 A", "said": "said 3", "holds": "holds 3", "record": "A. Author, 2017."}
    (tmp_path / "appendix/claims.yml").write_text(yaml.safe_dump({"essays": rows}), encoding="utf-8")
    sums = {"sum": {"formula": "a + b", "at": "S0 1", "chapter": "part/one", "printed": "a b", "claim": 1}}
    sums["product"] = {"formula": "|a| b", "at": "S0 1", "chapter": "part/two"}
    (tmp_path / "appendix/formulas.yml").write_text(yaml.safe_dump({"algebra": sums}), encoding="utf-8")
    essay = {"title": "t", "english": "e", "sections": {"1": ["topic", ["part/one", "part/two"]]}}
    (tmp_path / "appendix/sources.yml").write_text(yaml.safe_dump({"S0": essay}), encoding="utf-8")
    return tmp_path


def test_what_holds_is_told_where_it_is_shown(book: Path) -> None:
    first, second, third = tables.claims(book, "essays").splitlines()[2:]
    assert "holds 1" in first
    assert "{ref}`One <here>`" in first
    assert "holds 2" not in second
    assert "coming in *One*" in second
    assert "A. Author, 2017." in third


def test_a_formula_stands_beside_how_it_was_printed(book: Path) -> None:
    product, sum_ = tables.formulas(book, "algebra").splitlines()[2:]
    assert sum_ == "| $a + b$ | S0 1: $a b$ (claim 1) | {ref}`One <here>` |"
    assert product == "| $\\|a\\| b$ | S0 1 | coming in *Two* |"


def test_a_chapter_that_is_not_written_is_coming(book: Path) -> None:
    assert tables.sources(book, "S0").splitlines()[-1] == "| 1 | topic | {doc}`/book/part/one`, *Two* (coming) |"


def test_a_published_number_stands_beside_ours(book: Path) -> None:
    row = tables.published_numbers(book).splitlines()[-1]
    assert row == "| parameters | 7 {cite:p}`author2017word` | 7.0 | {ref}`One <here>` |"


def test_columns_of_numbers_are_marked() -> None:
    made = publish_doctree("== ==\na  b\n== ==\n1  2\n== ==\n")
    tables._mark_numbers([made])
    [table] = made.findall(nodes.table)
    assert "numbers" in table["classes"]


def test_columns_get_the_widths_that_are_set_and_no_others() -> None:
    made = publish_doctree("== ==\na  b\n== ==\nc  d\n== ==\n")
    tables._set_widths([made], (30, 70))
    [table] = made.findall(nodes.table)
    assert {"colwidths-given", "set-widths"} == set(table["classes"])
    assert [column["colwidth"] for column in table.findall(nodes.colspec)] == [30, 70]
    with pytest.raises(ValueError, match="zip"):
        tables._set_widths([made], (30, 30, 40))


@pytest.mark.parametrize("table", tables.WIDTHS)
def test_widths_are_of_tables_that_a_page_shows_and_make_a_whole(table: str) -> None:
    assert f"```{{appendix-table}} {table}\n" in (BOOK / "appendix/claims.md").read_text(encoding="utf-8")
    assert sum(tables.WIDTHS[table]) == 100
