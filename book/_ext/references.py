"""References as a plain list: no running numbers, no back references, identifiers as links.

Docutils writes ``<div role="list">`` around entries with a role that is no list item, and the numbers of its back references
stand before the entry. Citations here are by author and year, so neither means anything to a reader.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

IDENTIFIER = re.compile(
    r"(?P<arxiv>arXiv:(\d{4}\.\d{4,5}|[a-z-]+/\d{7}))|(?:doi:\s*|https?://doi\.org/)(?P<doi>10\.\d{4,9}/[^\s,;]*[\w)])"
)


def linked(text: str) -> list[nodes.Node]:
    """A text in pieces: arXiv's and DOI's identifiers are links, the rest is text."""
    pieces: list[nodes.Node] = []
    end = 0
    for found in IDENTIFIER.finditer(text):
        uri = (
            f"https://arxiv.org/abs/{found[2]}"
            if found["arxiv"]
            else f"https://doi.org/{found['doi']}"
        )
        shown = found["arxiv"] or f"doi:{found['doi']}"
        pieces += [
            nodes.Text(text[end : found.start()]),
            nodes.reference("", shown, refuri=uri),
        ]
        end = found.end()
    return [*pieces, nodes.Text(text[end:])]


class PlainReferences(SphinxPostTransform):
    """Takes the labels off, and links the identifiers, once the bibliographies stand there."""

    default_priority = 50

    def run(self, **_: Any) -> None:
        """Changes the page's citations in place."""
        for citation in self.document.findall(nodes.citation):
            for label in list(citation.findall(nodes.label)):
                citation.remove(label)
            for text in list(citation.findall(nodes.Text)):
                if not isinstance(text.parent, nodes.reference):
                    text.parent.replace(text, linked(text.astext()))


def visit_citation(self: Any, node: nodes.citation) -> None:
    """Opens an entry, and the list before the first of them."""
    if not isinstance(node.previous_sibling(), nodes.citation):
        self.body.append('<ul class="references">\n')
    self.body.append(self.starttag(node, "li", CLASS="citation"))


def depart_citation(self: Any, node: nodes.citation) -> None:
    """Closes an entry, and the list after the last of them."""
    self.body.append("</li>\n")
    if not isinstance(node.next_node(descend=False, siblings=True), nodes.citation):
        self.body.append("</ul>\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the transform and the writer of entries."""
    app.add_post_transform(PlainReferences)
    app.add_node(
        nodes.citation, override=True, html=(visit_citation, depart_citation)
    )
    return {"parallel_read_safe": True}
