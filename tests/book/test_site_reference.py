"""The built site: the API reference."""

from page_tests import PageTests, pages_in


class TestReference(PageTests):
    PAGES = pages_in("book/appendix/api")
