"""What a committed chapter must be: each rule takes a notebook and returns its complaints."""

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from chapter_code import (
    code_cells,
    no_empty_cells,
    offline,
    plain_python,
    short_cells,
    uses_companion,
)
from chapter_lesson import (
    answers_the_decision,
    chapters_are_links,
    claims_are_tested,
    figures_are_mentioned,
    narrow_code,
    no_errata,
    opens_with_a_decision,
    plots_and_checks_are_folded,
    prose_between_code,
    right_length,
    sets_its_threads,
    sources_are_short,
    states_its_time_and_level,
)
from chapter_parts import has_assertions, has_citations, has_exercises, has_goals, has_its_parts, has_summary, markdown
from nbformat import NotebookNode

Rule = Callable[[NotebookNode], list[str]]

MAX_OUTPUT_BYTES = {"text": 100_000, "image": 200_000}  # images have twice as many pixels a side as they show
MAX_SHARE_NOT_COMPARED = 1 / 4
MIN_ALT_CHARACTERS = 15

# nbval reads a tag, or the same words as a comment.
SKIP_TAGS = {"nbval-skip", "nbval-raises-exception", "raises-exception", "skip-execution"}
SKIP_COMMENT = re.compile(r"#\s*(NBVAL_SKIP|NBVAL_RAISES_EXCEPTION)")
IGNORE_TAGS = {"nbval-ignore-output", "pytest-validate-ignore-output"}
IGNORE_COMMENT = re.compile(r"#\s*(NBVAL_IGNORE_OUTPUT|PYTEST_VALIDATE_IGNORE_OUTPUT)")

HERE = re.escape(str(Path(__file__).resolve().parents[2]))
PATH_OF_A_MACHINE = re.compile(
    rf"{HERE}\b|(?<![\w.:/])/(?:home|root|Users|tmp|private|mnt|opt|var|usr)/\w+|\b[A-Z]:\\+\w+"
)


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def text_of(output: NotebookNode) -> str:
    """All text of an output: what was printed, shown or raised."""
    parts = [output.get("text", ""), *output.get("traceback", [])]
    parts += [value for mime, value in output.get("data", {}).items() if not mime.startswith("image/")]
    return "\n".join(part if isinstance(part, str) else str(part) for part in parts)


# Execution


def executed_in_order(notebook: NotebookNode) -> list[str]:
    """Every code cell was executed, once, from top to bottom, in a fresh kernel."""
    counts = [(number, cell.execution_count) for number, cell in code_cells(notebook)]
    return [
        f"cell {number}: expected execution count {expected}, got {got}; run `make refresh`"
        for expected, (number, got) in enumerate(counts, 1)
        if got != expected
    ]


def nothing_skipped(notebook: NotebookNode) -> list[str]:
    """No cell is kept from execution or allowed to fail."""
    return [
        f"cell {number}: is skipped or may raise"
        for number, cell in code_cells(notebook)
        if tags(cell) & SKIP_TAGS or SKIP_COMMENT.search(cell.source)
    ]


def no_errors(notebook: NotebookNode) -> list[str]:
    """No cell raised, and none wrote to stderr."""
    return [
        f"cell {number}: has {'an error' if output.output_type == 'error' else 'stderr output'}"
        for number, cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type == "error" or output.get("name") == "stderr"
    ]


def mostly_compared(notebook: NotebookNode) -> list[str]:
    """At most a quarter of the code cells is executed without being compared."""
    cells = [cell for _, cell in code_cells(notebook)]
    ignored = [cell for cell in cells if tags(cell) & IGNORE_TAGS or IGNORE_COMMENT.search(cell.source)]
    if len(ignored) <= MAX_SHARE_NOT_COMPARED * len(cells):
        return []
    return [f"{len(ignored)} of {len(cells)} code cells are not compared; at most a quarter may be"]


# Outputs and figures


def small_outputs(notebook: NotebookNode) -> list[str]:
    """Each text of an output is at most 100 kB, as UTF-8, and each image at most 200 kB, as a file (not base64)."""
    return [
        f"cell {number}: {size / 1000:.0f} kB of {mime}; at most 100 kB of text and 200 kB an image"
        for number, cell in code_cells(notebook)
        for output in cell.outputs
        for mime, size in sizes(output)
        if size > MAX_OUTPUT_BYTES[mime.partition("/")[0]]
    ]


