"""Chinese terms say that they are Chinese, so that browsers take Simplified Chinese shapes and readers' voices say them.

Works on the finished pages: headings, tables, captions, sidebars and what cells print are text there, whatever made them.
"""

import re

from finished_pages import change_pages
from sphinx.application import Sphinx

#: Ideographs, with the punctuation that stands among them.
IDEOGRAPHS = "\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff60"
# What is no text, or is marked already, is passed over in one piece. MathJax reads formulas that hold no tags.
PARTS = re.compile(
    r"<!--.*?-->"
    r"|<(?P<raw>script|style|title|textarea)\b.*?</(?P=raw)>"
    r'|<(?:span|div) class="math[^>]*>[^<]*'
    r'|<span lang="zh-Hans">[^<]*'
    r"""|<(?:"[^"]*"|'[^']*'|[^>"'])*>"""
    rf"|(?P<chinese>[{IDEOGRAPHS}]+)",
    re.S,
)


def mark_chinese(html: str) -> str:
    """The page with each run of Chinese text in ``<span lang="zh-Hans">``."""
    return PARTS.sub(
        lambda part: (
            f'<span lang="zh-Hans">{part[0]}</span>' if part["chinese"] else part[0]
        ),
        html,
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the last step of a build."""
    change_pages(app, mark_chinese)
    return {"parallel_read_safe": True}
