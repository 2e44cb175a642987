"""Each rule lets a good chapter pass and refuses one that breaks it: a check that cannot fail would prove nothing."""

import base64
from collections.abc import Callable

import chapter_rules as rules
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

PNG = base64.b64encode(b"\x89PNG" + bytes(1_000)).decode()
ALT = "A parabola with its minimum at one"

DECISION = """Our loss is 0.3 on ten examples, and a colleague offers another optimizer for a thousand dollars a month.
Does the new optimizer pay for itself, or does the old one reach the same loss when it is given the same time?"""
ANSWER = "The new optimizer does not pay for itself: given the same time, the old one reaches the same loss."
OPENING = f"""# A chapter

{DECISION}

## Goals

- compute a loss
- see it fall
- check it

```{{admonition}} Before you start
School calculus. Level: 2 of 3. Reading: 20 minutes; running: 10 seconds. Real data from scikit-learn.
```

As {{cite:t}}`author2017word` shows, ... {{numref}}`fig-loss-0` shows where it is smallest."""
CLAIMS = """## Claims you will meet

(claim-small)=
### A small loss is a right answer

A slide says so.[^slide] Is it? Decide before you read on.

[^slide]: S1 5.4"""
EXERCISE = """```{{exercise}} Again
:label: ex-{0}
What is {0}?
```

```{{solution-start}} ex-{0}
:class: dropdown
```"""
CLOSING = f"""## What to do on Monday

{ANSWER}

## Summary

A loss is what training makes small; this one is smallest at one.

## Sources

- S1 5.4: what a listing prints

## References

```{{bibliography}}
:filter: docname in docnames
```"""
PROSE = "We expect the loss to fall, and it falls. " * 9
FIRST_CODE, FIRST_FIGURE, CHECK, FIRST_SOLUTION = 1, 2, 6, 9  # where they stand in `chapter()`


def figure(number: int) -> NotebookNode:
    myst = {"image": {"alt": ALT}, "figure": {"caption": "The loss is smallest at one.", "name": f"fig-loss-{number}"}}
    outputs = [new_output("display_data", {"image/png": PNG})]
    return new_code_cell("plt.show()", metadata={"mystnb": myst, "tags": ["hide-input"]}, outputs=outputs)


def chapter() -> NotebookNode:
    """A chapter that keeps every rule."""
    cells = [
        new_markdown_cell(OPENING),
        new_code_cell("from companion import plotting\nprint(7)", outputs=[new_output("stream", text="7\n")]),
        figure(0),
        new_markdown_cell(CLAIMS),
        new_code_cell("train()", metadata={"tags": ["nbval-ignore-output", "claim-16"]}),
        new_markdown_cell("It is not.\n\n## Checks"),
        new_code_cell("assert loss < 1", metadata={"tags": ["hide-input"]}),
        new_markdown_cell("## Exercises"),
    ]
    for number in range(3):
        cells += [
            new_markdown_cell(EXERCISE.format(number)),
            new_code_cell(f"print({number})"),
            new_markdown_cell("```{solution-end}\n```"),
        ]
    for number in range(1, 31):
        cells += [new_markdown_cell(f"{PROSE} See {{numref}}`fig-loss-{number}`."), new_code_cell(f"print({number})")]
        cells += [figure(number)] if number < 5 else []
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


def myst(**parts: object) -> Callable[[NotebookNode], None]:
    """The chapter whose first figure is described like this."""
    return meta(FIRST_FIGURE, mystnb=parts, tags=["hide-input"])


def all_ignored(comment: str) -> Callable[[NotebookNode], None]:
    """The chapter none of whose outputs is compared: by a tag, or by a comment."""

    def spoil(notebook: NotebookNode) -> None:
        for cell in notebook.cells:
            if cell.cell_type == "code" and comment:
                cell.source = f"{comment}\n{cell.source}"
            elif cell.cell_type == "code":
                cell.metadata.tags = ["nbval-ignore-output"]

    return spoil


def without(*kept_out: str) -> Callable[[NotebookNode], None]:
    """The chapter without the cells that hold one of these texts."""

    def spoil(notebook: NotebookNode) -> None:
        notebook.cells = [cell for cell in notebook.cells if not any(text in cell.source for text in kept_out)]

    return spoil


def six_claims(notebook: NotebookNode) -> None:
    notebook.cells[3].source = CLAIMS + "".join(
        CLAIMS.partition("\n\n")[2].replace("A small", f"The {n}th") for n in range(5)
    )


def svg_instead(notebook: NotebookNode) -> None:
    notebook.cells[2].outputs[0].data = {"image/svg+xml": "<svg/>"}


def move_checks_last(notebook: NotebookNode) -> None:
    notebook.cells[5].source = "It is not."
    notebook.cells[-1].source += "\n\n## Checks"


def kernel_and_times(notebook: NotebookNode) -> None:
    notebook.metadata = NotebookNode(kernelspec={"name": "my-env"}, jupytext={})
    notebook.cells[1].metadata.execution = {"iopub.execute_input": "2026-01-01"}


