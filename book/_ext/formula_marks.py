"""A formula keeps what touches it: browsers may break a line at either side of one, before its comma or '-th', too.

Works on the finished pages: the marks stand in the text around a formula, whatever made it.
"""

import re

from finished_pages import change_pages
from sphinx.application import Sphinx

#: A formula in a line with the brackets before it, and the marks or the word behind it, up to its next hyphen.
TOUCHED = re.compile(
    r'(?P<before>[(\[“‘]*)<span class="math[^>]*>[^<]*</span>'
    r"(?P<after>(?:-?[^\s<&(\[“‘—–\u2e80-\uffff-]+)?)"
)


def keep_marks(html: str) -> str:
    """The page with each formula and what touches it in ``<span class="nobreak">``."""
    return TOUCHED.sub(
        lambda found: (
            f'<span class="nobreak">{found[0]}</span>'
            if found["before"] or found["after"]
            else found[0]
        ),
        html,
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers a last step of a build."""
    change_pages(app, keep_marks)
    return {"parallel_read_safe": True}
