"""Each rule lets a good chapter pass and refuses one that breaks it: a check that cannot fail would prove nothing."""

import base64
from collections.abc import Callable

import chapter_rules as rules
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

PNG = base64.b64encode(b"\x89PNG" + bytes(1_000)).decode()
ALT = "A parabola with its minimum at one"

OPENING = """# A chapter

## Goals

- compute a loss
- see it fall
- check it

```{admonition} Before you start
School calculus. Ten seconds. Essay S0, section 7.3.
```

As {cite:t}`author2017word` shows, ..."""
EXERCISE = """```{{exercise}} Again
:label: ex-{0}
What is {0}?
```

```{{solution-start}} ex-{0}
:class: dropdown
```"""
CLOSING = """## Summary

A loss is what training makes small; this one is smallest at one.

## References

```{bibliography}
:filter: docname in docnames
```"""


def figure() -> NotebookNode:
    myst = {"image": {"alt": ALT}, "figure": {"caption": "The loss is smallest at one."}}
    outputs = [new_output("display_data", {"image/png": PNG})]
    return new_code_cell("plt.show()", metadata={"mystnb": myst}, outputs=outputs)


def chapter() -> NotebookNode:
    """A chapter that keeps every rule."""
    cells = [
        new_markdown_cell(OPENING),
        new_code_cell("from companion import plotting\nprint(7)", outputs=[new_output("stream", text="7\n")]),
        figure(),
        new_code_cell("train()", metadata={"tags": ["nbval-ignore-output"]}),
        new_markdown_cell("## What the essays get wrong\n\nErratum 4.\n\n## Checks"),
        new_code_cell("assert loss < 1"),
        new_markdown_cell("## Exercises"),
    ]
    for number in range(3):
        cells += [
            new_markdown_cell(EXERCISE.format(number)),
            new_code_cell(f"print({number})"),
            new_markdown_cell("```{solution-end}\n```"),
        ]
    cells.append(new_markdown_cell(CLOSING))
    for count, cell in enumerate((cell for cell in cells if cell.cell_type == "code"), 1):
        cell.execution_count = count
    return new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})


def replaced(old: str, new: str) -> Callable[[NotebookNode], None]:
    """The chapter with ``old`` replaced by ``new`` in the cells' text."""

    def spoil(notebook: NotebookNode) -> None:
        assert any(old in cell.source for cell in notebook.cells)
        for cell in notebook.cells:
            cell.source = cell.source.replace(old, new)

    return spoil


def code(source: str) -> Callable[[NotebookNode], None]:
    """The chapter with ``source`` as its first code cell."""
    return lambda notebook: notebook.cells[1].update(source=source)


def output(*args: object, **data: object) -> Callable[[NotebookNode], None]:
    """The chapter whose first code cell has this output."""
    return lambda notebook: notebook.cells[1].update(outputs=[new_output(*args, **data)])


def meta(index: int, **metadata: object) -> Callable[[NotebookNode], None]:
    """The chapter whose cell ``index`` has this metadata."""
    return lambda notebook: notebook.cells[index].update(metadata=NotebookNode(metadata))


def svg_instead(notebook: NotebookNode) -> None:
    notebook.cells[2].outputs[0].data = {"image/svg+xml": "<svg/>"}


def move_checks_last(notebook: NotebookNode) -> None:
    notebook.cells[4].source = "## What the essays get wrong"
    notebook.cells[-1].source += "\n\n## Checks"


def kernel_and_times(notebook: NotebookNode) -> None:
    notebook.metadata = NotebookNode(kernelspec={"name": "my-env"}, jupytext={})
    notebook.cells[1].metadata.execution = {"iopub.execute_input": "2026-01-01"}


