"""What a page says of itself outside the page: the title of its tab, a description, and Open Graph's tags.

The description of a chapter is its decision and the answer; of any other page, its first paragraph. There is no
preview image: its address would have to be absolute, and the site does not know where it will be put.
"""

import html
from pathlib import Path
from typing import Any

from chapter_facts import read_chapter
from docutils import nodes
from sphinx.application import Sphinx

LONGEST = 200  # characters; about what a search engine shows


def description(root: Path, pagename: str, doctree: nodes.document | None) -> str:
    """One or two sentences on a page; empty where it has no paragraph, as the search page."""
    if chapter := read_chapter(root, pagename):
        return shortened(f"{chapter.decision} {chapter.answer}")
    paragraphs = [] if doctree is None else doctree.findall(nodes.paragraph)
    return shortened(next((" ".join(p.astext().split()) for p in paragraphs), ""))


def shortened(text: str) -> str:
    """At most so many characters, whole words."""
    if len(text) <= LONGEST:
        return text
    return text[:LONGEST].rpartition(" ")[0].rstrip(",;:.") + " …"


def add_heads(
    app: Sphinx,
    pagename: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Puts them into the page's context."""
    site, titles = app.config.html_title, app.env.titles
    title = titles[pagename].astext() if pagename in titles else "Search"
    context["tab_title"] = site if title == site else f"{title} · {site}"
    about = {
        "og:type": "website" if pagename == app.config.root_doc else "article",
        "og:site_name": site,
        "og:title": title,
    }
    tags = [
        f'<meta property="{k}" content="{html.escape(v)}" />'
        for k, v in about.items()
    ]
    if text := html.escape(description(Path(app.srcdir), pagename, doctree)):
        tags.append(f'<meta name="description" content="{text}" />')
        tags.append(f'<meta property="og:description" content="{text}" />')
    context["metatags"] = context.get("metatags", "") + "\n".join(tags)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the hook."""
    app.connect("html-page-context", add_heads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
