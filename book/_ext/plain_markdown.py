"""A chapter's Markdown without MyST's directives and roles: what JupyterLab shows as it stands.

Numbers, titles and references come from whoever knows them (``Names``). A directive or role that has no rule here is
an error: it would stand in the copy as raw markup.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

FENCE = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w-]+)\} ?(?P<title>[^\n]*)\n(?P<body>.*?)^(?P=fence)[ ]*$\n?",
    re.M | re.S,
)
OPTION = re.compile(r"^:([\w-]+): ?(.*)\n?", re.M)
ROLE = re.compile(r"(?<!`)\{([a-z]+(?::[a-z]+)*)\}`([^`]+)`")
LABEL = re.compile(r"^\([\w-]+\)=\n", re.M)
FOOTNOTE = re.compile(r"^\[\^([\w-]+)\]: (.*)\n?", re.M)
WITH_TITLE = re.compile(r"(.*?)\s*<([^<>]+)>")

ADMONITIONS = "admonition note tip important warning caution attention hint seealso"
NEW_CELL = "\f"
SOLUTION = "##### Solution of "


@dataclass(frozen=True)
class Names:
    """What other things of the book are called.

    Attributes:
        number: of a label of a figure or an exercise, as the site has it: ``Fig. 2.3``.
        title: of a label, the title of what it stands before.
        document: of a page, as written in a ``{doc}`` role: a Markdown link, or its title where there is none.
        author, year: of a key of the bibliography.
        bibliography: the list of the works that are cited, as Markdown.
    """

    number: Callable[[str], str]
    title: Callable[[str], str]
    document: Callable[[str], str]
    author: Callable[[str], str]
    year: Callable[[str], str]
    bibliography: Callable[[], str]


def plain_cells(text: str, names: Names) -> list[str]:
    """The Markdown cells that take the place of one of the chapter; a heading of a solution has a cell of its own.

    Raises:
        ValueError: for a directive or a role that is not known here.
    """
    notes = dict(FOOTNOTE.findall(text))
    text = LABEL.sub("", FOOTNOTE.sub("", text + "\n"))
    text = FENCE.sub(lambda match: _directive(match, names), text)
    text = ROLE.sub(lambda match: _role(match[1], match[2], names), text)
    for key, note in notes.items():
        plain = ROLE.sub(lambda match: _role(match[1], match[2], names), note)
        text = text.replace(f"[^{key}]", f"<sup>{plain}</sup>")
    return [cell.strip() for cell in text.split(NEW_CELL) if cell.strip()]


def cited_keys(text: str) -> set[str]:
    """The keys of all works that a text cites."""
    return {
        key.strip()
        for name, keys in ROLE.findall(text)
        if name in {"cite:p", "cite:t"}
        for key in keys.split(",")
    }


def _directive(match: re.Match[str], names: Names) -> str:
    name, title, body = match["name"], match["title"].strip(), match["body"]
    options = dict(OPTION.findall(body.split("\n\n")[0] + "\n"))
    if options:
        body = body.split("\n\n", 1)[1] if "\n\n" in body else ""
    if name == "exercise":
        heading = names.number(options["label"]) + (f": {title}" if title else "")
        return f"{NEW_CELL}#### {heading}\n\n{body}"
    if name == "solution-start":
        return f"{NEW_CELL}{SOLUTION}{names.number(title)}{NEW_CELL}"
    if name == "solution-end":
        return NEW_CELL
    if name == "bibliography":
        return names.bibliography()
    if name in ADMONITIONS.split():
        quoted = "\n".join(
            f"> {line}".rstrip() for line in body.strip().splitlines()
        )
        heading = title if name == "admonition" else title or name.capitalize()
        return f"> **{heading}**\n>\n{quoted}\n"
    raise ValueError(
        f"expected a directive that has a rule in {__name__}, got {name!r}: add one"
    )


def _role(name: str, text: str, names: Names) -> str:
    titled = WITH_TITLE.fullmatch(text)
    shown, target = titled.groups() if titled else (None, text)
    if name == "math":
        return f"${text}$"
    if name in {"cite:p", "cite:t"}:
        return _citation(name, text, names)
    if name == "numref":
        return names.number(target)
    if name == "ref":
        return f"*{shown or names.title(target)}*"
    if name == "doc":
        link = names.document(target)
        return re.sub(r"(?<=\[)[^]]*(?=\])", shown, link) if shown else link
    if name.startswith("py:"):
        return f"`{shown or target.removeprefix('~')}`"
    raise ValueError(
        f"expected a role that has a rule in {__name__}, got {name!r}: add one"
    )


def _citation(name: str, keys: str, names: Names) -> str:
    works = [key.strip() for key in keys.split(",")]
    if name == "cite:t":
        return ", ".join(
            f"{names.author(key)} ({names.year(key)})" for key in works
        )
    return (
        f"({'; '.join(f'{names.author(key)}, {names.year(key)}' for key in works)})"
    )
