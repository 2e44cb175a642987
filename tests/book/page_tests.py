"""What is asked of every page of the built site. A file each for some of the pages: they run side by side."""

import re
from pathlib import Path
from typing import Any, ClassVar

import page_checks as checks
import pytest
from browsing import CHAPTERS, DESKTOP, PAGES, PHONE, ROOT, SITE, Visit

MIN_CONTRAST = 4.5  # WCAG 2.1, level AA, body text
MAX_REFERENCE_HEIGHT = 15_000  # pixels at 1280
CHAPTER_OF = {SITE / path.relative_to(ROOT).with_suffix(".html"): path for path in CHAPTERS}


def pages_in(*folders: str) -> list[Path]:
    """The pages that stand in these folders of the site, not below them."""
    return [path for path in PAGES if path.parent.relative_to(SITE).as_posix() in folders]


def name_of(path: Path | None) -> str:
    return path.relative_to(SITE).with_suffix("").as_posix() if path else "no-site"


def evaluate(visit: Visit, script: str, argument: Any = None) -> Any:
    return visit.page.evaluate(script, argument)


def set_theme(visit: Visit, theme: str) -> None:
    visit.page.emulate_media(reduced_motion="reduce")  # a button half-way between two colors has a contrast of neither
    evaluate(visit, "theme => { document.documentElement.dataset.theme = theme }", theme)


def axe_faults(visit: Visit, *, contrast: bool) -> list[str]:
    if not evaluate(visit, "() => 'axe' in window"):
        evaluate(visit, checks.AXE)
    return evaluate(visit, checks.AXE_FAULTS, contrast)


def raw_syntax(visit: Visit) -> list[str]:
    text = evaluate(visit, checks.VISIBLE_TEXT) if visit.page.query_selector("article") else ""
    return [match.group() for line in text.splitlines() for match in checks.RAW_SYNTAX.finditer(line.strip())]


class PageTests:
    """Each page is opened once for all of them; they leave it at the desktop's size."""

    PAGES: ClassVar[list[Path]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "path" in metafunc.fixturenames:
            metafunc.parametrize("path", self.PAGES or [None], ids=name_of, scope="module")

    def test_every_formula_is_typeset(self, visit: Visit) -> None:
        assert evaluate(visit, checks.UNTYPESET) == []

    def test_formulas_are_no_tab_stops(self, visit: Visit) -> None:
        assert evaluate(visit, checks.FORMULAS_IN_TAB_ORDER) == 0

    def test_no_price_is_set_as_a_formula(self, visit: Visit, path: Path) -> None:
        assert checks.PRICE.findall(path.read_text(encoding="utf-8")) == []

    def test_every_image_is_loaded_and_described(self, visit: Visit) -> None:
        assert evaluate(visit, checks.BROKEN_IMAGES) == []

    def test_no_raw_syntax_is_visible(self, visit: Visit) -> None:
        assert raw_syntax(visit) == []

    def test_axe_finds_no_serious_fault(self, visit: Visit) -> None:
        assert axe_faults(visit, contrast=False) == []

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_text_is_legible(self, visit: Visit, theme: str) -> None:
        set_theme(visit, theme)
        assert evaluate(visit, checks.LOW_CONTRAST, MIN_CONTRAST) == []

    def test_no_code_and_no_output_is_cut_off(self, visit: Visit) -> None:
        assert evaluate(visit, checks.CUT_OFF) == []
        assert evaluate(visit, "() => document.scrollingElement.scrollWidth") <= DESKTOP["width"]

    def test_no_page_of_the_reference_is_too_long(self, visit: Visit, path: Path) -> None:
        limit = MAX_REFERENCE_HEIGHT if "api" in path.parts else float("inf")
        assert evaluate(visit, "() => document.documentElement.scrollHeight") <= limit

    def test_ids_are_unique(self, visit: Visit) -> None:
        assert evaluate(visit, checks.REPEATED_IDS) == []

    def test_chinese_is_marked(self, visit: Visit) -> None:
        assert evaluate(visit, checks.NOT_MARKED_CHINESE) == []

    def test_identifiers_of_references_are_links(self, visit: Visit) -> None:
        assert evaluate(visit, checks.IDENTIFIERS_WITHOUT_LINK) == []

    def test_the_contents_of_a_chapter_follow_the_reader(self, visit: Visit, path: Path) -> None:
        if path not in CHAPTER_OF:
            return
        sections = visit.page.eval_on_selector_all(".bd-toc-nav a", "all => all.map(a => a.hash.slice(1))")
        seen = evaluate(visit, checks.CONTENTS_FOLLOW, sections)
        for section, marked, at in seen:
            assert len(marked) == 1
            assert at[0] <= DESKTOP["height"]
            assert marked == [section] or at[0] > 0  # short sections at the end share a window
        assert seen[-1][1] == [sections[-1]]

    def test_a_phone_does_not_scroll_sideways_and_what_scrolls_has_a_cue_and_is_reached(self, visit: Visit) -> None:
        visit.page.set_viewport_size(PHONE)
        for wait in (30, 100, *[300] * 10):  # observers of sizes run after the layout, later on a busy machine
            visit.page.wait_for_timeout(wait)
            if not (found := evaluate(visit, checks.OUT_OF_REACH)):
                break
        width = evaluate(visit, "() => document.scrollingElement.scrollWidth")
        visit.page.set_viewport_size(DESKTOP)
        assert width <= PHONE["width"]
        assert found == []

    def test_a_chapter_is_downloaded_from_the_disk_as_it_is(self, visit: Visit, path: Path) -> None:
        if path not in CHAPTER_OF:
            return
        chapter = CHAPTER_OF[path]
        link = visit.page.eval_on_selector(".btn-download-source-button", "link => link.href")
        assert Path(link.removeprefix("file://")).read_bytes() == chapter.read_bytes()
        visit.page.click(".dropdown-download-buttons button")
        with visit.page.expect_download() as download:
            visit.page.click(".btn-download-source-button")
        assert download.value.suggested_filename == chapter.name
        assert Path(download.value.path()).read_bytes() == chapter.read_bytes()

    def test_links_to_files_of_the_site_resolve(self, visit: Visit) -> None:
        links = evaluate(visit, "() => [...document.querySelectorAll('a[href]')].map(a => a.href.split(/[?#]/)[0])")
        files = {link.removeprefix("file://") for link in links if link.startswith("file:")}
        assert [file for file in sorted(files) if not Path(file).exists()] == []

    def test_nothing_is_missing_or_fetched_elsewhere(self, visit: Visit) -> None:
        """Last of the tests of a page: by now it has loaded all that it asks for."""
        visit.page.wait_for_load_state("networkidle")
        assert visit.complaints == []
        elsewhere = r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=[\"'](?:https?:)?//[^\"']*"
        assert re.findall(elsewhere, visit.page.content()) == []
