"""The built site: the chapters of Building."""

from page_tests import PageTests, pages_in


class TestBuilding(PageTests):
    PAGES = pages_in("book/building")
