"""What a reader sees and reaches: nothing cut off, nothing out of reach of keyboard or voice, in light and dark."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import axe_playwright_python
import pytest
from browsing import CHAPTERS, DESKTOP, PAGES, PHONE, ROOT, SITE, open_page
from playwright.sync_api import BrowserContext, Page

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
FAULTS = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.filter(fault => ["serious", "critical"].includes(fault.impact))
    .map(fault => `${fault.id}: ${fault.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(" | ")}`);
}"""
THREE_FRAMES = """async () => {
  for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
}"""
CUT_OFF = """() => [...document.querySelectorAll("article div.cell pre, article div.cell_output")]
  .filter(box => box.scrollWidth > box.clientWidth).map(box => box.textContent.slice(0, 160))"""
REPEATED_IDS = """() => {
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  return ids.filter((id, i) => ids.indexOf(id) !== i);
}"""
NOT_MARKED_CHINESE = """() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (!/[\\u4e00-\\u9fff]/.test(text.data) || text.parentElement.closest("script, style, .math")) continue;
    if (text.parentElement.lang !== "zh-Hans") found.push(text.data.trim());
  }
  return found;
}"""
FORMULAS_IN_TAB_ORDER = """async () => {
  await window.MathJax?.startup?.promise;
  const stop = e => (e.tabIndex >= 0 && !e.matches(".wide")) || e.querySelector("[tabindex]");
  return [...document.querySelectorAll("mjx-container")].filter(stop).length;
}"""
IDENTIFIERS_WITHOUT_LINK = """() => [...document.querySelectorAll(".references li")].filter(entry => {
  const rest = entry.cloneNode(true);
  rest.querySelectorAll("a").forEach(link => link.remove());
  return /arxiv:|doi[:.]/i.test(rest.textContent);
}).map(entry => entry.textContent)"""
OUT_OF_REACH = """() => [...document.querySelectorAll("article :is(pre, .pst-scrollable-table-container, div.math)")]
  .filter(box => box.checkVisibility({contentVisibilityAuto: true}) && box.scrollWidth > box.clientWidth + 1)
  .filter(box => box.tabIndex < 0 || !box.matches(".more-right")).map(box => box.textContent.slice(0, 160))"""
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
# Two prices in a line, `$2 and $4`, are a formula to Markdown unless their signs are escaped.
PRICE = re.compile(r'class="math[^>]*>\\\((\d[\d,.]* (?:[a-z]+ )+)\\\)')
CHAPTER_PAGES = [SITE / path.relative_to(ROOT).with_suffix(".html") for path in CHAPTERS]
# The reference has tests of its own (and one page of it is longer than axe can read in a minute).
READ = [path for path in PAGES if "api" not in path.as_posix()]
LONG = SITE / "book/foundations/neural_networks.html"


@pytest.fixture(scope="module", params=READ or [None], ids=lambda path: path and path.relative_to(SITE).as_posix())
def page(request: pytest.FixtureRequest, context: BrowserContext) -> Iterator[Page]:
    """Each page of the site, opened once for all tests of it."""
    page = settled(context, request.param)
    yield page
    page.close()


def settled(context: BrowserContext, path: Path) -> Page:
    page = open_page(context, path).page
    page.emulate_media(reduced_motion="reduce")  # colors change at once
    page.wait_for_url(lambda url: url != path.as_uri() or path != SITE / "index.html")
    page.wait_for_load_state("load")
    page.evaluate("async () => { await window.MathJax?.startup?.promise; }")
    return page


def faults(page: Page) -> list[str]:
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE)
    return page.evaluate(FAULTS)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault(page: Page, theme: str) -> None:
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    assert faults(page) == []


def test_no_code_and_no_output_is_cut_off(page: Page) -> None:
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate("() => document.scrollingElement.scrollWidth") <= DESKTOP["width"]


def test_ids_are_unique(page: Page) -> None:
    assert page.evaluate(REPEATED_IDS) == []


def test_chinese_is_marked(page: Page) -> None:
    assert page.evaluate(NOT_MARKED_CHINESE) == []


def test_formulas_are_no_tab_stops(page: Page) -> None:
    assert page.evaluate(FORMULAS_IN_TAB_ORDER) == 0


def test_identifiers_of_references_are_links(page: Page) -> None:
    assert page.evaluate(IDENTIFIERS_WITHOUT_LINK) == []


def test_what_scrolls_on_a_phone_has_a_cue_and_the_keyboard_reaches_it(page: Page) -> None:
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(300)  # observers of sizes run after the layout
    found = page.evaluate(OUT_OF_REACH)
    page.set_viewport_size(DESKTOP)
    assert found == []


def test_no_price_is_set_as_a_formula(page: Page) -> None:
    path = Path(url2pathname(urlsplit(page.url).path))
    assert PRICE.findall(path.read_text(encoding="utf-8")) == []


def test_a_price_that_is_set_as_a_formula_is_found() -> None:
    assert PRICE.findall(r'about <span class="math notranslate">\(10,000 at \)</span>2.50') == ["10,000 at "]
    assert PRICE.findall(r'<span class="math notranslate">\(2 n\)</span>') == []


BAD_PAGE = """<html lang="en"><head><title>Bad</title></head><body><article>
<div class="cell" style="width: 100px"><pre style="overflow: auto">a line that is longer than its box</pre></div>
<p id="twice">attention (注意力)</p><p id="twice"></p><mjx-container tabindex="0">x</mjx-container>
<ul class="references"><li>Kaplan. arXiv:2001.08361, 2020.</li></ul><img src="data:,">
</article></body></html>"""


def test_a_bad_page_is_refused(context: BrowserContext, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text(BAD_PAGE, encoding="utf-8")
    page = open_page(context, path).page
    assert len(page.evaluate(CUT_OFF)) == 1
    assert page.evaluate(REPEATED_IDS) == ["twice"]
    assert page.evaluate(NOT_MARKED_CHINESE) == ["attention (注意力)"]
    assert page.evaluate(FORMULAS_IN_TAB_ORDER) == 1
    assert len(page.evaluate(IDENTIFIERS_WITHOUT_LINK)) == 1
    assert len(page.evaluate(OUT_OF_REACH)) == 1
    assert [fault.partition(":")[0] for fault in faults(page)] == ["image-alt", "scrollable-region-focusable"]
    page.close()


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


@pytest.mark.parametrize("chapter", CHAPTER_PAGES, ids=lambda path: path.stem)
def test_the_contents_follow_the_reader(context: BrowserContext, chapter: Path) -> None:
    page = settled(context, chapter)
    for section in page.eval_on_selector_all(".bd-toc-nav a", "all => all.map(a => a.hash.slice(1))"):
        page.evaluate(
            "id => window.scrollTo({top: document.getElementById(id).offsetTop - 100, behavior: 'instant'})", section
        )
        page.evaluate(THREE_FRAMES)  # the page reads its place once a frame
        marked = page.eval_on_selector_all(".bd-toc-nav [aria-current]", "all => all.map(a => a.hash.slice(1))")
        assert len(marked) == 1
        at = page.evaluate("id => document.getElementById(id).getBoundingClientRect().top", marked[0])
        assert at <= DESKTOP["height"]
        assert marked == [section] or at > 0  # short sections at the end share a window
    assert marked == [section]
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
