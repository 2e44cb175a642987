"""What a chapter says of itself, read from its notebook: its decision and the answer, its goals, its minutes, its level."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

SENTENCE = re.compile(r"(?<=[.?!])(?:\*\*)?\s+(?=[\"'(*A-Z0-9])")
ROLE = re.compile(r"\{[\w:]+\}`(?:([^`<]+?) *<[^`>]*>|([^`]*))`")


@dataclass(frozen=True)
class Chapter:
    """A chapter's own words, as plain text.

    Attributes:
        docname: where it lies below the root, without suffix.
        title: its heading.
        decision: the question that it opens with.
        answer: the first sentence of 'What to do on Monday' that is no question.
        goals: what its reader will be able to do.
        reading: minutes to read it.
        running: how long its cells take, such as ``30 seconds``.
        level: from 1, for which counting is enough, to 3, before which other chapters come.
    """

    docname: str
    title: str
    decision: str
    answer: str
    goals: tuple[str, ...]
    reading: int
    running: str
    level: int


def read_chapter(root: Path, docname: str) -> Chapter | None:
    """The facts of a chapter; ``None`` for a page without goals, which is none.

    Raises:
        ValueError: where a chapter does not say one of them, or not in the words that CONTRIBUTING.md asks for.
    """
    path = root / f"{docname}.ipynb"
    text = _markdown(path) if path.exists() else ""
    if "\n## Goals" not in text:
        return None
    found = {
        "title": r"\A# (.+)",
        "opening": r"\A# .+\n([\s\S]*?)^## Goals",
        "goals": r"^## Goals\n([\s\S]*?)(?:^#|^```)",
        "reading": r"^```\{admonition\} Before you start\n[\s\S]*?Reading: (\d+) minutes",
        "running": r"^```\{admonition\} Before you start\n[\s\S]*?running:\s+(?:about\s+)?(\d+\s+\w+)",
        "level": r"^```\{admonition\} Before you start\n[\s\S]*?Level:\s+([1-3])\s+of\s+3",
        "monday": r"^## What to do on Monday\n([\s\S]*?)^## ",
    }
    said = {}
    for name, pattern in found.items():
        if not (match := re.search(pattern, text, re.M)):
            raise ValueError(
                f"{docname}: expected to find its {name} by {pattern!r}; see CONTRIBUTING.md"
            )
        said[name] = match[1]
    before_lists = re.split(
        r"^(?:\d+\.|-) ", said["monday"], maxsplit=1, flags=re.M
    )[0]
    questions, answers = sentences(said["opening"]), sentences(before_lists)
    goals = re.split(r"^- ", said["goals"], flags=re.M)[1:]
    return Chapter(
        docname,
        title=said["title"].strip(),
        decision=next(s for s in questions if s.endswith("?")),
        answer=next(s for s in answers if not s.endswith("?")),
        goals=tuple(plain(goal).rstrip(";.") for goal in goals),
        reading=int(said["reading"]),
        running=" ".join(said["running"].split()),
        level=int(said["level"]),
    )


def sentences(text: str) -> list[str]:
    """The sentences of MyST prose as plain text."""
    return [plain(sentence) for sentence in SENTENCE.split(text.strip())]


def plain(text: str) -> str:
    """MyST without its marks: roles by their text, citations left out, one line."""
    text = re.sub(r" ?\{cite:\w+\}`[^`]*`", "", text)
    text = ROLE.sub(lambda m: m[1] or m[2], text)
    return " ".join(re.sub(r"\*\*|(?<!\w)[*_]|[*_](?!\w)|`|^- ", "", text).split())


def _markdown(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(
        "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"
    )
