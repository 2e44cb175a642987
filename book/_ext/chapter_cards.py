"""The cards of the landing page: the parts of the book and their chapters, as the contents and the chapters say.

A chapter that is not written has no card. Its card asks the chapter's question and gives the first sentence of the answer.
"""

import re
from pathlib import Path

from chapter_facts import Chapter, read_chapter
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

LEVELS = {
    1: "counting is enough",
    2: "derivatives and matrices",
    3: "after other chapters",
}
MARKS = re.compile(r"([\\$*_`<>{}\[\]|])")


def cards(chapters: list[tuple[int, Chapter]]) -> str:
    """The cards of a part, in MyST."""
    return "\n".join(
        [
            "::::{grid} 1 1 2 2",
            ":gutter: 3",
            *(card(*each) for each in chapters),
            "::::",
        ]
    )


def card(number: int, chapter: Chapter) -> str:
    """One of them; the chapter's words are text here, whatever marks they contain."""
    goals = "\n".join(f"- {escaped(goal)}" for goal in chapter.goals)
    level = f"Level {chapter.level}: {LEVELS[chapter.level]}"
    return f"""
:::{{grid-item-card}} {{doc}}`{number}. {escaped(chapter.title)} </{chapter.docname}>`
:class-card: chapter-card

**{escaped(chapter.decision)}**

{escaped(chapter.answer)}

```{{dropdown}} You will be able to
{goals}
```
```{{card-footer}}
{chapter.reading} minutes to read, {chapter.running} to run. {level}.
```
:::
"""


def escaped(text: str) -> str:
    """Text that MyST shows as it is."""
    return MARKS.sub(r"\\\1", text)


class ChapterCards(SphinxDirective):
    """``{chapter-cards}``: links to the parts that have chapters; for each its name, its minutes, and cards."""

    def run(self) -> list[nodes.Node]:
        """The nodes of all parts."""
        root, number, names, parts = Path(self.env.srcdir), 0, [], []
        for part in self.env.external_site_map.root.subtrees:
            chapters = []
            for docname in part.items:
                if chapter := read_chapter(root, str(docname)):
                    number += 1
                    chapters.append((number, chapter))
                    self.env.note_dependency(f"{docname}.ipynb")
            if chapters:
                minutes = sum(chapter.reading for _, chapter in chapters)
                many = (
                    "1 chapter"
                    if len(chapters) == 1
                    else f"{len(chapters)} chapters"
                )
                names.append(part.caption)
                parts += self.parse_text_to_nodes(
                    f"```{{rubric}} {part.caption}: {many}, {minutes} minutes\n:name: {_place(part.caption)}\n```\n\n{cards(chapters)}"
                )
        links = ", ".join(f"{{ref}}`{name} <{_place(name)}>`" for name in names)
        return self.parse_text_to_nodes(f"Jump to {links}.") + parts


def _place(part: str) -> str:
    return f"part-{part.lower()}"


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directive."""
    app.add_directive("chapter-cards", ChapterCards)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
