"""The source of each page as a script beside it, so that the download button works from the disk (``from_disk.js``)."""

import json
from pathlib import Path

from sphinx.application import Sphinx


def write_scripts(app: Sphinx, failure: Exception | None) -> None:
    """Writes ``_sources/page.ipynb.js`` beside each ``_sources/page.ipynb``."""
    if failure or app.builder.format != "html":
        return
    for path in Path(app.outdir, "_sources").rglob("*.*"):
        if path.suffix in {".ipynb", ".md"}:
            text = json.dumps(path.read_text(encoding="utf-8"))
            script = f"saveSource({json.dumps(path.name)}, {text});\n"
            path.with_name(path.name + ".js").write_text(script, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the hook."""
    app.connect("build-finished", write_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
