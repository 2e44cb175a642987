"""The built site: the chapters of Cases and of Trust."""

from page_tests import PageTests, pages_in


class TestCases(PageTests):
    PAGES = pages_in("book/cases", "book/trust")
