"""What the tests of pages find: one page of each kind under all of axe's rules, and pages that must be refused."""

import sys
from collections.abc import Iterator
from pathlib import Path

import page_checks as checks
import pytest
from browsing import PHONE, ROOT, SITE, Visit, open_page
from page_tests import MIN_CONTRAST, axe_faults, evaluate, raw_syntax, set_theme
from playwright.sync_api import BrowserContext

sys.path.insert(0, str(ROOT / "book/_ext"))

from formula_marks import keep_marks

# One page of each kind: landing page, text, code and outputs, forms, reference.
KINDS = ["index", "notation", "claims_computed", "calculators", "api/runtime"]


@pytest.fixture(scope="module", params=KINDS)
def kind(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Visit]:
    folder = SITE / ("book" if request.param == "index" else "book/appendix")
    visit = open_page(context, folder / f"{request.param}.html")
    yield visit
    visit.page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_low_contrast_either(kind: Visit, theme: str) -> None:
    set_theme(kind, theme)
    assert axe_faults(kind, contrast=True) == []


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
<p>Words that say something, and <a href="#twice" style="text-decoration: none; color: blue">a link</a> among them.</p>
</article></body></html>"""


def test_a_page_with_things_out_of_reach_is_refused(context: BrowserContext, tmp_path: Path) -> None:
    visit = opened(context, tmp_path, OUT_OF_REACH)
    assert len(evaluate(visit, checks.CUT_OFF)) == 1
    assert evaluate(visit, checks.REPEATED_IDS) == ["twice"]
    assert evaluate(visit, checks.NOT_MARKED_CHINESE) == ["attention (注意力)"]
    assert evaluate(visit, checks.FORMULAS_IN_TAB_ORDER) == 1
    assert len(evaluate(visit, checks.IDENTIFIERS_WITHOUT_LINK)) == 1
    assert len(evaluate(visit, checks.OUT_OF_REACH)) == 1
    serious = ["image-alt", "link-in-text-block", "scrollable-region-focusable"]
    assert [fault.partition(":")[0] for fault in axe_faults(visit, contrast=False)] == serious
    assert [fault.partition(":")[0] for fault in axe_faults(visit, contrast=True)] == ["color-contrast", *serious]
    visit.page.close()


def test_a_price_that_is_set_as_a_formula_is_found() -> None:
    assert checks.PRICE.findall(r'about <span class="math notranslate">\(10,000 at \)</span>2.50') == ["10,000 at "]
    assert checks.PRICE.findall(r'<span class="math notranslate">\(2 n\)</span>') == []


def test_a_formula_keeps_what_touches_it() -> None:
    formula = '<span class="math notranslate nohighlight">\\(k &lt; n\\)</span>'
    kept = '<span class="nobreak">{}</span>'
    assert keep_marks(f"for ({formula}, and") == "for " + kept.format(f"({formula},") + " and"
    assert keep_marks(f"the {formula}-nearest-neighbor") == "the " + kept.format(f"{formula}-nearest") + "-neighbor"
    assert keep_marks(f"{formula}的 {formula} <b>") == f"{formula}的 {formula} <b>"
    assert keep_marks('<div class="math">\\(x\\)</div>.') == '<div class="math">\\(x\\)</div>.'


# Inline formulas whose comma or other mark stands on a line of its own.
TORN = """async () => {
  await window.MathJax?.startup?.promise;
  return [...document.querySelectorAll("span.math")].filter(e => {
    const next = e.nextSibling;
    if (next?.nodeType !== 3 || !/^[.,;:!?)]/.test(next.data)) return false;
    const mark = document.createRange();
    mark.setStart(next, 0);
    mark.setEnd(next, 1);
    return mark.getBoundingClientRect().top >= e.getBoundingClientRect().bottom;
  }).map(e => e.parentElement.textContent.slice(0, 80));
}"""


def test_no_comma_is_torn_from_its_formula_on_a_phone(context: BrowserContext) -> None:
    visit = open_page(context, SITE / "book/mathematics/regression.html")
    visit.page.set_viewport_size(PHONE)
    assert len(visit.page.query_selector_all(".nobreak")) > 20
    assert evaluate(visit, TORN) == []
    visit.page.close()
