"""Every page of the built site, opened once in headless Chromium with the network off, for all that is asked of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import page_checks as checks
import pytest
from browsing import CHAPTERS, DESKTOP, PAGES, PHONE, ROOT, SITE, Visit, open_page
from playwright.sync_api import BrowserContext

MIN_CONTRAST = 4.5  # WCAG 2.1, level AA, body text
MAX_REFERENCE_HEIGHT = 15_000  # pixels at 1280
THREE_FRAMES = """async () => {
  for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
}"""
CHAPTER_OF = {SITE / path.relative_to(ROOT).with_suffix(".html"): path for path in CHAPTERS}


def name_of(path: Path | None) -> str:
    return path.relative_to(SITE).with_suffix("").as_posix() if path else "no-site"


@pytest.fixture(scope="module", params=PAGES or [None], ids=name_of)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(scope="module")
def visit(path: Path, context: BrowserContext) -> Iterator[Visit]:
    """Each page of the site, opened once for all tests of it; they leave it at the desktop's size."""
    visit = open_page(context, path)
    visit.page.emulate_media(reduced_motion="reduce")  # colors change at once
    visit.page.wait_for_url(lambda url: url != path.as_uri() or path != SITE / "index.html")
    visit.page.wait_for_load_state("networkidle")
    visit.page.evaluate("async () => { await window.MathJax?.startup?.promise; }")
    yield visit
    visit.page.close()


def evaluate(visit: Visit, script: str, argument: Any = None) -> Any:
    return visit.page.evaluate(script, argument)


def set_theme(visit: Visit, theme: str) -> None:
    visit.page.emulate_media(reduced_motion="reduce")  # a button half-way between two colors has a contrast of neither
    evaluate(visit, "theme => { document.documentElement.dataset.theme = theme }", theme)


def axe_faults(visit: Visit, *, contrast: bool) -> list[str]:
    if not evaluate(visit, "() => 'axe' in window"):
        evaluate(visit, checks.AXE)
    return evaluate(visit, checks.AXE_FAULTS, contrast)


def test_every_formula_is_typeset(visit: Visit) -> None:
    assert evaluate(visit, checks.UNTYPESET) == []


def test_formulas_are_no_tab_stops(visit: Visit) -> None:
    assert evaluate(visit, checks.FORMULAS_IN_TAB_ORDER) == 0


def test_no_price_is_set_as_a_formula(path: Path) -> None:
    assert checks.PRICE.findall(path.read_text(encoding="utf-8")) == []


def test_every_image_is_loaded_and_described(visit: Visit) -> None:
    assert evaluate(visit, checks.BROKEN_IMAGES) == []


def raw_syntax(visit: Visit) -> list[str]:
    text = evaluate(visit, checks.VISIBLE_TEXT) if visit.page.query_selector("article") else ""
    return [match.group() for line in text.splitlines() for match in checks.RAW_SYNTAX.finditer(line.strip())]


def test_no_raw_syntax_is_visible(visit: Visit) -> None:
    assert raw_syntax(visit) == []


def test_axe_finds_no_serious_fault(visit: Visit) -> None:
    assert axe_faults(visit, contrast=False) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_legible(visit: Visit, theme: str) -> None:
    set_theme(visit, theme)
    assert evaluate(visit, checks.LOW_CONTRAST, MIN_CONTRAST) == []


def test_no_code_and_no_output_is_cut_off(visit: Visit) -> None:
    assert evaluate(visit, checks.CUT_OFF) == []
    assert evaluate(visit, "() => document.scrollingElement.scrollWidth") <= DESKTOP["width"]


def test_no_page_of_the_reference_is_too_long(visit: Visit, path: Path) -> None:
    limit = MAX_REFERENCE_HEIGHT if "api" in path.parts else float("inf")
    assert evaluate(visit, "() => document.documentElement.scrollHeight") <= limit


def test_ids_are_unique(visit: Visit) -> None:
    assert evaluate(visit, checks.REPEATED_IDS) == []


def test_chinese_is_marked(visit: Visit) -> None:
    assert evaluate(visit, checks.NOT_MARKED_CHINESE) == []


def test_identifiers_of_references_are_links(visit: Visit) -> None:
    assert evaluate(visit, checks.IDENTIFIERS_WITHOUT_LINK) == []


def test_the_contents_of_a_chapter_follow_the_reader(visit: Visit, path: Path) -> None:
    page = visit.page
    sections = page.eval_on_selector_all(".bd-toc-nav a", "all => all.map(a => a.hash.slice(1))")
    for section in sections if path in CHAPTER_OF else []:
        page.evaluate(
            "id => window.scrollTo({top: document.getElementById(id).offsetTop - 100, behavior: 'instant'})", section
        )
        page.evaluate(THREE_FRAMES)  # the page reads its place once a frame
        marked = page.eval_on_selector_all(".bd-toc-nav [aria-current]", "all => all.map(a => a.hash.slice(1))")
        assert len(marked) == 1
        at = page.evaluate("id => document.getElementById(id).getBoundingClientRect().top", marked[0])
        assert at <= DESKTOP["height"]
        assert marked == [section] or at > 0  # short sections at the end share a window
    assert path not in CHAPTER_OF or marked == [sections[-1]]


