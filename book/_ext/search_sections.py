"""What the search reads: the sections of all pages as one script, so that it also works from the disk (``search.js``).

A record is a section of a page, or a documented object: the kind of its page, where it is, its titles, its prose, and
its code. The script is loaded by the search page only.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chapter_facts import read_chapter
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

SCRIPT = "_static/search_sections.js"
PREFIX = "const SEARCH_SECTIONS = "
# What is not prose, or stands in the record already.
SILENT = (nodes.title, nodes.raw, nodes.comment, nodes.math_block, nodes.target)


def records(
    page: dict[str, Any], doctree: nodes.document
) -> Iterator[dict[str, Any]]:
    """The records of a page."""
    for node in doctree.findall(is_apart):
        if isinstance(node, nodes.section):
            anchor, heading = node["ids"][0], node[0].astext()
        else:
            anchor = heading = node[0]["ids"][0]
        text: dict[str, list[str]] = {"text": [], "code": []}
        for child in node.children[1:]:
            _collect(child, text)
        yield {
            **page,
            "anchor": "" if node.parent is doctree else anchor,
            "heading": heading,
            **{
                name: " ".join(" ".join(parts).split())
                for name, parts in text.items()
            },
        }


def is_apart(node: nodes.Node) -> bool:
    """Whether a node has a record of its own: a section with a title, or a documented object with an address."""
    if isinstance(node, nodes.section):
        return isinstance(node[0], nodes.title)
    return isinstance(node, addnodes.desc) and bool(node[0].get("ids"))


def _collect(node: nodes.Node, text: dict[str, list[str]]) -> None:
    """Sorts the text below a node into prose and code; formulas that need TeX are left out."""
    if isinstance(node, SILENT) or is_apart(node):
        return
    if isinstance(node, nodes.literal_block):
        text["code"].append(node.astext())
    elif isinstance(node, nodes.math):
        text["text"].append(
            "" if "\\" in node.astext() else re.sub(r"[_^{}]", "", node.astext())
        )
    elif isinstance(node, nodes.Text):
        text["text"].append(node.astext())
    elif isinstance(node, nodes.TextElement):
        parts: dict[str, list[str]] = {"text": [], "code": text["code"]}
        for child in node.children:
            _collect(child, parts)
        text["text"].append("".join(parts["text"]))
    else:
        for child in node.children:
            _collect(child, text)


def collect_page(
    app: Sphinx,
    pagename: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Keeps the records of a page that is being written."""
    if doctree is None:
        return
    documents = any(True for _ in doctree.findall(addnodes.desc))
    chapter = read_chapter(Path(app.srcdir), pagename)
    number = app.env.toc_secnumbers.get(pagename, {}).get("")
    page = {
        "kind": "chapter" if chapter else "reference" if documents else "page",
        "page": pagename,
        "title": (f"{number[0]}. " if number else "")
        + app.env.titles[pagename].astext(),
    }
    app.search_sections[pagename] = list(records(page, doctree))  # type: ignore[attr-defined]


def write_script(app: Sphinx, failure: Exception | None) -> None:
    """Writes the script; what this build did not write again is taken from the last one."""
    if failure or app.builder.format != "html":
        return
    path, pages = Path(app.outdir, SCRIPT), app.search_sections  # type: ignore[attr-defined]
    if path.exists():
        for record in json.loads(
            path.read_text(encoding="utf-8").removeprefix(PREFIX).rstrip(";\n")
        ):
            if record["page"] in app.env.found_docs - pages.keys():
                pages.setdefault("before", []).append(record)
    everything = [record for page in sorted(pages) for record in pages[page]]
    path.write_text(
        PREFIX + json.dumps(everything, ensure_ascii=False) + ";\n",
        encoding="utf-8",
    )


def leave_out_sphinx_index(app: Sphinx) -> None:
    """Sphinx's own index is made and written for its own search page, which ours replaces."""
    if app.builder.format == "html":
        for name in ("load_indexer", "index_page", "dump_search_index"):
            setattr(app.builder, name, lambda *_: None)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the hooks."""
    app.search_sections = {}  # type: ignore[attr-defined]
    app.connect("builder-inited", leave_out_sphinx_index)
    app.connect("html-page-context", collect_page)
    app.connect("build-finished", write_script)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
