"""The built site, opened with the network off."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import DESKTOP, PAGES, SITE, Visit, open_page
from chromium import unavailable
from playwright.sync_api import Browser, BrowserContext

pytest.register_assert_rewrite("page_tests")


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    if not PAGES:
        unavailable("the site is not built: make book")
    context = browser.new_context(viewport=DESKTOP, color_scheme="light", offline=True)
    yield context
    context.close()


@pytest.fixture(scope="module")
def unscripted(browser: Browser) -> Iterator[BrowserContext]:
    """For what stands in the file of a page: its scripts take ten times as long as to read it."""
    context = browser.new_context(viewport=DESKTOP, offline=True, java_script_enabled=False)
    yield context
    context.close()


@pytest.fixture(scope="module")
def visit(path: Path, context: BrowserContext) -> Iterator[Visit]:
    """A page of the site, for all tests of it."""
    visit = open_page(context, path)
    visit.page.emulate_media(reduced_motion="reduce")  # colors change at once
    visit.page.wait_for_url(lambda url: url != path.as_uri() or path != SITE / "index.html")
    visit.page.evaluate("async () => { await window.MathJax?.startup?.promise; }")
    yield visit
    visit.page.close()
