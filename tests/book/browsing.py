"""What the tests of the built site share: where it lies, and how a page of it is opened and watched."""

from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import BrowserContext, Page

ROOT = Path(__file__).parents[2]
SITE = ROOT / "_build/html"
PAGES = sorted(path for path in SITE.rglob("*.html") if not path.relative_to(SITE).parts[0].startswith("_"))
CHAPTERS = sorted(path for path in (ROOT / "book").glob("*/*.ipynb") if ".ipynb_checkpoints" not in path.parts)

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
LEFT = "net::ERR_ABORTED"  # what a page still asks for when a link or a search leaves it


@dataclass
class Visit:
    """A page, and what went wrong while it was open."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        page, complain = self.page, self.complaints.append
        page.on("request", lambda r: None if is_local(r.url) else complain(f"asks for {r.url}"))
        page.on("requestfailed", lambda r: complain(f"could not load {r.url}") if r.failure != LEFT else None)
        page.on("console", lambda m: complain(f"console: {m.text}") if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complain(f"error: {error}"))


def is_local(url: str) -> bool:
    return url.startswith(("file:", "data:", "blob:", "about:"))


def open_page(context: BrowserContext, path: Path) -> Visit:
    visit = Visit(context.new_page())
    visit.watch()
    visit.page.goto(path.as_uri(), wait_until="load")
    return visit
