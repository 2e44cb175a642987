"""The landing page of the built site: a computed figure, and a card for each chapter that exists, in its own words."""

import json

import pytest
from browsing import CHAPTERS, PHONE, ROOT, SITE, open_page
from playwright.sync_api import BrowserContext, Page

INDEX = ROOT / "book/index.ipynb"
CARDS = "all => all.map(e => [new URL(e.querySelector('a').href).pathname, e.textContent])"


@pytest.fixture(scope="module")
def page(context: BrowserContext):
    visit = open_page(context, SITE / "book/index.html")
    yield visit.page
    assert visit.complaints == []
    visit.page.close()


def test_every_chapter_has_a_card_with_its_decision_and_time(page: Page) -> None:
    cards = dict(page.eval_on_selector_all(".chapter-card", CARDS))
    chapters = {path: json.loads(path.read_text(encoding="utf-8"))["cells"] for path in CHAPTERS}
    decided = {path for path, cells in chapters.items() if any("## Goals" in "".join(c["source"]) for c in cells)}
    assert set(cards) == {(SITE / path.relative_to(ROOT).with_suffix(".html")).as_posix() for path in decided}
    for text in cards.values():
        assert "?" in text
        assert "minutes to read" in text
        assert "Level" in text


def test_cards_are_numbered_as_the_chapters_are(page: Page) -> None:
    cards = page.eval_on_selector_all(".chapter-card a", "all => all.map(a => a.textContent)")
    contents = page.eval_on_selector_all(
        ".bd-sidebar-primary .bd-links li a", "all => all.map(a => a.textContent.trim())"
    )
    assert len(cards) >= 3
    assert set(cards) <= set(contents)


def test_the_figure_stands_before_the_cards_and_is_computed(page: Page) -> None:
    tops = page.evaluate(
        "() => ['figure img', '.chapter-card'].map(s => document.querySelector(s).getBoundingClientRect().top)"
    )
    assert tops[0] < tops[1]
    cells = [cell for cell in json.loads(INDEX.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in cells)
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell["outputs"])


def test_links_to_the_parts_lead_to_their_cards(page: Page) -> None:
    parts = page.eval_on_selector_all(".bd-article p.rubric", "all => all.map(e => [e.id, e.textContent])")
    links = page.eval_on_selector_all(
        ".bd-article a[href^='#part-']", "all => all.map(a => [a.hash.slice(1), a.textContent])"
    )
    assert len(links) == len(parts) >= 6
    assert [place for place, _ in links] == [place for place, _ in parts]
    assert all(text.startswith(f"{name}: ") for (_, name), (_, text) in zip(links, parts, strict=True))


def test_it_counts_the_decisions_rightly(page: Page) -> None:
    assert "Forty decisions" in page.inner_text("article")
    assert len(page.query_selector_all(".chapter-card")) == 40


def test_its_figure_is_seen_whole_on_a_phone(page: Page) -> None:
    page.set_viewport_size(PHONE)
    box = page.eval_on_selector("figure img", "e => [e.getBoundingClientRect().right, e.closest('a').scrollWidth]")
    assert max(box) <= PHONE["width"]
    assert page.eval_on_selector("figure img", "e => e.clientWidth") > 0.8 * PHONE["width"]
