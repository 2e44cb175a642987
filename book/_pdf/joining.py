"""Printed pages made into files: numbered, linked with each other, and joined into the whole book."""

import html
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Page
from printing import Printed, feet, print_html
from pypdf import PageObject, PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    PdfObject,
    TextStringObject,
)

FRONT = """<style>body {{ font: 11pt/1.5 sans-serif; color: #14181e; margin: 0 }}
h1 {{ font-size: 30pt; line-height: 1.2; margin: 60mm 0 15mm }} .title {{ break-after: page }}
ol {{ columns: 2; column-gap: 9mm; font-size: 8.5pt; line-height: 1.35; list-style: none; padding: 0 }}
li {{ align-items: last baseline; break-inside: avoid; display: flex; gap: .5em }}
li i {{ border-bottom: 1px dotted #48566b; flex: 1; min-width: 1em }}
.chapter {{ font-weight: bold; margin-top: .6em; break-after: avoid }} .section {{ padding-left: 1.2em }}</style>
<div class="title"><h1>{title}</h1><p>{author}</p><p>© {copyright}</p></div><h2>Contents</h2><ol>{entries}</ol>"""


def file_name(name: str) -> str:
    """The file of a page of the book."""
    return name.removeprefix("book/").replace("/", "_") + ".pdf"


def write_part(
    part: Printed, feet: PdfReader, site: Path, names: list[str], out: Path
) -> Path:
    """One page of the book as a file of its own; links to other pages open their files."""
    writer = PdfWriter(clone_from=part.reader)
    writer.add_metadata({"/Title": part.title})
    for link, target in _links_to_the_site(writer.pages, site):
        first = ArrayObject([NumberObject(0), NameObject("/Fit")])
        _aim(
            link,
            target in names,
            S=NameObject("/GoToR"),
            F=TextStringObject(file_name(target)),
            D=first,
        )
    _number(writer, feet)
    path = out / file_name(part.name)
    writer.write(path)
    return path


def write_book(
    page: Page, parts: list[Printed], config: dict[str, Any], site: Path, out: Path
) -> tuple[Path, int]:
    """The whole book in one file, and its number of pages; links to other pages go to their sheets."""
    front = print_html(page, _front(parts, config, 0))
    front = print_html(
        page, _front(parts, config, len(front.pages))
    )  # now that it is known how long it is itself
    writer = PdfWriter()
    writer.append(front, import_outline=False)
    writer.add_metadata({"/Title": config["title"], "/Author": config["author"]})
    starts = {}
    for part in parts:
        starts[part.name] = len(writer.pages)
        _name_no_places(part.reader)
        writer.append(part.reader, import_outline=False)
        _outline(writer, part, starts[part.name])
    for link, target in _links_to_the_site(writer.pages, site):
        sheet = writer.pages[starts.get(target, 0)].indirect_reference
        _aim(
            link,
            target in starts,
            S=NameObject("/GoTo"),
            D=ArrayObject([sheet, NameObject("/Fit")]),
        )
    _number(
        writer,
        feet(page, len(writer.pages), config["title"].partition(":")[0]),
        first=1,
    )
    path = out / "book.pdf"
    writer.write(path)
    return path, len(writer.pages)


def _front(parts: list[Printed], config: dict[str, Any], length: int) -> str:
    """Title and contents: pages and their sections, but for those that most pages have, such as 'Goals'."""
    sections = Counter(
        title for part in parts for depth, title, _ in part.headings if depth == 1
    )
    usual = {title for title, count in sections.items() if count > len(parts) / 2}
    entries, start = [], length
    for part in parts:
        entries += [
            f'<li class="{"section" if depth else "chapter"}"><span>{html.escape(title)}</span><i></i>{start + sheet + 1}</li>'
            for depth, title, sheet in part.headings
            if depth == 0 or (depth == 1 and title not in usual)
        ]
        start += len(part.reader.pages)
    return FRONT.format(
        entries="".join(entries),
        **{key: config[key] for key in ("title", "author", "copyright")},
    )


def _links_to_the_site(
    pages: Any, site: Path
) -> Iterator[tuple[DictionaryObject, str]]:
    """The links to files of the site, each with the name of its page."""
    for page in pages:
        for note in page.get("/Annots") or []:
            link = note.get_object()
            uri = str(link.get("/A", {}).get("/URI", "")).partition("#")[0]
            if uri.startswith(site.as_uri()):
                yield (
                    link,
                    uri.removeprefix(site.as_uri() + "/").removesuffix(".html"),
                )


def _name_no_places(reader: PdfReader) -> None:
    """Links within a page by sheet and height: names such as 'goals' stand in each chapter, and would be mixed up."""
    for page in reader.pages:
        for note in page.get("/Annots") or []:
            annotation = note.get_object()
            place = reader.named_destinations.get(str(annotation.get("/Dest", "")))
            if place is not None:
                annotation[NameObject("/Dest")] = place.dest_array


def _outline(writer: PdfWriter, part: Printed, start: int) -> None:
    above: dict[int, Any] = {-1: None}
    for depth, title, sheet in part.headings:
        above[depth] = writer.add_outline_item(
            title=title, page_number=start + sheet, parent=above.get(depth - 1)
        )


def _number(writer: PdfWriter, feet: PdfReader, first: int = 0) -> None:
    """Puts a foot on each sheet from the ``first``; merged, a sheet has to be packed again."""
    sheets: list[tuple[PageObject, PageObject]] = list(
        zip(writer.pages, feet.pages, strict=True)
    )
    for sheet, foot in sheets[first:]:
        sheet.merge_page(foot)
        sheet.compress_content_streams()


def _aim(link: DictionaryObject, known: bool, **action: PdfObject | None) -> None:
    """Gives a link another action; what is not on paper is no link."""
    del link["/A"]
    if known:
        link[NameObject("/A")] = DictionaryObject(
            {NameObject(f"/{key}"): value for key, value in action.items()}
        )
