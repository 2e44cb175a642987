"""The works of ``references.bib`` in words: authors, years, and entries of a list in Markdown."""

from functools import cache
from pathlib import Path

from pybtex.database import BibliographyData, Entry, parse_file
from pybtex.plugin import find_plugin

BIBLIOGRAPHY = Path(__file__).parents[2] / "references.bib"


@cache
def works() -> BibliographyData:
    """All of them."""
    return parse_file(BIBLIOGRAPHY)


def author(key: str) -> str:
    """``Nair and Hinton``; ``He et al.`` from three on."""
    names = [_last_name(person) for person in _people(works().entries[key])]
    if len(names) > 2:
        return f"{names[0]} et al."
    return " and ".join(names)


def year(key: str) -> str:
    """The year of publication."""
    return works().entries[key].fields["year"]


def as_list(keys: set[str]) -> str:
    """The works as a Markdown list in the order of their authors."""
    style = find_plugin("pybtex.style.formatting", "plain")()
    markdown = find_plugin("pybtex.backends", "markdown")()
    chosen = [works().entries[key] for key in sorted(keys)]
    formatted = style.format_entries(chosen)
    texts = [entry.text.render(markdown).replace("\n", " ") for entry in formatted]
    return "".join(f"- {text}\n" for text in texts)


def _people(entry: Entry) -> list:
    return entry.persons.get("author") or entry.persons["editor"]


def _last_name(person: object) -> str:
    names = person.prelast_names + person.last_names  # type: ignore[attr-defined]
    return " ".join(names).replace("{", "").replace("}", "")
