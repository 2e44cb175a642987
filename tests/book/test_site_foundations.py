"""The built site: the chapters of Foundations."""

from page_tests import PageTests, pages_in


class TestFoundations(PageTests):
    PAGES = pages_in("book/foundations")
