"""The API reference: every public name on one page, types short, examples first, fields once."""

import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from browsing import SITE, open_page
from playwright.sync_api import BrowserContext

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "book/appendix/api").glob("*.md"))
sys.path.insert(0, str(ROOT / "book/_ext"))

import api_pages  # noqa: E402 - the build finds them there, too
import api_text  # noqa: E402
from public_names import PublicName, public_names, public_packages  # noqa: E402


def names_on(page: Path) -> list[PublicName]:
    directives = api_pages.DIRECTIVE.findall(page.read_text(encoding="utf-8"))
    return [public for line in directives for public in api_pages.names_of(line.split()[0], line.split()[1:])]


def test_every_public_name_stands_on_exactly_one_page() -> None:
    packages = public_packages(ROOT / "companion")
    assert {"companion.runtime", "companion.models", "companion.stats", "companion.economics"} <= set(packages)
    public = {each.path for package in packages for each in public_names(package)}
    found = Counter(each.path for page in PAGES for each in names_on(page))
    assert public - set(found) == set(), "name their module in a page of book/appendix/api"
    assert [path for path, times in found.items() if times > 1] == []


def test_what_no_page_names_appears_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    named = ["companion.economics.bills", "companion.economics.laws"]
    monkeypatch.setattr(api_pages, "_named", lambda package: named)
    chosen = {public.module for public in api_pages.names_of("companion.economics", ["bills", "*"])}
    assert "companion.economics.bills" in chosen
    assert "companion.economics.memory" in chosen
    assert "companion.economics.laws" not in chosen


@pytest.mark.parametrize("package", public_packages(ROOT / "companion"))
def test_every_public_name_says_what_it_is_for(package: str) -> None:
    assert all(api_pages.first_sentence(public) for public in public_names(package))


def test_every_page_is_in_the_contents_below_the_reference() -> None:
    listed = re.findall(r"^ {10}- file: (book/appendix/api/\w+)$", (ROOT / "_toc.yml").read_text("utf-8"), re.M)
    assert sorted(listed) == [f"book/appendix/api/{page.stem}" for page in PAGES]


def test_names_are_found_where_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "somewhere"
    package.mkdir()
    (package / "__init__.py").write_text(
        'from somewhere.inner import LIMIT, new\nold = new\n__all__ = ["LIMIT", "new", "old"]\n'
    )
    (package / "inner.py").write_text("LIMIT = 3  #: most of them\ndef new():\n    pass\ndef hidden():\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = {public.name: public for public in public_names("somewhere")}
    assert {name: public.module for name, public in found.items()} == dict.fromkeys(found, "somewhere.inner")
    assert {name: public.kind for name, public in found.items()} == {
        "LIMIT": "data",
        "new": "function",
        "old": "function",
    }
    assert found["old"].other_name == "new"
    assert api_pages.first_sentence(found["old"]) == "Another name of ``new``."
    assert api_pages.first_sentence(found["LIMIT"]) == "most of them"


@dataclass
class Settings:
    """Some settings, e.g. of a :class:`companion.models.GPT`. More of them.

    Attributes:
        rate: how fast.
        name: which.

    Raises:
        ValueError: never.

    >>> Settings(0.1).name
    'one'
    """

    rate: float | None
    name: str = "one"


def measured(values: "Any", *, level: float = 0.9_5) -> "Settings":
    return Settings(level, values)


def test_signatures_are_as_the_source_has_them() -> None:
    def signature(what: str, value: Any) -> tuple[str | None, str | None]:
        return api_text.signature_as_written(None, what, "", value, None, None, None)  # type: ignore[arg-type]

    assert signature("function", measured) == ("(values: 'Any', *, level: float=0.95)", "'Settings'")
    assert signature("class", Settings) == ("(rate, name='one')", None)
    assert signature("method", Counter.most_common) == ("(n=None)", None)


def test_examples_come_first_and_fields_have_their_types() -> None:
    lines = ["Some settings.", "", "Attributes:", "    rate: how fast.", "    name: which.", "", "Raises:"]
    lines += ["    ValueError: never.", "", ">>> Settings(0.1).name", "'one'"]
    api_text.docstring(None, "class", "", Settings, None, lines)  # type: ignore[arg-type]
    assert [line for line in lines if line] == [
        "Some settings.",
        ">>> Settings(0.1).name",
        "'one'",
        "Attributes:",
        "    rate (``float | None``): how fast.",
        "    name (``str``): which.",
        "Raises:",
        "    ValueError: never.",
    ]


def test_the_first_sentence_has_no_links_and_knows_abbreviations() -> None:
    public = PublicName(__name__, "Settings", __name__)
    assert api_pages.first_sentence(public) == "Some settings, e.g. of a ``GPT``."
    assert api_pages.MARKUP.sub(r"``\1``", ":math:`T = g(a)` of :class:`GPT`") == ":math:`T = g(a)` of ``GPT``"


@pytest.mark.parametrize("name", [page.stem for page in PAGES])
def test_a_page_begins_with_its_names(unscripted: BrowserContext, name: str) -> None:
    page = open_page(unscripted, SITE / f"book/appendix/api/{name}.html").page
    rows = page.eval_on_selector_all("table.api-summary tr", "all => all.map(row => row.innerText.split(/\\s/)[0])")
    shown = page.eval_on_selector_all("article dl.py > dt.sig", "all => all.map(e => e.id).filter(id => id)")
    names = [public.path for public in names_on(PAGES[0].with_name(f"{name}.md"))]
    assert rows == [path.rpartition(".")[2] for path in names]
    assert set(names) <= set(shown)
    page.close()


def test_source_links_lead_to_the_code(context: BrowserContext) -> None:
    visit = open_page(context, SITE / "book/appendix/api/stats_metrics.html")
    visit.page.click("dt.sig[id='companion.stats.metric_ci'] a:has(.viewcode-link)")
    visit.page.wait_for_selector("text=def metric_ci")
    assert visit.complaints == []
    visit.page.close()


def test_the_sidebar_has_one_entry_that_opens(context: BrowserContext) -> None:
    visit = open_page(context, SITE / "book/index.html")
    entry = "nav.bd-links li:has(> a[href$='appendix/api.html'])"
    below = f"{entry} a[href*='appendix/api/']"
    assert visit.page.locator(below).count() == len(PAGES)
    assert not visit.page.locator(below).first.is_visible()
    visit.page.click(f"{entry} > details > summary > .toctree-toggle")
    assert visit.page.locator(below).first.is_visible()
    visit.page.close()
