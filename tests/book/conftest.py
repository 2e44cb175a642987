"""Headless Chromium with the network off, for the tests of the built site."""

import os
from collections.abc import Iterator

import pytest
from browsing import CHROMIUM, DESKTOP, PAGES, unavailable
from playwright.sync_api import Browser, BrowserContext, sync_playwright


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        unavailable("no Chromium on this machine")
    if not PAGES:
        unavailable("the site is not built: make book")
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        arguments = [*as_root, "--host-resolver-rules=MAP * ~NOTFOUND"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=DESKTOP, color_scheme="light", offline=True)
    yield context
    context.close()


@pytest.fixture(scope="module")
def unscripted(browser: Browser) -> Iterator[BrowserContext]:
    """For what stands in the file of a page: its scripts take ten times as long as to read it."""
    context = browser.new_context(viewport=DESKTOP, offline=True, java_script_enabled=False)
    yield context
    context.close()
