"""The built site, opened from disk in headless Chromium with the network off."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import CHAPTERS, DESKTOP, PAGES, PHONE, ROOT, SITE, Visit, open_page
from playwright.sync_api import Browser, BrowserContext

NAMES = [path.relative_to(SITE).with_suffix("").as_posix() for path in PAGES]
MIN_CONTRAST = 4.5  # WCAG 2.1, level AA, body text

# What a reader would see of MyST or reStructuredText that was not understood.
RAW_SYNTAX = re.compile(
    r"```|:::|\{[a-z]+(?::[a-z]+)*\}`|\{(?:exercise|solution|admonition|note|figure|bibliography|eval-rst)"
    r"|\$\$|\$[A-Za-z\\][^$\n]{0,80}\$|:[a-z]+:`|``|\*\*\w|\]\(|^#{1,6} "
)
VISIBLE_TEXT = """() => {
  const article = document.querySelector("article").cloneNode(true);
  article.querySelectorAll("pre, code, script, style, .math, .sig, a.headerlink").forEach(e => e.remove());
  return article.textContent;
}"""
UNTYPESET = """async () => {
  const formulas = [...document.querySelectorAll(".math")];
  if (formulas.length === 0) return [];
  await MathJax.startup.promise;
  const bad = formulas.filter(e => e.querySelectorAll("mjx-container").length !== 1 || e.querySelector("mjx-merror"));
  return bad.map(e => e.textContent);
}"""
# The mark stands beside the name that it would be described by.
BROKEN_IMAGES = """async () => {
  const images = [...document.images];
  images.forEach(e => { e.loading = "eager"; });
  await Promise.allSettled(images.map(e => e.decode()));
  const bad = images.filter(e => e.naturalWidth === 0 || !(e.alt || e.matches(".logo__image")));
  return bad.map(e => e.outerHTML.slice(0, 200));
}"""
# Pairs of text color and ground that a reader meets in the article, with the contrast of WCAG 2.1.
LOW_CONTRAST = """minimum => {
  const channels = color => color.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = channels(getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const low = new Set();
  for (const e of document.querySelectorAll("article *")) {
    if (e.matches(".headerlink, mjx-container *, svg *, script, style, button")) continue;
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility()) continue;
    const text = channels(getComputedStyle(e).color), back = ground(e);
    const [dark, light] = [luminance(text), luminance(back)].sort((a, b) => a - b);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < minimum) low.add(`${e.localName}.${e.className} ${contrast.toFixed(2)}: ${text} on ${back}`);
  }
  return [...low];
}"""


@pytest.fixture(scope="module", params=PAGES or [None], ids=NAMES or ["no-site"])
def visit(request: pytest.FixtureRequest, context: BrowserContext) -> Iterator[Visit]:
    """Each page of the site, opened once for all tests of it."""
    visit = open_page(context, request.param)
    visit.page.wait_for_url(lambda url: url != request.param.as_uri() or request.param != SITE / "index.html")
    visit.page.wait_for_load_state("networkidle")
    yield visit
    visit.page.close()


def evaluate(visit: Visit, script: str, argument: Any = None) -> Any:
    return visit.page.evaluate(script, argument)


def test_every_formula_is_typeset(visit: Visit) -> None:
    assert evaluate(visit, UNTYPESET) == []


def test_every_image_is_loaded_and_described(visit: Visit) -> None:
    assert evaluate(visit, BROKEN_IMAGES) == []


def raw_syntax(visit: Visit) -> list[str]:
    text = evaluate(visit, VISIBLE_TEXT) if visit.page.query_selector("article") else ""
    return [match.group() for line in text.splitlines() for match in RAW_SYNTAX.finditer(line.strip())]


def test_no_raw_syntax_is_visible(visit: Visit) -> None:
    assert raw_syntax(visit) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_legible(visit: Visit, theme: str) -> None:
    evaluate(visit, "theme => { document.documentElement.dataset.theme = theme }", theme)
    assert evaluate(visit, LOW_CONTRAST, MIN_CONTRAST) == []


def test_a_phone_does_not_scroll_sideways(visit: Visit) -> None:
    visit.page.set_viewport_size(PHONE)
    width = evaluate(visit, "() => document.scrollingElement.scrollWidth")
    visit.page.set_viewport_size(DESKTOP)
    assert width <= PHONE["width"]


def test_links_to_files_of_the_site_resolve(visit: Visit) -> None:
    links = evaluate(visit, "() => [...document.querySelectorAll('a[href]')].map(a => a.href.split(/[?#]/)[0])")
    files = {link.removeprefix("file://") for link in links if link.startswith("file:")}
    assert [file for file in sorted(files) if not Path(file).exists()] == []


def test_nothing_is_missing_or_fetched_elsewhere(visit: Visit) -> None:
    """Last of the tests of a page: by now it has loaded all that it asks for."""
    assert visit.complaints == []
    elsewhere = r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=[\"'](?:https?:)?//[^\"']*"
    assert re.findall(elsewhere, visit.page.content()) == []


BAD_PAGE = """<html><head><script>var MathJax = {startup: {promise: Promise.resolve()}}</script></head><body><article>
<p style="color: #999; background: #fff">pale</p> <img src="gone.png" alt="gone">
<p>{cite:p}`key`</p><p>$x^2$</p><p>:::{note}</p><p>## Heading</p> <span class="math">\\(x\\)</span>
<script src="https://example.org/script.js"></script><script>undefined_function()</script>
</article></body></html>"""


def test_a_bad_page_is_refused(context: BrowserContext, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text(BAD_PAGE, encoding="utf-8")
    visit = open_page(context, path)
    assert len(evaluate(visit, UNTYPESET)) == 1
    assert len(evaluate(visit, BROKEN_IMAGES)) == 1
    assert len(evaluate(visit, LOW_CONTRAST, MIN_CONTRAST)) == 1
    assert len(raw_syntax(visit)) == 4
    for complaint in ("asks for https://example.org", "could not load file:", "could not load https:", "error: "):
        assert [text for text in visit.complaints if text.startswith(complaint)]
    visit.page.close()


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_can_be_downloaded(context: BrowserContext, chapter: Path) -> None:
    page = context.new_page()
    page.goto((SITE / chapter.relative_to(ROOT).with_suffix(".html")).as_uri())
    links = page.eval_on_selector_all(".btn-download-source-button", "all => all.map(a => a.href)")
    page.close()
    assert links
    assert Path(links[0].removeprefix("file://")).read_bytes() == chapter.read_bytes()


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
