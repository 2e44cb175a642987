"""What a reader does with the site: the keyboard, figures, search, the button for light and dark."""

from pathlib import Path

import pytest
from browsing import PHONE, SITE, open_page
from playwright.sync_api import Browser, BrowserContext, Page

# The ring of what has the focus: its width, and its contrast with the page.
RING = """() => {
  const style = getComputedStyle(document.activeElement), page = getComputedStyle(document.body);
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = color => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(channel => linear(channel / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [dark, light] = [luminance(style.outlineColor), luminance(page.backgroundColor)].sort((a, b) => a - b);
  const seen = style.outlineStyle === "solid" ? parseFloat(style.outlineWidth) : 0;
  return [document.activeElement.outerHTML.slice(0, 120), seen, (light + 0.05) / (dark + 0.05)];
}"""
LONG = SITE / "book/foundations/neural_networks.html"


def settled(context: BrowserContext, path: Path) -> Page:
    page = open_page(context, path).page
    page.emulate_media(reduced_motion="reduce")  # colors change at once
    page.evaluate("async () => { await window.MathJax?.startup?.promise; }")
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_focus_of_the_keyboard_is_seen(context: BrowserContext, theme: str) -> None:
    page = settled(context, LONG)
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    for _ in range(45):  # the sidebar, the buttons above the article, its first links
        page.keyboard.press("Tab")
        element, width, contrast = page.evaluate(RING)
        assert width >= 2, element
        assert contrast >= 3, element
    page.close()


def test_a_figure_is_enlarged_and_put_back_by_the_keyboard(context: BrowserContext) -> None:
    page = settled(context, LONG)
    assert page.query_selector("dialog[open]") is None
    page.focus("article figure a.enlarge")
    page.keyboard.press("Enter")
    figure = page.wait_for_selector("dialog[open] img")
    assert figure is not None
    width = "image => image.getBoundingClientRect().width"
    assert figure.evaluate(width) > 1.2 * page.eval_on_selector("article figure img", width)
    assert figure.get_attribute("alt") == page.get_attribute("article figure img", "alt")
    page.keyboard.press("Escape")
    assert page.query_selector("dialog[open]") is None
    assert page.evaluate("() => document.activeElement.matches('a.enlarge')")
    page.close()


def test_a_figure_is_larger_than_a_phone_when_enlarged(context: BrowserContext) -> None:
    page = settled(context, LONG)
    page.set_viewport_size(PHONE)
    page.click("article figure a.enlarge")
    assert page.eval_on_selector("dialog[open] img", "image => image.clientWidth") > 1.5 * PHONE["width"]
    assert page.evaluate("() => document.scrollingElement.scrollWidth") <= PHONE["width"]
    page.close()


# Tables that a phone does not show whole, but for columns of numbers.
WIDE_TABLES = """() => [...document.querySelectorAll("table:not(.numbers)")]
  .filter(e => e.parentElement.scrollWidth > e.parentElement.clientWidth + 1).map(e => e.textContent.slice(0, 80))"""


@pytest.mark.parametrize("name", ["claims", "formulas", "notation", "published_numbers", "sources", "tools"])
def test_a_phone_shows_the_rows_of_the_appendix_as_cards(context: BrowserContext, name: str) -> None:
    page = settled(context, SITE / f"book/appendix/{name}.html")
    cells = page.query_selector_all("table.stacked tbody tr:first-child td")
    labels = [cell.evaluate("e => getComputedStyle(e, '::before').content") for cell in cells]
    assert set(labels) == {"none"}  # a desktop has the heads of the columns
    page.set_viewport_size(PHONE)
    heads = page.eval_on_selector("table.stacked", "e => [...e.tHead.rows[0].cells].map(cell => cell.textContent)")
    first = [cell.evaluate("e => getComputedStyle(e, '::before').content") for cell in cells[: len(heads)]]
    assert first == [f'"{head}"' for head in heads]
    assert page.evaluate(WIDE_TABLES) == []
    page.close()


def test_what_a_search_found_is_marked_on_the_page_of_the_result_only(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(SITE.joinpath("search.html").as_uri() + "?q=gradient")
    page.click("#search-results a")
    page.wait_for_selector("article .highlighted")
    page.click("a.right-next")
    page.wait_for_timeout(300)  # marks are set after the page has loaded
    assert page.query_selector("article h1") is not None
    assert page.query_selector("article .highlighted") is None
    page.close()


def test_search_finds_the_chapter(context: BrowserContext) -> None:
    visit = open_page(context, SITE / "book/index.html")
    visit.page.keyboard.press("Control+k")
    visit.page.keyboard.type("gradient")
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector("#search-results li a")
    visit.page.wait_for_load_state("networkidle")
    hits = visit.page.eval_on_selector_all("#search-results li a", "all => all.map(a => a.href)")
    assert any("foundations/neural_networks" in hit for hit in hits)
    assert visit.complaints == []
    visit.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_readers_scheme_and_the_button(browser: Browser, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme, offline=True)
    page = context.new_page()
    page.goto((SITE / "book/index.html").as_uri())
    theme = "() => document.documentElement.dataset.theme"
    assert page.evaluate(theme) == scheme
    seen = set()
    for _ in range(3):  # the button goes round: as the system is, light, dark
        page.click(".theme-switch-button:visible")
        seen.add(page.evaluate(theme))
    assert seen == {"light", "dark"}
    context.close()
