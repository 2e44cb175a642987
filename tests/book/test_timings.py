"""What the chapters cost to run: how it is measured, and the table against the budget, which warns only."""

import warnings
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from benchmarks import chapters
from benchmarks.report import RESULTS

PROSE = """(a-label)=
## Two words

```{exercise}
:label: here

Don't count $x + y$ or `code`, see {numref}`fig-a`.
```
"""


def test_a_chapter_is_measured_and_its_file_stays(tmp_path: Path) -> None:
    busy = "import time\nstart = time.process_time()\nwhile time.process_time() < start + 0.5:\n    pass"
    here = "from pathlib import Path\nassert Path('chapter.ipynb').exists()"
    ignored = new_code_cell("1", metadata={"tags": ["nbval-ignore-output"]})
    notebook = new_notebook(cells=[new_markdown_cell(PROSE), new_code_cell(busy), new_code_cell(here), ignored])
    path = tmp_path / "chapter.ipynb"
    nbformat.write(notebook, path)
    before = path.read_bytes()
    row = chapters.measured(path)
    assert path.read_bytes() == before
    assert 0.5 < row.cpu < 30
    assert row.wall > 0.5
    assert (row.name, row.words, row.cells, row.ignored) == (f"{tmp_path.name}/chapter", 6, 3, 1)


def test_the_table_is_read_as_it_is_written() -> None:
    rows = [
        chapters.Chapter("part/one", 12.34, 20.0, 1_000, 10, 1),
        chapters.Chapter("part/two", 100, 120, 2_000, 30, 3),
    ]
    text = chapters.table(rows)
    assert text.splitlines()[2] == "| part/one | 12.3 | 20.0 | 1,000 | 10 | 1 (10%) |"
    assert text.splitlines()[-1] == "| all 2 | 112.3 | 140.0 | 3,000 | 40 | 4 (10%) |"
    assert list(chapters.read_table(text)) == [("part/one", 12.3), ("part/two", 100.0)]


def test_only_what_is_far_above_the_budget_is_told() -> None:
    (complaint,) = chapters.too_long([("part/quick", 89.0), ("part/slow", 91.0)])
    assert complaint.startswith("part/slow takes 91 CPU seconds")


@pytest.mark.filterwarnings("default::UserWarning")
def test_chapters_keep_to_the_budget() -> None:
    """Warns, and does not fail: the table may come from a slower machine, or before a chapter was written."""
    timed = list(chapters.read_table((RESULTS / chapters.TABLE).read_text(encoding="utf-8")))
    assert timed
    missing = {f"{path.parent.name}/{path.stem}" for path in chapters.chapters()} - {name for name, _ in timed}
    for complaint in [*chapters.too_long(timed), *(f"{name} is not in the table: make timings" for name in missing)]:
        warnings.warn(complaint, UserWarning, stacklevel=1)