FAR_TOO_LONG = "x" * (rules.MAX_OUTPUT_BYTES + 1)
BAD = [
    (rules.executed_in_order, lambda notebook: notebook.cells[1].update(execution_count=None)),
    (rules.executed_in_order, lambda notebook: notebook.cells[1].update(execution_count=5)),
    (rules.nothing_skipped, meta(1, tags=["nbval-skip"])),
    (rules.nothing_skipped, meta(1, tags=["raises-exception"])),
    (rules.nothing_skipped, code("# NBVAL_SKIP\nprint(7)")),
    (rules.no_errors, output("error", ename="ValueError", evalue="", traceback=[])),
    (rules.no_errors, output("stream", name="stderr", text="warning")),
    (rules.mostly_compared, meta(1, tags=["nbval-ignore-output"])),
    (rules.mostly_compared, code("# NBVAL_IGNORE_OUTPUT\nprint(7)")),
    (rules.no_empty_cells, code("  \n")),
    (rules.short_cells, code("\n".join(f"x{i} = {i}" for i in range(26)))),
    (rules.plain_python, code("!pip install something")),
    (rules.plain_python, code("%timeit f()")),
    (rules.uses_companion, code("import companionship")),
    (rules.offline, code("import requests")),
    (rules.offline, code("from urllib import request")),
    (rules.offline, code("from urllib.request import urlopen")),
    (rules.offline, code("import http.client as client")),
    (rules.offline, code("if True:\n    import socket")),
    (rules.offline, code("import huggingface_hub")),
    (rules.offline, code('importlib.import_module("requests")')),
    (rules.offline, code("sklearn.datasets.fetch_openml(name='mnist')")),
    (rules.offline, code("fetch_20newsgroups()")),
    (rules.offline, code("CIFAR10(root, download=True)")),
    (rules.offline, code('pd.read_csv("https://example.org/a.csv")')),
    (rules.offline, code('AutoModel.from_pretrained("gpt2")')),
    (rules.small_outputs, output("stream", text=FAR_TOO_LONG)),
    (rules.small_outputs, output("execute_result", {"text/html": FAR_TOO_LONG})),
    (rules.small_outputs, output("display_data", {"image/png": base64.b64encode(FAR_TOO_LONG.encode()).decode()})),
    (rules.figures_described, meta(2, mystnb={"figure": {"caption": "Falls."}})),
    (rules.figures_described, meta(2, mystnb={"image": {"alt": "plot"}, "figure": {"caption": "Falls."}})),
    (rules.figures_described, meta(2, mystnb={"image": {"alt": ALT}})),
    (rules.figures_described, svg_instead),
    (rules.figures_described, replaced("Erratum 4.", "![](figure.svg)")),
    (rules.figures_described, replaced("Erratum 4.", '<img src="figure.svg">')),
    (rules.figures_described, replaced("Erratum 4.", "```{figure} figure.svg\nCaption\n```")),
    (rules.no_machine_paths, output("stream", text="saved to /home/me/model\n")),
    (rules.no_machine_paths, code('folder = "/tmp/model"')),
    (rules.no_machine_paths, code(r'folder = "C:\\Users\\me"')),
    (rules.no_machine_paths, replaced("Erratum 4.", "See `/Users/me/notes`.")),
    (rules.has_its_parts, replaced("# A chapter", "A chapter")),
    (rules.has_its_parts, replaced("Before you start", "Note")),
    (rules.has_its_parts, replaced("## What the essays get wrong", "## Errors")),
    (rules.has_its_parts, move_checks_last),
    (rules.has_goals, replaced("- compute a loss\n", "")),
    (rules.has_goals, replaced("- compute a loss\n", "- a goal\n" * 4)),
    (rules.has_goals, replaced("## Goals", "## Aims")),
    (rules.has_assertions, replaced("assert loss < 1", "print(loss)")),
    (rules.has_assertions, replaced("assert loss < 1", "assert True")),
    (rules.has_assertions, replaced("assert loss < 1", 'assert (loss < 1, "too large")')),
    (rules.has_exercises, replaced(":label: ex-0", "")),
    (rules.has_exercises, replaced("{solution-start} ex-0", "{solution-start} ex-9")),
    (rules.has_exercises, replaced("{solution-end}", "{end}")),
    (rules.has_exercises, replaced(":class: dropdown", "")),
    (rules.has_exercises, lambda notebook: notebook.cells[8].update(execution_count=None)),
    (rules.has_summary, replaced("## Summary", "## Last words")),
    (rules.has_summary, replaced("A loss is what training makes small; this one is smallest at one.", "The end.")),
    (rules.has_citations, replaced("{cite:t}`author2017word`", "somebody")),
    (rules.has_citations, replaced("{bibliography}", "{glossary}")),
    (rules.clean_metadata, kernel_and_times),
    (rules.clean_metadata, lambda notebook: notebook.cells[1].pop("id")),
]


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_a_good_chapter_passes(rule: rules.Rule) -> None:
    assert rule(chapter()) == []


@pytest.mark.parametrize(("rule", "spoil"), BAD, ids=[f"{rule.__name__}-{i}" for i, (rule, _) in enumerate(BAD)])
def test_a_bad_chapter_is_refused(rule: rules.Rule, spoil: Callable[[NotebookNode], None]) -> None:
    notebook = chapter()
    spoil(notebook)
    assert rule(notebook)


def test_every_rule_is_proved() -> None:
    assert {rule for rule, _ in BAD} == set(rules.RULES)
