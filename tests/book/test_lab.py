"""The copies for JupyterLab: the chapter's own code, no raw markup, numbers as on the site, what was changed kept."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browsing import CHAPTERS, SITE, open_page
from chromium import unavailable
from playwright.sync_api import BrowserContext

ROOT = Path(__file__).parents[2]
MADE = ROOT / "_build/lab"
sys.path.insert(0, str(ROOT / "book/_ext"))

import works  # noqa: E402 - the build finds them there, too
from lab_copies import lab_notebook  # noqa: E402
from lab_folder import bring_up_to_date  # noqa: E402
from plain_markdown import SOLUTION, Names, cited_keys, plain_cells  # noqa: E402

# What JupyterLab would show as it stands: directives, roles, labels, options, footnotes.
RAW = re.compile(r"^[`:]{3,}\{|\{[a-z]+(?::[a-z]+)*\}`|^\([\w-]+\)=$|^:\w+:|\[\^", re.M)
HEADING = re.compile(r"^(#+) ", re.M)

NAMES = Names(
    number={"fig-a": "Fig. 2", "ex-a": "Exercise 7"}.__getitem__,
    title={"here": "The title"}.__getitem__,
    document={"other": "[Other](../building/other.ipynb)", "page": "*Page* (on the site)"}.__getitem__,
    author=works.author,
    year=works.year,
    bibliography=lambda: works.as_list({"wilson1927probable"}),
)

CASES = {
    "It is {cite:p}`nair2010rectified,he2015delving`.": "It is (Nair and Hinton, 2010; He et al., 2015).",
    "{cite:t}`wilson1927probable` says": "Wilson (1927) says",
    "see {numref}`fig-a` and {ref}`here`": "see Fig. 2 and *The title*",
    "{ref}`this <here>`": "*this*",
    "{doc}`other`, {doc}`page`, {doc}`that <other>`": (
        "[Other](../building/other.ipynb), *Page* (on the site), [that](../building/other.ipynb)"
    ),
    "{math}`x_1` and {py:func}`~companion.stats.metric_ci`": "$x_1$ and `companion.stats.metric_ci`",
    "(here)=\n## The title": "## The title",
    "So it says.[^a] Right?\n\n[^a]: S0 7.3\n": "So it says.<sup>S0 7.3</sup> Right?",
    "So they say.[^a]\n\n[^a]: {cite:t}`wilson1927probable`, page 2": "So they say.<sup>Wilson (1927), page 2</sup>",
    "```{admonition} Before\n:class: tip\n\nOne\n\ntwo.\n```": "> **Before**\n>\n> One\n>\n> two.",
    ":::{note}\nOne.\n:::": "> **Note**\n>\n> One.",
    "`{p}` and `f'{x}'` stay": "`{p}` and `f'{x}'` stay",
}


@pytest.mark.parametrize("text", CASES, ids=range(len(CASES)))
def test_markup_becomes_plain(text: str) -> None:
    assert plain_cells(text, NAMES) == [CASES[text]]


def test_exercises_are_numbered_and_solutions_have_a_heading_of_their_own() -> None:
    text = "```{exercise} Two\n:label: ex-a\n\nWhat?\n```\n\n```{solution-start} ex-a\n:class: dropdown\n```\n\nThis."
    assert plain_cells(text, NAMES) == ["#### Exercise 7: Two\n\nWhat?", f"{SOLUTION}Exercise 7", "This."]
    assert plain_cells("```{solution-end}\n```\n\n## Next", NAMES) == ["## Next"]


def test_works_are_listed_in_one_line_each() -> None:
    (line,) = plain_cells("```{bibliography}\n:filter: docname in docnames\n```", NAMES)
    assert re.fullmatch(r"- Edwin B\\\. Wilson\\\. Probable inference.* 1927.*", line)


@pytest.mark.parametrize("text", ["```{tableofcontents}\n```", "{abbr}`a (b)`"])
def test_what_has_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a (directive|role) that has a rule"):
        plain_cells(text, NAMES)


def test_cited_keys_are_found() -> None:
    assert cited_keys("{cite:p}`a, b` {cite:t}`c` {numref}`d`") == {"a", "b", "c"}


def test_plots_are_folded_and_captions_shown() -> None:
    figure = {"figure": {"caption": "It falls, see {numref}`fig-a`.", "name": "fig-a"}}
    cell = {"cell_type": "code", "id": "x", "source": ["plt.show()"], "outputs": [], "execution_count": 1}
    cell["metadata"] = {"tags": ["hide-input"], "mystnb": figure}
    code, caption = lab_notebook({"cells": [cell]}, NAMES)["cells"]
    assert code["metadata"] == {"jupyter": {"source_hidden": True}}
    assert caption["source"] == ["*Fig. 2.* It falls, see Fig. 2."]
    assert caption["id"] == "x-caption"


def chapter_and_copy(chapter: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    made = MADE / chapter.relative_to(ROOT / "book")
    if not made.exists():
        unavailable("the site is not built: make book")
    return json.loads(chapter.read_text("utf-8")), json.loads(made.read_text("utf-8"))


def text_of(notebook: dict[str, Any]) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_copy_has_the_chapters_code_and_no_raw_markup(chapter: Path) -> None:
    original, copy = chapter_and_copy(chapter)
    nbformat.validate(nbformat.from_dict(copy))

    def code(notebook: dict[str, Any]) -> list[tuple[str, list[str], Any]]:
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        return [(cell["id"], cell["source"], cell["outputs"]) for cell in cells]

    assert code(copy) == code(original)
    assert [match.group() for text in text_of(copy) for match in RAW.finditer(text)] == []
    figures = [
        cell["metadata"]["mystnb"]["figure"]
        for cell in original["cells"]
        if "figure" in cell["metadata"].get("mystnb", {})
    ]
    captions = [text for text in text_of(copy) if text.startswith("*Fig. ")]
    assert len(captions) == len(figures)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_folded_solution_ends_at_a_heading(chapter: Path) -> None:
    """A heading folds all cells up to the next of its level or above: the lesson goes on with such a heading."""
    original, copy = chapter_and_copy(chapter)
    ends = sum(text.count("{solution-end}") for text in text_of(original))
    folded = [cell for cell in copy["cells"] if cell["metadata"].get("jp-MarkdownHeadingCollapsed")]
    assert len(folded) == ends
    for text in text_of(original):
        for after in text.split("{solution-end}\n```")[1:]:
            assert re.match(r"\s*(\([\w-]+\)=\s*)?(#{1,4} |```\{exercise\}|$)", after), after[:80]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_links_of_a_copy_lead_to_copies(chapter: Path) -> None:
    _, copy = chapter_and_copy(chapter)
    folder = (MADE / chapter.relative_to(ROOT / "book")).parent
    prose = [
        re.sub(r"\$.*?\$", "", text.replace("$$", "$"), flags=re.S) for text in text_of(copy)
    ]  # formulas have brackets, too
    links = [link for text in prose for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (folder / link).exists()] == []


@pytest.mark.parametrize(
    "chapter", [path for path in CHAPTERS if path.parent.name != "appendix"], ids=lambda path: path.stem
)
def test_numbers_are_those_of_the_site(unscripted: BrowserContext, chapter: Path) -> None:
    _, copy = chapter_and_copy(chapter)
    texts = text_of(copy)
    ours = [match[1] for text in texts if (match := re.match(r"#### (Exercise [\d.]+)", text))]
    captions = [match[1] for text in texts if (match := re.match(r"\*(Fig\. [\d.]+?)\.\*", text))]
    visit = open_page(unscripted, SITE / chapter.relative_to(ROOT).with_suffix(".html"))
    read = "all => all.map(e => e.innerText.trim())"
    site = visit.page.eval_on_selector_all("div.exercise > .admonition-title > .caption-number", read)
    assert ours == [text.split(" (")[0] for text in site]
    assert captions == visit.page.eval_on_selector_all("figcaption .caption-number", read)
    visit.page.close()


def test_what_a_reader_changed_is_left_alone(tmp_path: Path) -> None:
    made, folder = tmp_path / "made", tmp_path / "lab"
    (made / "part").mkdir(parents=True)
    first, second = made / "part/first.ipynb", made / "part/second.ipynb"
    first.write_text("1"), second.write_text("1")
    folder.mkdir()
    assert bring_up_to_date(made, folder) == []
    (folder / "part/second.ipynb").write_text("mine")
    first.write_text("2"), second.write_text("2")
    for _ in range(2):
        assert bring_up_to_date(made, folder) == ["part/second.ipynb"]
        assert (folder / "part/first.ipynb").read_text() == "2"
        assert (folder / "part/second.ipynb").read_text() == "mine"
    (folder / "part/second.ipynb").unlink()
    assert bring_up_to_date(made, folder) == []
    assert (folder / "part/second.ipynb").read_text() == "2"


def test_without_a_site_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="build the site first"):
        bring_up_to_date(tmp_path / "made", tmp_path / "lab")
