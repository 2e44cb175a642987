"""The book on paper: one PDF a page of the book, and the whole book with title page, contents and running page numbers.

``make pdf`` runs this on the built site and writes to ``_build/pdf``; pages that are named (``book/building/evaluation``)
are printed alone, without the whole book. The API reference is for screens: it is left away.
"""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import joining
import printing
import yaml

ROOT = Path(__file__).parents[2]
SITE = ROOT / "_build/html"
OUT = ROOT / "_build/pdf"


def pages() -> list[str]:
    """The pages of the book in reading order, as ``_toc.yml`` lists them."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [
        toc["root"],
        *(name for part in toc["parts"] for name in _files(part)),
    ]
    return [name for name in listed if "/api" not in name]


def _files(entry: dict) -> Iterator[str]:
    if "file" in entry:
        yield entry["file"]
    for child in [*entry.get("chapters", []), *entry.get("sections", [])]:
        yield from _files(child)


def main(chosen: list[str]) -> None:
    """Prints the chosen pages, or all of them and the whole book."""
    if not (SITE / "book/index.html").exists():
        raise SystemExit(
            f"make pdf: expected the built site in {SITE}, got none; run make book"
        )
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    logging.getLogger("pypdf").setLevel(
        logging.ERROR
    )  # it wonders at how Chromium counts the objects of a file
    OUT.mkdir(parents=True, exist_ok=True)
    with printing.chromium() as page:
        printed = [
            printing.print_page(page, SITE, name) for name in chosen or pages()
        ]
        for part in printed:
            feet = printing.feet(page, len(part.reader.pages), part.title)
            path = joining.write_part(part, feet, SITE, pages(), OUT)
            print(f"{path.relative_to(ROOT)}: {len(part.reader.pages)} pages")
        if not chosen:
            path, count = joining.write_book(page, printed, config, SITE, OUT)
            print(f"{path.relative_to(ROOT)}: {count} pages")


if __name__ == "__main__":
    main(sys.argv[1:])
