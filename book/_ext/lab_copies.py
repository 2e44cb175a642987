"""Copies of the chapters for JupyterLab, made when the site is built: the numbers of the site, and plain Markdown.

``_build/lab`` gets a notebook for each chapter: the code cells are the chapter's own; citations, references and numbers
are text; captions stand below their figures; solutions and the code of plots are folded, as on the site.
"""

import copy
import json
import platform
import posixpath
from pathlib import Path
from typing import Any

import works
from plain_markdown import SOLUTION, Names, cited_keys, plain_cells
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

Cell = dict[str, Any]

#: As the kernel of this Python describes itself: JupyterLab changes no metadata when it opens a copy.
METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": platform.python_version(),
    },
}


def lab_notebook(notebook: dict[str, Any], names: Names) -> dict[str, Any]:
    """The copy of a chapter."""
    cells = [
        cell
        for original in notebook["cells"]
        for cell in (
            _markdown_cells(original, names)
            if original["cell_type"] == "markdown"
            else _code_cells(original, names)
        )
    ]
    return {
        "cells": cells,
        "metadata": METADATA,
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _markdown_cells(cell: Cell, names: Names) -> list[Cell]:
    texts = plain_cells("".join(cell["source"]), names)
    return [_markdown(f"{cell['id']}-{i}", text) for i, text in enumerate(texts)]


def _markdown(cell_id: str, text: str) -> Cell:
    folded = (
        {"jp-MarkdownHeadingCollapsed": True} if text.startswith(SOLUTION) else {}
    )
    source = text.splitlines(keepends=True)
    return {
        "cell_type": "markdown",
        "id": cell_id,
        "metadata": folded,
        "source": source,
    }


def _code_cells(cell: Cell, names: Names) -> list[Cell]:
    code = copy.deepcopy(cell)
    hidden = "hide-input" in cell["metadata"].get("tags", [])
    code["metadata"] = {"jupyter": {"source_hidden": True}} if hidden else {}
    figure = cell["metadata"].get("mystnb", {}).get("figure")
    if not figure:
        return [code]
    caption = f"*{names.number(figure['name'])}.* {figure['caption']}"
    text = "\n".join(plain_cells(caption, names))
    return [code, _markdown(f"{cell['id']}-caption", text)]


def names_in(env: BuildEnvironment, docname: str, cited: set[str]) -> Names:
    """What a chapter's references stand for, as the build of the site knows it."""
    return Names(
        number=lambda label: _number(env, label),
        title=lambda label: env.domaindata["std"]["labels"][label][2],
        document=lambda target: _document(env, docname, target),
        author=works.author,
        year=works.year,
        bibliography=lambda: works.as_list(cited),
    )


def _number(env: BuildEnvironment, label: str) -> str:
    docname, target, *_ = env.domaindata["std"]["anonlabels"][label]
    for kind, numbers in env.toc_fignumbers.get(docname, {}).items():
        if target in numbers:
            number = ".".join(map(str, numbers[target]))
            return env.config.numfig_format[kind].replace("%s", number)
    raise KeyError(
        f"expected the label of a numbered figure or exercise, got {label!r}"
    )


def _document(env: BuildEnvironment, docname: str, target: str) -> str:
    """A link where the page is a chapter, which lies beside the copy; else its title: the site has it."""
    name = posixpath.normpath(
        posixpath.join("/", posixpath.dirname(docname), target)
    ).lstrip("/")
    title = env.titles[name].astext()
    if not env.doc2path(name).endswith(".ipynb"):
        return f"*{title}* (on the site)"
    link = posixpath.relpath(name, posixpath.dirname(docname))
    return f"[{title}]({link}.ipynb)"


def write_copies(app: Sphinx, error: Exception | None) -> None:
    """Writes a copy of each chapter of the contents below ``_build/lab``."""
    folder = Path(app.outdir).parent / "lab"
    # The first page is made of cards, which only the site can show.
    for docname in (
        [] if error else sorted(app.env.found_docs - {app.config.root_doc})
    ):
        source = Path(app.env.doc2path(docname))
        if source.suffix == ".ipynb":
            text = source.read_text(encoding="utf-8")
            names = names_in(app.env, docname, cited_keys(text))
            made = lab_notebook(json.loads(text), names)
            target = folder / f"{docname.removeprefix('book/')}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            written = json.dumps(made, ensure_ascii=False, indent=1)
            target.write_text(f"{written}\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Writes the copies when the site is there."""
    app.connect("build-finished", write_copies)
    return {"parallel_read_safe": True}
