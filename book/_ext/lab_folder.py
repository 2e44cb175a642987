"""Brings the folder ``lab/`` up to date with the copies that the build made; what a reader has changed stays as it is.

Run by ``make lab``, or by hand after ``jupyter-book build .``: ``python book/_ext/lab_folder.py``.
"""

import hashlib
import json
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOTE = ".made.json"


def bring_up_to_date(made: Path, folder: Path) -> list[str]:
    """Copies the notebooks below ``made`` to ``folder``, and names those that it leaves alone: they were changed there.

    Raises:
        FileNotFoundError: where the build has made none.
    """
    notebooks = sorted(made.rglob("*.ipynb"))
    if not notebooks:
        raise FileNotFoundError(
            f"expected notebooks in {made}, got none: build the site first (make book)"
        )
    note = folder / NOTE
    before = json.loads(note.read_text("utf-8")) if note.exists() else {}
    changed, written = [], {}
    for notebook in notebooks:
        name = notebook.relative_to(made).as_posix()
        target = folder / name
        if target.exists() and _digest(target) not in {
            before.get(name),
            _digest(notebook),
        }:
            changed.append(name)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(notebook, target)
        written[name] = _digest(notebook)
    note.write_text(json.dumps({**before, **written}, indent=1), encoding="utf-8")
    return changed


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    for name in bring_up_to_date(ROOT / "_build/lab", ROOT / "lab"):
        print(
            f"lab/{name} was changed, and is left as it is; remove it to get it anew"
        )
    # Chapters read recorded runs by their path.
    shutil.copytree(
        ROOT / "book/recorded", ROOT / "lab/recorded", dirs_exist_ok=True
    )
