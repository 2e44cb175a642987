"""The built site, opened with the network off."""

from collections.abc import Iterator

import pytest
from browsing import DESKTOP, PAGES
from chromium import unavailable
from playwright.sync_api import Browser, BrowserContext


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
