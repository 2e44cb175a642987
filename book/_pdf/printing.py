"""Pages of the built site, printed by headless Chromium."""

import html
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright
from pypdf import PdfReader

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
#: Outer margins of a sheet, as in ``book/_static/print.css``.
MARGIN = {"top": "18mm", "bottom": "20mm", "left": "16mm", "right": "16mm"}
FOOT = "font: 8pt sans-serif; color: #48566b; margin: 0 16mm; width: 100%; display: flex; justify-content: space-between"
HEADINGS = "article :is(h1, h2, h3, h4)"
LOADED = """async () => {
  document.querySelectorAll("img").forEach(image => { image.loading = "eager"; });
  await Promise.all([...document.images].filter(i => i.getAttribute("src")).map(i => i.decode()));
  await window.MathJax?.startup?.promise;
}"""


@dataclass(frozen=True)
class Printed:
    """A page of the site on paper: its name, the sheets, its headings as (depth, title, sheet counted from 0)."""

    name: str
    reader: PdfReader
    headings: list[tuple[int, str, int]]

    @property
    def title(self) -> str:
        """The page's own heading."""
        return self.headings[0][1] if self.headings else self.name


@contextmanager
def chromium() -> Iterator[Page]:
    """A tab of the system's Chromium, headless.

    Raises:
        SystemExit: if there is no Chromium.
    """
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        raise SystemExit(
            f"make pdf: expected one of {', '.join(CHROMIUM)} on the PATH, got none; install Chromium"
        )
    as_root = (
        ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=as_root)
        yield browser.new_page(color_scheme="light")
        browser.close()


def print_page(page: Page, site: Path, name: str) -> Printed:
    """Prints one page of the site, without page numbers."""
    page.goto((site / f"{name}.html").as_uri(), wait_until="load")
    page.evaluate(LOADED)
    titles = page.eval_on_selector_all(
        HEADINGS, "all => all.map(h => h.textContent.replace(/#$/, ''))"
    )
    reader = _sheets(page, outline=True, tagged=True)
    headings = _headings(reader, reader.outline, titles)
    return Printed(name, reader, list(headings))


def print_html(page: Page, text: str) -> PdfReader:
    """Prints a page that is written here."""
    page.goto("about:blank")
    page.set_content(text)
    return _sheets(page)


def feet(page: Page, count: int, title: str) -> PdfReader:
    """Sheets that hold nothing but a foot: the title and the number of the page."""
    page.goto("about:blank")
    page.set_content(
        "<div style='break-after: page'>&nbsp;</div>" * (count - 1) + "&nbsp;"
    )
    foot = f'<div style="{FOOT}"><span>{html.escape(title)}</span><span class="pageNumber"></span></div>'
    return _sheets(
        page,
        display_header_footer=True,
        header_template="<i></i>",
        footer_template=foot,
    )


def _sheets(page: Page, **options: Any) -> PdfReader:
    return PdfReader(
        BytesIO(
            page.pdf(format="A4", margin=MARGIN, print_background=True, **options)
        )
    )


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _headings(
    reader: PdfReader, outline: list[Any], titles: list[str], depth: int = 0
) -> Iterator[tuple[int, str, int]]:
    for entry in outline:
        if isinstance(entry, list):
            yield from _headings(reader, entry, titles, depth + 1)
        else:
            yield (
                depth,
                named(entry.title, titles),
                reader.get_destination_page_number(entry) or 0,
            )


def named(raw: str, titles: list[str]) -> str:
    """The heading that Chromium's outline means, taken off the page's ``titles`` with those before it.

    Chromium leaves spaces out at line breaks, and says twice a heading that it moved to the next sheet, line by line.
    """
    for k, title in enumerate(titles):
        if _squeezed(raw).startswith(_squeezed(title)[:8]):
            del titles[: k + 1]
            return title
    return raw
