"""The committed chapters, as they lie in the repository, held to `chapter_rules`."""

import re
from pathlib import Path

import chapter_rules as rules
import nbformat
import pytest
import yaml
from chapter_parts import markdown

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path for path in (ROOT / "book").glob("*/*.ipynb") if ".ipynb_checkpoints" not in path.parts)
LANDING = ROOT / "book/index.ipynb"
NAMES = [path.relative_to(ROOT / "book").with_suffix("").as_posix() for path in NOTEBOOKS]
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=NAMES)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_chapter(notebook: nbformat.NotebookNode, request: pytest.FixtureRequest, rule: rules.Rule) -> None:
    if "appendix/" in request.node.name and rule not in rules.NOTEBOOK_RULES:
        return  # a notebook of the appendix is no lesson
    assert rule(notebook) == []


@pytest.mark.parametrize("rule", rules.TEMPLATE_RULES, ids=lambda rule: rule.__name__)
def test_the_template_keeps_the_rules(rule: rules.Rule) -> None:
    assert rule(nbformat.read(ROOT / "book/_template.ipynb", as_version=4)) == []


@pytest.mark.parametrize("rule", rules.NOTEBOOK_RULES, ids=lambda rule: rule.__name__)
def test_the_landing_page_keeps_the_rules_of_notebooks(rule: rules.Rule) -> None:
    assert rule(nbformat.read(LANDING, as_version=4)) == []


def test_every_page_is_in_the_table_of_contents() -> None:
    text = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    chapters = [chapter for part in yaml.safe_load(text)["parts"] for chapter in part["chapters"]]
    listed = {"book/index", *(page["file"] for chapter in chapters for page in [chapter, *chapter.get("sections", [])])}
    files = [LANDING, *NOTEBOOKS, *(ROOT / "book").rglob("*.md")]
    pages = {path.relative_to(ROOT).with_suffix("").as_posix() for path in files}
    assert listed == pages


def glossary() -> list[list[str]]:
    """The rows of the glossary: English, Chinese, one line."""
    text = (ROOT / "book/appendix/notation.md").read_text(encoding="utf-8").partition("## Glossary")[2]
    rows = [[field.strip() for field in row.strip("|").split("|")] for row in re.findall(r"^\|.*\|$", text, re.M)]
    return rows[2:]


def test_glossary_is_sorted_and_complete() -> None:
    terms = [row[0].casefold() for row in glossary()]
    assert terms == sorted(set(terms))
    assert all(len(row) == 3 and all(row) and CHINESE.search(row[1]) for row in glossary())


def test_glossary_has_every_term_that_a_chapter_translates(notebook: nbformat.NotebookNode) -> None:
    translated = re.findall(r"[a-zA-Z*)]\s\(([\u4e00-\u9fff]+)\)", markdown(notebook))
    known = " ".join(row[1] for row in glossary())
    assert [term for term in translated if term not in known] == []