FAR_TOO_LONG = "x" * (max(rules.MAX_OUTPUT_BYTES.values()) + 1)
BAD = [
    (rules.executed_in_order, lambda notebook: notebook.cells[1].update(execution_count=None)),
    (rules.executed_in_order, lambda notebook: notebook.cells[1].update(execution_count=5)),
    (rules.nothing_skipped, meta(1, tags=["nbval-skip"])),
    (rules.nothing_skipped, meta(1, tags=["raises-exception"])),
    (rules.nothing_skipped, code("# NBVAL_SKIP\nprint(7)")),
    (rules.no_errors, output("error", ename="ValueError", evalue="", traceback=[])),
    (rules.no_errors, output("stream", name="stderr", text="warning")),
    (rules.mostly_compared, all_ignored("")),
    (rules.mostly_compared, all_ignored("# NBVAL_IGNORE_OUTPUT")),
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
    (rules.figures_described, myst(figure={"caption": "Falls."})),
    (rules.figures_described, myst(image={"alt": "plot"}, figure={"caption": "Falls."})),
    (rules.figures_described, myst(image={"alt": ALT})),
    (rules.figures_described, svg_instead),
    (rules.figures_described, replaced("It is not.", "![](figure.svg)")),
    (rules.figures_described, replaced("It is not.", '<img src="figure.svg">')),
    (rules.figures_described, replaced("It is not.", "```{figure} figure.svg\nCaption\n```")),
    (rules.no_machine_paths, output("stream", text="saved to /home/me/model\n")),
    (rules.no_machine_paths, code('folder = "/tmp/model"')),
    (rules.no_machine_paths, code(r'folder = "C:\\Users\\me"')),
    (rules.no_machine_paths, replaced("It is not.", "See `/Users/me/notes`.")),
    (rules.has_its_parts, replaced("# A chapter", "A chapter")),
    (rules.has_its_parts, replaced("Before you start", "Note")),
    (rules.has_its_parts, replaced("## Claims you will meet", "## Errors")),
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
    (rules.has_exercises, lambda notebook: notebook.cells[FIRST_SOLUTION].update(execution_count=None)),
    (rules.has_summary, replaced("## Summary", "## Last words")),
    (rules.has_summary, replaced("A loss is what training makes small; this one is smallest at one.", "The end.")),
    (rules.has_citations, replaced("{cite:t}`author2017word`", "somebody")),
    (rules.has_citations, replaced("{bibliography}", "{glossary}")),
    (rules.clean_metadata, kernel_and_times),
    (rules.clean_metadata, lambda notebook: notebook.cells[1].pop("id")),
    (rules.opens_with_a_decision, replaced("time?", "time.")),
    (
        rules.opens_with_a_decision,
        replaced(DECISION, "Does it pay?"),
    ),
    (
        rules.answers_the_decision,
        replaced(ANSWER, "Wait."),
    ),
    (rules.states_its_time_and_level, replaced("20 minutes", "a while")),
    (rules.states_its_time_and_level, replaced("10 seconds", "quickly")),
    (rules.states_its_time_and_level, replaced("Level: 2 of 3", "Level: hard")),
    (rules.claims_are_tested, replaced("### A small", "#### A small")),
    (rules.claims_are_tested, six_claims),
    (rules.claims_are_tested, replaced("(claim-small)=\n", "")),
    (rules.claims_are_tested, replaced("Is it? Decide", "Decide")),
    (rules.claims_are_tested, replaced("so.[^slide]", "so.")),
    (rules.claims_are_tested, meta(4, tags=[])),
    (rules.no_errata, replaced("It is not.", "Erratum 16: it is not.")),
    (rules.chapters_are_links, replaced("It is not.", "It is not (chapter *Losses*).")),
    (rules.sources_are_short, replaced("- S1 5.4: what a listing prints", "Essay S1 has a listing.")),
    (rules.sources_are_short, replaced("- S1 5.4: what", "- S1 5.4: what\n  and more, at length, of what")),
    (rules.narrow_code, code(f"x = {'1' * 81}")),
    (rules.prose_between_code, without("## Exercises", "It is not.", "assert loss", EXERCISE.format(0))),
    (rules.plots_and_checks_are_folded, meta(CHECK, tags=[])),
    (rules.plots_and_checks_are_folded, meta(FIRST_FIGURE, tags=[])),
    (rules.figures_are_mentioned, replaced("{numref}`fig-loss-0`", "a figure")),
    (rules.figures_are_mentioned, myst(image={"alt": ALT}, figure={"caption": "Falls."})),
    (rules.right_length, replaced(PROSE, "")),
    (rules.right_length, replaced(PROSE, 3 * PROSE)),
    (rules.right_length, without(*(f"print({n})" for n in range(3, 31)))),
    (rules.right_length, without("plt.show()")),
    (rules.sets_its_threads, code("import torch\nfrom companion.models import GPT")),
    (rules.sets_its_threads, code("from companion import models, training")),
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
