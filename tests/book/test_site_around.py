"""The built site: the pages around the chapters, and that no page is left out."""

from importlib import import_module
from itertools import chain
from pathlib import Path

from browsing import PAGES
from page_tests import PageTests, pages_in


class TestAround(PageTests):
    PAGES = pages_in(".", "book", "book/appendix")


def test_each_page_has_its_tests_in_one_file() -> None:
    for file in Path(__file__).parent.glob("test_site_*.py"):
        import_module(file.stem)
    tested = chain.from_iterable(kind.PAGES for kind in PageTests.__subclasses__())
    assert sorted(tested) == PAGES
