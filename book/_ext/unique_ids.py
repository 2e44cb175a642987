"""One id names one element: sphinx-exercise gives all exercises of a page the same one, and all solutions another."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

REPEATED = {"exercise-content", "solution-content"}


class UniqueIds(SphinxPostTransform):
    """Takes the ids off that nothing links to."""

    default_priority = 900

    def run(self, **_: Any) -> None:
        """Changes the page's sections in place."""
        for section in self.document.findall(nodes.section):
            section["ids"] = [
                name for name in section["ids"] if name not in REPEATED
            ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the transform."""
    app.add_post_transform(UniqueIds)
    return {"parallel_read_safe": True}
