"""What the pages of the servers share is in each of them, once, and nothing of it is asked for elsewhere."""

import re

import pytest

from companion.serving.pages import page_of


@pytest.mark.parametrize("package", ["companion.serving", "companion.cases.apps"])
def test_a_page_holds_the_shared_style(package: str) -> None:
    page = page_of(package)
    assert len(re.findall("<style>", page)) == page.count(":root { color-scheme") == 1
    assert "/* STYLE */" not in page
    assert re.findall(r"""(?:src|href)=["'](?!data:)|@import|url\(""", page) == []
    [style] = re.findall("<style>(.*)</style>", page, re.S)
    assert style.count("{") == style.count("}")
    colors = set(re.findall(r"var\((--\w+)\)", style))
    assert colors <= set(re.findall(r"(--\w+):", style))
