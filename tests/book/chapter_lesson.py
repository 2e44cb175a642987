"""What makes a chapter a lesson: a decision, claims put to the test, prose around code, figures that are spoken of."""

import ast
import re

from chapter_code import code_cells
from chapter_parts import markdown, opening, prose_of, section
from nbformat import NotebookNode

MIN_WORDS_OF_OPENING = 30
MAX_CLAIMS = 5
MAX_CODE_WIDTH = 84  # characters: what the page shows beside both sidebars at 1280 pixels
WORDS, CODE_CELLS, FIGURES = (2_500, 4_500), (30, 60), (5, 9)
FOLDED = {"hide-input", "hide-cell"}
CLAIM_TAG = re.compile(r"claim-[\w-]+")


def opens_with_a_decision(notebook: NotebookNode) -> list[str]:
    """Before the goals stands who has to decide what: a paragraph with a question."""
    text = opening(notebook)
    if "?" in text and len(text.split()) >= MIN_WORDS_OF_OPENING:
        return []
    return [f"expected a decision before '## Goals': at least {MIN_WORDS_OF_OPENING} words and a question"]


def answers_the_decision(notebook: NotebookNode) -> list[str]:
    """'What to do on Monday' takes up at least half of the longer words of the first question."""
    question = re.split(r"[.!]\s|\n\n", opening(notebook).partition("?")[0])[-1]
    asked = content_words(question)
    missing = asked - content_words(prose_of(notebook, "What to do on Monday"))
    if 2 * len(missing) <= len(asked):
        return []
    return [f"'What to do on Monday' does not answer the first question; it lacks {', '.join(sorted(missing))}"]


def content_words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z0-9.%$]+", text.casefold()) if len(word) > 3}


def states_its_time_and_level(notebook: NotebookNode) -> list[str]:
    """'Before you start' says what the site's cards show: the level, the minutes to read, how long the cells run."""
    block = markdown(notebook).partition("Before you start")[2].partition("```")[0]
    asked = {
        "Level: 1 of 3": r"Level:\s+[1-3]\s+of\s+3",
        "Reading: 20 minutes": r"Reading: \d+ minutes",
        "running: 10 seconds": r"running:\s+(?:about\s+)?\d+\s+\w+",
    }
    return [f"'Before you start' lacks {like!r}" for like, pattern in asked.items() if not re.search(pattern, block)]


def claims_are_tested(notebook: NotebookNode) -> list[str]:
    """One to five claims; each has a label, asks the reader, has a tagged cell that decides, and a footnote."""
    claims = claim_cells(notebook)
    complaints = [] if 1 <= len(claims) <= MAX_CLAIMS else [f"expected 1 to {MAX_CLAIMS} claims, got {len(claims)}"]
    for title, cells in claims.items():
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        tags = {tag for cell in cells for tag in cell.metadata.get("tags", [])}
        if not re.search(rf"^\([\w-]+\)=\n### +{re.escape(title)} *$", text, re.M):
            complaints.append(f"claim {title!r}: no label (name)= before its heading")
        if "?" not in text:
            complaints.append(f"claim {title!r}: does not ask the reader to decide first")
        if not re.search(r"\[\^[\w-]+\](?!:)", text):
            complaints.append(f"claim {title!r}: no footnote with its source")
        if not any(map(CLAIM_TAG.fullmatch, tags)):
            complaints.append(f"claim {title!r}: no cell tagged claim-...")
    return complaints


def claim_cells(notebook: NotebookNode) -> dict[str, list[NotebookNode]]:
    """The cells of each claim, by its heading."""
    claims: dict[str, list[NotebookNode]] = {}
    for cell in section(notebook, "Claims you will meet"):
        headings = re.findall(r"^### +(.+?) *$", cell.source, re.M) if cell.cell_type == "markdown" else []
        for heading in headings:
            claims[heading] = [cell]
        if not headings and claims:
            claims[next(reversed(claims))].append(cell)
    return claims


def no_errata(notebook: NotebookNode) -> list[str]:
    """Claims stand by what they say: no numbers of a list that readers do not have."""
    return [
        f"cell {number}: says 'erratum'"
        for number, cell in enumerate(notebook.cells, 1)
        if cell.cell_type == "markdown" and re.search(r"errat(?:um|a)\b", cell.source, re.I)
    ]


