"""What a chapter must contain, and in which order."""

import ast
import re

from chapter_code import nodes
from nbformat import NotebookNode

SECTIONS = (
    *("Goals", "Claims you will meet", "Checks", "Exercises"),
    *("What to do on Monday", "Summary", "Sources", "References"),
)


def markdown(notebook: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def section(notebook: NotebookNode, heading: str) -> list[NotebookNode]:
    """The cells from the one that holds `## heading` to the one that holds the next `##`."""
    found: list[NotebookNode] = []
    for cell in notebook.cells:
        headings = re.findall(r"^## +(.+?) *$", cell.source, re.M) if cell.cell_type == "markdown" else []
        if heading in headings:
            found.append(cell)
        elif found and headings:
            break
        elif found:
            found.append(cell)
    return found


def has_its_parts(notebook: NotebookNode) -> list[str]:
    """Title, goals, what to know before, and all sections, in this order."""
    text = markdown(notebook)
    complaints = []
    if not re.match(r"# \S", text):
        complaints.append("expected the first cell to begin with '# Title'")
    if not re.search(r"\{admonition\} Before you start", text):
        complaints.append("lacks the admonition 'Before you start'")
    headings = re.findall(r"^## +(.+?) *$", text, re.M)
    complaints += [f"lacks the section '## {name}'" for name in SECTIONS if name not in headings]
    present = [name for name in headings if name in SECTIONS]
    if not complaints and present != list(SECTIONS):
        complaints.append(f"expected the sections in the order {', '.join(SECTIONS)}; got {', '.join(present)}")
    return complaints


def prose_of(notebook: NotebookNode, heading: str) -> str:
    """The text of the section `## heading`."""
    return re.split(r"^## ", markdown(notebook).partition(f"## {heading}\n")[2], maxsplit=1, flags=re.M)[0]


def opening(notebook: NotebookNode) -> str:
    """What stands between the title and the goals."""
    return markdown(notebook).partition("\n")[2].partition("## Goals")[0]


def has_goals(notebook: NotebookNode) -> list[str]:
    """Three to five goals, as a list."""
    text = re.split(r"\{admonition\}", prose_of(notebook, "Goals"), maxsplit=1)[0]
    goals = re.findall(r"^(?:[-*]|\d+\.) +\S", text, re.M)
    return [] if 3 <= len(goals) <= 5 else [f"expected 3 to 5 goals as a list under '## Goals', got {len(goals)}"]


def has_assertions(notebook: NotebookNode) -> list[str]:
    """The Checks section asserts, and no assertion is true whatever happens."""
    checks = "\n".join(cell.source for cell in section(notebook, "Checks") if cell.cell_type == "code")
    complaints = [] if re.search(r"^\s*assert |\bassert_\w+\(", checks, re.M) else ["no assertion under '## Checks'"]
    return complaints + [
        f"cell {number}: an assertion that cannot fail"
        for number, node in nodes(notebook)
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant | ast.Tuple)
    ]


def has_exercises(notebook: NotebookNode) -> list[str]:
    """Three to five exercises, each with a folded solution that holds executed code."""
    labels = re.findall(r"\{exercise\}[^\n]*\n(?::[^\n]*\n)*?:label: *(\S+)", markdown(notebook))
    complaints = [] if 3 <= len(labels) <= 5 else [f"expected 3 to 5 labeled exercises, got {len(labels)}"]
    solved = solutions(notebook)
    for label in labels:
        if label not in solved:
            complaints.append(f"exercise {label}: no {{solution-start}} … {{solution-end}}")
            continue
        directive, cells = solved[label]
        if ":class: dropdown" not in directive:
            complaints.append(f"exercise {label}: the solution does not fold (:class: dropdown)")
        if not any(cell.execution_count for cell in cells):
            complaints.append(f"exercise {label}: no executed code cell in the solution")
    return complaints


def solutions(notebook: NotebookNode) -> dict[str, tuple[str, list[NotebookNode]]]:
    """Label of the exercise: options of `{solution-start}`, and the code cells up to `{solution-end}`."""
    closed: dict[str, tuple[str, list[NotebookNode]]] = {}
    current: tuple[str, str, list[NotebookNode]] | None = None
    for cell in notebook.cells:
        if cell.cell_type == "code" and current:
            current[2].append(cell)
        if cell.cell_type != "markdown":
            continue
        for match in re.finditer(r"\{solution-(start|end)\} *(\S*)((?:\n:.*)*)", cell.source):
            if match[1] == "start":
                current = (match[2], match[3], [])
            elif current:
                closed[current[0]] = current[1:]
                current = None
    return closed


def has_summary(notebook: NotebookNode) -> list[str]:
    return (
        []
        if len(prose_of(notebook, "Summary").split()) >= 10
        else ["expected a summary of at least ten words under '## Summary'"]
    )


def has_citations(notebook: NotebookNode) -> list[str]:
    """It cites, and lists what it cites."""
    text = markdown(notebook)
    complaints = [] if re.search(r"\{cite(:\w+)?\}`[^`]+`", text) else ["cites nothing ({cite:p}`key`)"]
    if not re.search(r"\{bibliography\}\s*\n:filter: docname in docnames", text):
        complaints.append("lacks {bibliography} with ':filter: docname in docnames'")
    return complaints
