"""The room as one page of HTML, with nothing from elsewhere."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from companion.dataroom.room import Section

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c; }
h1 { font-size: 1.8rem; } h2 { font-size: 1.2rem; margin-top: 2rem; break-after: avoid; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; break-inside: avoid; } p { break-after: avoid; }
td, th { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
code { font-size: .85em; overflow-wrap: anywhere; }
@media screen and (prefers-color-scheme: dark) {
  body { background: #16181c; color: #e6e6e6; } td, th { border-color: #444; }
}
@page { size: A4; margin: 18mm 16mm; }
"""


def page_of(title: str, sections: Sequence["Section"], files: Mapping[str, str]) -> str:
    """The page's HTML.

    Args:
        title: of the page.
        sections: in their order.
        files: checksums of the sources.
    """
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}: data room</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}: data room</h1>",
        "<p>Each value names the file that it was read or computed from; the checksums stand at the end.</p>",
    ]
    for section in sections:
        parts.append(f"<h2>{escape(section.title)}</h2>")
        parts += [f"<p>{escape(text)}</p>" for text in section.texts]
        rows = [
            (fact.name.partition(".")[2].replace("_", " ").replace(".", ": "), fact.text, fact.file)
            for fact in section.facts
        ]
        parts.append(_table(("What", "Value", "Source"), rows) if rows else "")
    parts.append("<h2>Sources and their checksums</h2>")
    parts.append(_table(("File", "SHA-256"), list(files.items())))
    return "\n".join([*filter(None, parts), "</body></html>\n"])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(text)}</th>" for text in head)
    lines = ["".join(f"<td>{_cell(text, k, len(row))}</td>" for k, text in enumerate(row)) for row in rows]
    return f"<table><tr>{titles}</tr>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _cell(text: str, place: int, width: int) -> str:
    last = place == width - 1
    return f"<code>{escape(text)}</code>" if last else escape(text)
