"""The built site: the chapters of Mathematics and of Venture."""

from page_tests import PageTests, pages_in


class TestMathematics(PageTests):
    PAGES = pages_in("book/mathematics", "book/venture")
