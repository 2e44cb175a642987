"""The book on paper: a chapter is complete, whatever the screen folds or darkens, and the whole book is numbered."""

import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import yaml
from browsing import CHAPTERS, ROOT, SITE
from playwright.sync_api import Browser, Page
from pypdf import PdfReader

sys.path.insert(0, str(ROOT / "book/_pdf"))

import joining
import printing

SHORT = ["book/how_to_use", "book/appendix/published_numbers", "book/appendix/claims"]


@pytest.fixture(scope="module")
def dark_page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(color_scheme="dark", offline=True)
    yield context.new_page()
    context.close()


#: How a PDF's fonts give back a character, where NFKC leaves the radical.
RADICALS = str.maketrans({"⻋": "车"})


def squeezed(text: str) -> str:
    """Without spaces, and with ligatures as letters."""
    return "".join(unicodedata.normalize("NFKC", text).translate(RADICALS).split())


def on_paper(reader: PdfReader) -> str:
    return squeezed(" ".join(sheet.extract_text() for sheet in reader.pages))


def shown_code(path: Path) -> list[str]:
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    return [cell.source for cell in code if "hide-input" not in cell.metadata.get("tags", [])]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_on_paper_holds_all_its_code_and_headings(dark_page: Page, chapter: Path) -> None:
    printed = printing.print_page(dark_page, SITE, chapter.relative_to(ROOT).with_suffix("").as_posix())
    text = on_paper(printed.reader)
    code = shown_code(chapter)
    assert len(code) > 5
    assert [source for source in code if squeezed(source) not in text] == []
    headings = dark_page.eval_on_selector_all(
        "article section:not(#checks) > :is(h1, h2, h3)", "all => all.map(h => h.firstChild.textContent)"
    )
    assert [heading for heading in headings if squeezed(heading) not in text] == []
    assert "Checks" not in [title for _, title, _ in printed.headings]  # its cells are folded, and print nothing


def test_what_is_dark_or_folded_on_the_screen_is_light_and_open_on_paper(dark_page: Page) -> None:
    dark_page.goto((SITE / "book/foundations/neural_networks.html").as_uri())
    theme = "() => document.documentElement.dataset.theme"
    solution = "() => document.querySelector('.solution > section').checkVisibility({visibilityProperty: true})"
    assert dark_page.evaluate(theme) == "dark"
    assert not dark_page.evaluate(solution)
    dark_page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    dark_page.emulate_media(media="print")
    assert dark_page.evaluate(theme) == "light"
    assert dark_page.evaluate(solution)
    dark_page.emulate_media(media="screen")
    dark_page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert dark_page.evaluate(theme) == "dark"
    assert not dark_page.evaluate(solution)


@pytest.fixture(scope="module")
def parts(dark_page: Page) -> list[printing.Printed]:
    return [printing.print_page(dark_page, SITE, name) for name in SHORT]


def test_the_whole_book_has_contents_with_the_numbers_at_the_foot_of_its_pages(
    dark_page: Page, parts: list[printing.Printed], tmp_path: Path
) -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    path, count = joining.write_book(dark_page, parts, config, SITE, tmp_path)
    sheets = [sheet.extract_text() for sheet in PdfReader(path).pages]
    assert len(sheets) == count == 2 + sum(len(part.reader.pages) for part in parts)
    assert squeezed(config["title"]) in squeezed(sheets[0])
    for number, text in enumerate(sheets[1:], start=2):
        assert text.rstrip().endswith(str(number))
    for part in parts:
        [start] = [i for i, text in enumerate(sheets[2:], start=3) if squeezed(text).startswith(squeezed(part.title))]
        assert f"{squeezed(part.title)}{start}" in squeezed(sheets[1])


def test_contents_name_no_section_that_most_pages_have(dark_page: Page) -> None:
    def part(name: str, *sections: str) -> printing.Printed:
        headings = [(0, name, 0), *((1, section, 0) for section in sections)]
        return printing.Printed(name, printing.print_html(dark_page, name), headings)

    parts = [part("one", "Goals", "Attention"), part("two", "Goals", "Graphs"), part("three", "Graphs & trees")]
    front = joining._front(parts, dict.fromkeys(("title", "author", "copyright"), ""), 2)
    assert "Goals" not in front
    assert [name in front for name in ("one", "Attention", "two", "Graphs", "Graphs &amp; trees")] == [True] * 5
    assert "<span>three</span><i></i>5" in front


def test_headings_are_named_as_on_the_page(dark_page: Page, parts: list[printing.Printed]) -> None:
    for part in parts:
        dark_page.goto((SITE / f"{part.name}.html").as_uri())
        shown = dark_page.eval_on_selector_all(printing.HEADINGS, "all => all.map(h => h.innerText.replace(/#$/, ''))")
        assert [title for _, title, _ in part.headings] == shown


def test_a_heading_that_is_said_twice_is_named_once() -> None:
    titles = ["Goals", "How many prompts each claim needs", "Checks", "S0", "Money"]
    said = ["Goals", "How many prompts eachHow many prompts eachclaim needs", "S0S0", "Money#"]
    assert [printing.named(raw, titles) for raw in said] == [
        "Goals",
        "How many prompts each claim needs",
        "S0",
        "Money",
    ]
    assert printing.named("Another", titles) == "Another"


def test_links_between_pages_stay_within_the_paper(
    dark_page: Page, parts: list[printing.Printed], tmp_path: Path
) -> None:
    feet = printing.feet(dark_page, len(parts[0].reader.pages), parts[0].title)
    reader = PdfReader(joining.write_part(parts[0], feet, SITE, ["book/appendix/claims"], tmp_path))
    links = [note.get_object() for sheet in reader.pages for note in sheet.get("/Annots") or []]
    actions = [link["/A"] for link in links if "/A" in link]
    assert not any(str(action.get("/URI", "")).startswith("file:") for action in actions)
