"""A page on paper, by the Chromium of this machine."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SECONDS = 120


def find_chromium() -> str:
    """Where it is.

    Raises:
        FileNotFoundError: where there is none.
    """
    chromium = next(filter(None, map(shutil.which, _NAMES)), None)
    if chromium is None:
        names = ", ".join(_NAMES)
        raise FileNotFoundError(f"expected Chromium ({names}) for the PDF, got none: install it, or take --no-pdf")
    return chromium


def print_page(chromium: str, page: Path, paper: Path) -> None:
    """Prints an HTML file as a PDF.

    Raises:
        RuntimeError: where Chromium makes no file; the text is what it said.
    """
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--disable-gpu", *as_root, f"--user-data-dir={profile}", "--no-pdf-header-footer"]
        offline = "--host-resolver-rules=MAP * ~NOTFOUND"
        command = [chromium, *options, offline, f"--print-to-pdf={paper.resolve()}", page.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if not paper.is_file():
        raise RuntimeError(f"expected {paper} from {chromium}, got: {done.stderr[-500:]}")
