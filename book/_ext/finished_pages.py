"""The last step of a build, for what is changed in the finished pages whatever made them."""

from collections.abc import Callable
from pathlib import Path

from sphinx.application import Sphinx


def change_pages(app: Sphinx, change: Callable[[str], str]) -> None:
    """Has each page of a site that was built changed, from its HTML to another."""

    def at_the_end(app: Sphinx, exception: Exception | None) -> None:
        if exception or app.builder.format != "html":
            return
        for path in Path(app.outdir).rglob("*.html"):
            if "_static" not in path.parts:
                path.write_text(
                    change(path.read_text(encoding="utf-8")), encoding="utf-8"
                )

    app.connect("build-finished", at_the_end)