def sizes(output: NotebookNode) -> Iterator[tuple[str, int]]:
    yield "text", len(text_of(output).encode())
    for mime, value in output.get("data", {}).items():
        if mime.startswith("image/"):
            yield mime, len(value.encode() if "svg" in mime else base64.b64decode(value))


def figures_described(notebook: NotebookNode) -> list[str]:
    """Every image has alt text; a figure that a cell draws also has a caption, and is PNG, as nbval compares SVG."""
    complaints = []
    for number, cell in code_cells(notebook):
        mimes = {mime for output in cell.outputs for mime in output.get("data", {}) if mime.startswith("image/")}
        if not mimes:
            continue
        myst = cell.metadata.get("mystnb", {})
        if len(myst.get("image", {}).get("alt", "").strip()) < MIN_ALT_CHARACTERS:
            complaints.append(f"cell {number}: a figure without alt text (metadata mystnb.image.alt)")
        if not myst.get("figure", {}).get("caption", "").strip():
            complaints.append(f"cell {number}: a figure without caption (metadata mystnb.figure.caption)")
        if mimes != {"image/png"}:
            complaints.append(f"cell {number}: expected a figure as PNG, got {', '.join(sorted(mimes))}")
    return complaints + markdown_images_described(markdown(notebook))


def markdown_images_described(text: str) -> list[str]:
    complaints = [f"image without alt text: {image}" for image in re.findall(r"!\[\s*\]\(.*?\)", text)]
    complaints += [f"image without alt text: {tag}" for tag in re.findall(r"<img\b[^>]*>", text) if 'alt="' not in tag]
    blocks = re.findall(r"^(`{3,}|:{3,})\{(?:figure|image)\}(.*?)^\1", text, re.M | re.S)
    return complaints + [
        f"figure without :alt:: {body.strip().splitlines()[0]}" for _, body in blocks if ":alt:" not in body
    ]


def no_machine_paths(notebook: NotebookNode) -> list[str]:
    """Neither code, prose nor output names a folder of the machine that it was written on."""
    complaints = []
    for number, cell in enumerate(notebook.cells, 1):
        texts = [cell.source, *(text_of(output) for output in cell.get("outputs", []))]
        found = [match.group() for text in texts for match in PATH_OF_A_MACHINE.finditer(text)]
        complaints += [f"cell {number}: names a path of a machine ({path})" for path in found]
    return complaints


def clean_metadata(notebook: NotebookNode) -> list[str]:
    """No times and no converter's notes, so that a diff shows what changed; cells have ids."""
    complaints = ["notebook metadata has 'jupytext'"] if "jupytext" in notebook.metadata else []
    complaints += [f"cell {n}: records times" for n, cell in code_cells(notebook) if "execution" in cell.metadata]
    if (kernel := notebook.metadata.get("kernelspec", {}).get("name")) != "python3":
        complaints.append(f"expected the kernel 'python3', got {kernel!r}")
    return complaints + [f"cell {n}: has no id" for n, cell in enumerate(notebook.cells, 1) if not cell.get("id")]


#: What every notebook keeps, also one of the appendix.
NOTEBOOK_RULES: tuple[Rule, ...] = (
    *(executed_in_order, nothing_skipped, no_errors, mostly_compared),
    *(no_empty_cells, short_cells, plain_python, uses_companion, offline),
    *(small_outputs, figures_described, no_machine_paths),
    *(
        no_errata,
        chapters_are_links,
        narrow_code,
        prose_between_code,
        plots_and_checks_are_folded,
        figures_are_mentioned,
    ),
    *(sets_its_threads, clean_metadata),
)
#: What makes it a chapter; the template keeps these, too.
TEMPLATE_RULES: tuple[Rule, ...] = (
    *NOTEBOOK_RULES,
    *(has_its_parts, has_goals, has_assertions, has_exercises, has_summary, has_citations),
    *(opens_with_a_decision, answers_the_decision, states_its_time_and_level, claims_are_tested, sources_are_short),
)
RULES = (*TEMPLATE_RULES, right_length)