def test_a_phone_does_not_scroll_sideways_and_what_scrolls_has_a_cue_and_is_reached(visit: Visit) -> None:
    visit.page.set_viewport_size(PHONE)
    for _ in range(10):
        visit.page.wait_for_timeout(300)  # observers of sizes run after the layout, later on a busy machine
        if not (found := evaluate(visit, checks.OUT_OF_REACH)):
            break
    width = evaluate(visit, "() => document.scrollingElement.scrollWidth")
    visit.page.set_viewport_size(DESKTOP)
    assert width <= PHONE["width"]
    assert found == []


def test_a_chapter_can_be_downloaded_as_it_is(visit: Visit, path: Path) -> None:
    links = visit.page.eval_on_selector_all(".btn-download-source-button", "all => all.map(a => a.href)")
    if path in CHAPTER_OF:
        assert Path(links[0].removeprefix("file://")).read_bytes() == CHAPTER_OF[path].read_bytes()


def test_links_to_files_of_the_site_resolve(visit: Visit) -> None:
    links = evaluate(visit, "() => [...document.querySelectorAll('a[href]')].map(a => a.href.split(/[?#]/)[0])")
    files = {link.removeprefix("file://") for link in links if link.startswith("file:")}
    assert [file for file in sorted(files) if not Path(file).exists()] == []


def test_nothing_is_missing_or_fetched_elsewhere(visit: Visit) -> None:
    """Last of the tests of a page: by now it has loaded all that it asks for."""
    assert visit.complaints == []
    elsewhere = r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=[\"'](?:https?:)?//[^\"']*"
    assert re.findall(elsewhere, visit.page.content()) == []


# One page of each kind: landing page, text, code and outputs, forms, reference.
KINDS = ["index", "notation", "claims_computed", "calculators", "api/runtime"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_no_low_contrast_either(context: BrowserContext, kind: str, theme: str) -> None:
    folder = SITE / ("book" if kind == "index" else "book/appendix")
    visit = open_page(context, folder / f"{kind}.html")
    set_theme(visit, theme)
    assert axe_faults(visit, contrast=True) == []
    visit.page.close()


BAD_PAGE = """<html><head><script>var MathJax = {startup: {promise: Promise.resolve()}}</script></head><body><article>
<p style="color: #999; background: #fff">pale</p> <img src="gone.png" alt="gone">
<p>{cite:p}`key`</p><p>$x^2$</p><p>:::{note}</p><p>## Heading</p> <span class="math">\\(x\\)</span>
<script src="https://example.org/script.js"></script><script>undefined_function()</script>
</article></body></html>"""


def opened(context: BrowserContext, folder: Path, text: str) -> Visit:
    path = folder / "bad.html"
    path.write_text(text, encoding="utf-8")
    return open_page(context, path)


def test_a_bad_page_is_refused(context: BrowserContext, tmp_path: Path) -> None:
    visit = opened(context, tmp_path, BAD_PAGE)
    assert len(evaluate(visit, checks.UNTYPESET)) == 1
    assert len(evaluate(visit, checks.BROKEN_IMAGES)) == 1
    assert len(evaluate(visit, checks.LOW_CONTRAST, MIN_CONTRAST)) == 1
    assert len(raw_syntax(visit)) == 4
    for complaint in ("asks for https://example.org", "could not load file:", "could not load https:", "error: "):
        assert [text for text in visit.complaints if text.startswith(complaint)]
    visit.page.close()


OUT_OF_REACH = """<html lang="en"><head><title>Bad</title></head><body><article>
<div class="cell" style="width: 100px"><pre style="overflow: auto">a line that is longer than its box</pre></div>
<p id="twice">attention (注意力)</p><p id="twice"></p><mjx-container tabindex="0">x</mjx-container>
<ul class="references"><li>Kaplan. arXiv:2001.08361, 2020.</li></ul><img src="data:,">
<p style="color: #999; background: #fff">pale</p>
</article></body></html>"""


def test_a_page_with_things_out_of_reach_is_refused(context: BrowserContext, tmp_path: Path) -> None:
    visit = opened(context, tmp_path, OUT_OF_REACH)
    assert len(evaluate(visit, checks.CUT_OFF)) == 1
    assert evaluate(visit, checks.REPEATED_IDS) == ["twice"]
    assert evaluate(visit, checks.NOT_MARKED_CHINESE) == ["attention (注意力)"]
    assert evaluate(visit, checks.FORMULAS_IN_TAB_ORDER) == 1
    assert len(evaluate(visit, checks.IDENTIFIERS_WITHOUT_LINK)) == 1
    assert len(evaluate(visit, checks.OUT_OF_REACH)) == 1
    serious = ["image-alt", "scrollable-region-focusable"]
    assert [fault.partition(":")[0] for fault in axe_faults(visit, contrast=False)] == serious
    assert [fault.partition(":")[0] for fault in axe_faults(visit, contrast=True)] == ["color-contrast", *serious]
    visit.page.close()


def test_a_price_that_is_set_as_a_formula_is_found() -> None:
    assert checks.PRICE.findall(r'about <span class="math notranslate">\(10,000 at \)</span>2.50') == ["10,000 at "]
    assert checks.PRICE.findall(r'<span class="math notranslate">\(2 n\)</span>') == []
