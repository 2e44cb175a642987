"""What a page of the built site offers its reader: results without code, its source, a title and a description."""

import re

import pytest
from browsing import PAGES, SITE, open_page
from playwright.sync_api import BrowserContext

PRETRAINING = SITE / "book/building/pretraining.html"
EVALUATION = SITE / "book/building/evaluation.html"


def test_one_switch_hides_all_code_and_is_remembered(context: BrowserContext) -> None:
    visit = open_page(context, EVALUATION)
    page = visit.page
    code, outputs = page.locator(".cell_input:visible"), page.locator(".cell_output:visible")
    shown, results = code.count(), outputs.count()
    assert shown > 20
    page.click(".code-switch")
    assert page.get_attribute(".code-switch", "aria-pressed") == "true"
    assert (code.count(), outputs.count()) == (0, results)

    page.goto(PRETRAINING.as_uri())
    assert page.get_attribute(".code-switch", "aria-pressed") == "true"
    assert code.count() == 0
    page.focus(".code-switch")
    page.keyboard.press("Enter")
    assert code.count() > 20
    assert visit.complaints == []
    page.close()


def test_a_page_without_code_has_no_switch(context: BrowserContext) -> None:
    page = open_page(context, SITE / "book/how_to_use.html").page
    assert page.locator(".code-switch").count() == 0
    page.close()


@pytest.fixture(scope="module")
def heads() -> dict[str, str]:
    """The heads of all pages but the one that only leads to the first."""
    if not PAGES:
        pytest.skip("the site is not built: make book")
    pages = [path for path in PAGES if path != SITE / "index.html"]
    return {str(path.relative_to(SITE)): path.read_text(encoding="utf-8").partition("</head>")[0] for path in pages}


def test_each_tab_has_its_own_title(heads: dict[str, str]) -> None:
    titles = [re.findall(r"<title>(.+)</title>", head) for head in heads.values()]
    assert all(len(title) == 1 for title in titles)
    assert len({title[0] for title in titles}) == len(heads)
    assert all(title[0].count("Large Models for Founders") == 1 for title in titles)


def test_each_page_describes_itself(heads: dict[str, str]) -> None:
    described = {page: head for page, head in heads.items() if page != "search.html"}
    found = [
        re.findall(r'<meta (?:name|property)="((?:og:)?description)" content="([^"]+)"', h) for h in described.values()
    ]
    assert all([name for name, _ in pairs] == ["description", "og:description"] for pairs in found)
    assert all(20 <= len(text) <= 250 for pairs in found for _, text in pairs)
    assert "Should we pretrain our own? No: not on this text" in heads["book/building/pretraining.html"]


def test_figures_and_exercises_are_numbered_by_chapter() -> None:
    text = EVALUATION.read_text(encoding="utf-8")
    number = re.search(r'<h1><span class="section-number">(\d+)\. ', text)[1]  # type: ignore[index]
    figures = re.findall(r'caption-number">Fig\. (\S+) ', text)
    exercises = re.findall(r'caption-number">Exercise (\S+) ?', text)
    assert figures == [f"{number}.{i}" for i in range(1, len(figures) + 1)] != []
    assert exercises == [f"{number}.{i}" for i in range(1, len(exercises) + 1)] != []
