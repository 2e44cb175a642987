"""What chapters say of themselves, read as the build reads it."""

import json
import sys
from pathlib import Path

import pytest
from browsing import CHAPTERS, ROOT

from benchmarks import chapters

sys.path.insert(0, str(ROOT / "book/_ext"))
from chapter_facts import Chapter, plain, read_chapter

TEXT = """# A title

A case with {math}`n` examples. Do we buy {doc}`it <../x>`? Then why?

## Goals

You will be able to

- say *why* {cite:p}`author2017word`;
- count
  to two.

```{admonition} Before you start
Prerequisites: none. Level: 2 of 3. Reading: 12 minutes; running: about 5 seconds on one core.
```

## What to do on Monday

**Do we buy it?** No: it costs $3.50. Wait.

## Summary
"""


def write(folder: Path, text: str) -> None:
    cells = [{"cell_type": "markdown", "source": text.splitlines(keepends=True)}]
    (folder / "chapter.ipynb").write_text(json.dumps({"cells": cells}))


def test_a_chapter_is_read(tmp_path: Path) -> None:
    write(tmp_path, TEXT)
    assert read_chapter(tmp_path, "chapter") == Chapter(
        docname="chapter",
        title="A title",
        decision="Do we buy it?",
        answer="No: it costs $3.50.",
        goals=("say why", "count to two"),
        reading=12,
        running="5 seconds",
        level=2,
    )


@pytest.mark.parametrize(
    ("said", "name"),
    [("Level: 2 of 3. ", "level"), ("Reading: 12 minutes; ", "reading"), ("## What to do on", "monday")],
)
def test_what_a_chapter_does_not_say_is_named(tmp_path: Path, said: str, name: str) -> None:
    write(tmp_path, TEXT.replace(said, ""))
    with pytest.raises(ValueError, match=f"chapter: expected to find its {name}"):
        read_chapter(tmp_path, "chapter")


def test_an_answer_ends_before_its_list(tmp_path: Path) -> None:
    write(tmp_path, TEXT.replace("No: it costs $3.50. Wait.", "In this order:\n\n1. Wait."))
    chapter = read_chapter(tmp_path, "chapter")
    assert chapter is not None
    assert chapter.answer == "In this order:"


def test_a_page_that_is_no_chapter_has_none(tmp_path: Path) -> None:
    write(tmp_path, "# A page")
    assert read_chapter(tmp_path, "chapter") is None
    assert read_chapter(tmp_path, "not_there") is None


def test_every_chapter_of_the_book_says_what_it_is() -> None:
    chapters = [read_chapter(ROOT, path.relative_to(ROOT).with_suffix("").as_posix()) for path in CHAPTERS]
    found = [chapter for chapter in chapters if chapter]
    assert len(found) >= 3
    assert all(chapter.decision.endswith("?") and chapter.answer for chapter in found)


def test_plain_text_keeps_underscores_within_words() -> None:
    assert plain("**Use** `sample_size`, *not* the eye") == "Use sample_size, not the eye"


def test_a_chapter_says_how_long_it_runs() -> None:
    """To ten seconds: readers wait by the clock, the table counts the processor, each on a machine of its own."""
    table = (chapters.RESULTS / chapters.TABLE).read_text(encoding="utf-8")
    said = {name: read_chapter(ROOT, f"book/{name}") for name, _ in chapters.read_table(table)}
    wrong = [
        f"{name}: {lesson.running} said, {seconds:.0f} measured"
        for name, seconds in chapters.read_table(table)
        if (lesson := said[name]) and abs(float(lesson.running.split()[0]) - seconds) > 10
    ]
    assert wrong == []
