"""The pages that servers show: each is one text that asks for nothing else, with the style that all of them share."""

from importlib.resources import files


def page_of(package: str) -> str:
    """The ``page.html`` of a package, in which ``/* STYLE */`` has become the shared style."""
    style = files("companion.serving").joinpath("page.css").read_text(encoding="utf-8")
    page = files(package).joinpath("page.html").read_text(encoding="utf-8")
    return page.replace("/* STYLE */\n", style)