def chapters_are_links(notebook: NotebookNode) -> list[str]:
    """A chapter is named by a link, whose text the site keeps equal to its title."""
    return [
        f"cell {number}: names a chapter by {found[0]!r}; write {{doc}}`../part/name`"
        for number, cell in enumerate(notebook.cells, 1)
        if cell.cell_type == "markdown" and (found := re.search(r"\bchapters? \*[^*]+\*", cell.source, re.I))
    ]


def sources_are_short(notebook: NotebookNode) -> list[str]:
    """'Sources' lists sections of the essays, one line each."""
    lines = [line for line in prose_of(notebook, "Sources").splitlines() if line.strip()]
    listed = [line for line in lines if re.match(r"- S[0-4] \S", line)]
    return [] if listed and len(listed) == len(lines) else ["expected lines '- S3 4.2: ...' under '## Sources'"]


def narrow_code(notebook: NotebookNode) -> list[str]:
    return [
        f"cell {number}: a line of {len(line)} characters, at most {MAX_CODE_WIDTH}"
        for number, cell in code_cells(notebook)
        for line in cell.source.splitlines()
        if len(line) > MAX_CODE_WIDTH
    ]


def is_folded(cell: NotebookNode) -> bool:
    return bool(FOLDED & set(cell.metadata.get("tags", [])))


def plots_and_checks_are_folded(notebook: NotebookNode) -> list[str]:
    """A cell that shows a figure, or only asserts, is folded, so that the page reads as a lesson."""
    complaints = []
    for number, cell in code_cells(notebook):
        shows = any(mime.startswith("image/") for output in cell.outputs for mime in output.get("data", {}))
        if (shows or only_asserts(cell.source)) and not is_folded(cell):
            complaints.append(f"cell {number}: {'plots' if shows else 'only asserts'}, and is not folded (hide-input)")
    return complaints


def only_asserts(source: str) -> bool:
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return False
    return bool(body) and all(isinstance(node, ast.Assert) for node in body)


def prose_between_code(notebook: NotebookNode) -> list[str]:
    """No two code cells in a row, but for a folded one behind another."""
    return [
        f"cell {number}: code after code without a word between them"
        for number, (before, cell) in enumerate(zip(notebook.cells, notebook.cells[1:], strict=False), 2)
        if before.cell_type == cell.cell_type == "code" and not is_folded(cell)
    ]


def figures_are_mentioned(notebook: NotebookNode) -> list[str]:
    """Every figure has a name, and a sentence refers to it."""
    complaints, text = [], markdown(notebook)
    for number, cell in code_cells(notebook):
        if any(mime.startswith("image/") for output in cell.outputs for mime in output.get("data", {})):
            name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name", "")
            if not name or not re.search(rf"\{{(?:num)?ref\}}`(?:[^`<]*<)?{re.escape(name)}>?`", text):
                complaints.append(f"cell {number}: no sentence refers to the figure {name!r} ({{numref}}`name`)")
    return complaints


def right_length(notebook: NotebookNode) -> list[str]:
    """2,500 to 4,500 words, 30 to 60 code cells, 5 to 9 figures."""
    cells = [cell for _, cell in code_cells(notebook)]
    figures = sum(any("image/png" in output.get("data", {}) for output in cell.outputs) for cell in cells)
    counts = {"words": len(words(notebook)), "code cells": len(cells), "figures": figures}
    bounds = {"words": WORDS, "code cells": CODE_CELLS, "figures": FIGURES}
    return [
        f"expected {low:,} to {high:,} {what}, got {counts[what]:,}"
        for what, (low, high) in bounds.items()
        if not low <= counts[what] <= high
    ]


def words(notebook: NotebookNode) -> list[str]:
    """The words of the prose; formulas, directives and labels are none."""
    text = re.sub(r"\$\$.*?\$\$|\{math\}`[^`]*`|\$[^$\n]+\$", " ", markdown(notebook), flags=re.S)
    return re.findall(r"[A-Za-z][\w'-]*", re.sub(r"^(?:`{3,}|:).*$|^\(.*\)=$", " ", text, flags=re.M))


def sets_its_threads(notebook: NotebookNode) -> list[str]:
    """A chapter that computes with torch sets one thread: outputs must not depend on the number of cores."""
    source = "\n".join(cell.source for _, cell in code_cells(notebook))
    uses_torch = re.search(r"^\s*(?:import torch|from torch|from companion\b.*\b(?:models|training)\b)", source, re.M)
    sets = re.search(r"\bset_num_threads\(1\)", source)
    return ["does not call torch.set_num_threads(1)"] if uses_torch and not sets else []
