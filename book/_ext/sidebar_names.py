"""The arrows that open a part of the sidebar have a name for those who do not see them; the theme gives them none."""

from pathlib import Path

from sphinx.application import Sphinx

ARROW = '<summary><span class="toctree-toggle"'
NAMED = ARROW.replace("<summary>", '<summary aria-label="Show or hide its pages">')


def name_arrows(app: Sphinx, exception: Exception | None) -> None:
    """Names them on all pages of a site that was built."""
    if exception or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        if ARROW in page:
            path.write_text(page.replace(ARROW, NAMED), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers a last step of a build."""
    app.connect("build-finished", name_arrows)
    return {"parallel_read_safe": True}
