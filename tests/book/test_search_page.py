"""The search of the built site, from the disk: what is found first, what a misspelt word gets, what stays marked."""

from urllib.parse import quote

import pytest
from browsing import SITE, Visit
from playwright.sync_api import BrowserContext


@pytest.fixture
def search(context: BrowserContext):
    """From a query to the search page, which is closed after the test."""
    visits: list[Visit] = []

    def ask(query: str) -> Visit:
        visits.append(Visit(context.new_page()))
        visits[-1].watch()
        visits[-1].page.goto(f"{(SITE / 'search.html').as_uri()}?q={quote(query)}")
        visits[-1].page.wait_for_selector("#search-results .search-status")
        return visits[-1]

    yield ask
    for visit in visits:
        assert visit.complaints == []
        visit.page.close()


def pages_of(visit: Visit) -> list[str]:
    """Which pages were found, in their order."""
    links = visit.page.eval_on_selector_all(".search-page h2 a", "all => all.map(a => a.pathname)")
    return [link.removeprefix(f"{SITE.as_posix()}/book/").removesuffix(".html") for link in links]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("F1", "building/evaluation"),
        ("backpropagation", "foundations/neural_networks"),
        ("byte-pair encoding", "building/pretraining"),
        ("注意力", "building/pretraining"),
        ("置信区间", "mathematics/inference"),
        ("反向传播", "foundations/neural_networks"),
        ("KV cache", "foundations/large_models"),
    ],
)
def test_who_teaches_a_term_is_found_first(search, query: str, first: str) -> None:
    assert pages_of(search(query))[0] == first


@pytest.mark.parametrize("query", ["sample size", "gradient", "F1", "bootstrap"])
def test_chapters_stand_before_the_reference(search, query: str) -> None:
    kinds = search(query).page.eval_on_selector_all(".search-page", "all => all.map(e => e.className.split('--')[1])")
    assert kinds.count("chapter") > 0
    assert kinds == sorted(kinds, key="reference".__eq__) != []


@pytest.mark.parametrize("name", ["bootstrap_ci", "TrainConfig"])
def test_the_name_of_a_function_finds_it(search, name: str) -> None:
    first = search(name).page.locator(".search-page li a").first
    assert (first.get_attribute("href") or "").endswith(f".{name}")


def test_excerpts_show_the_words_marked(search) -> None:
    page = search("注意力").page
    assert page.locator(".search-excerpt mark").all_inner_texts()[0] == "注意力"
    excerpts = page.locator(".search-excerpt").all_inner_texts()
    assert all(40 < len(text) < 400 for text in excerpts)


def test_a_misspelt_word_gets_a_suggestion(search) -> None:
    page = search("gradeint descent").page
    assert page.inner_text(".search-suggestion") == "gradient descent"
    page.click(".search-suggestion")
    page.wait_for_selector(".search-page")
    assert "q=gradient" in page.url


def test_a_word_that_is_nowhere_is_said_to_be(search) -> None:
    page = search("xqzzyw").page
    assert "Nothing was found for “xqzzyw”" in page.inner_text(".search-status")
    assert page.locator(".search-page, .search-suggestion").count() == 0


def test_a_query_is_text_and_not_markup(search) -> None:
    page = search("<img src=x onerror=alert(1)> f1").page
    assert page.locator("#search-results img").count() == 0


def test_marks_end_with_the_page_that_was_found(search) -> None:
    page = search("recall").page
    page.locator(".search-page li a").first.click()
    page.wait_for_selector("span.highlighted")
    page.click(".prev-next-area a >> nth=0")
    page.wait_for_load_state("networkidle")
    assert page.locator("span.highlighted").count() == 0


def test_sphinx_writes_no_second_index() -> None:
    assert (SITE / "_static/search_sections.js").exists()
    assert not (SITE / "searchindex.js").exists()
