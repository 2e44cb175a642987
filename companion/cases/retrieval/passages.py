"""Documents cut into passages that can be found and quoted: plain text, Markdown and notebooks."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: What is read: other files are passed over.
SUFFIXES = (".txt", ".md", ".ipynb")
#: The most bytes that are read from all files together, about ten million words.
MOST_BYTES = 2**26
#: A passage has at most this many words, which the sentence encoder reads whole.
PASSAGE_WORDS = 120

# Sections of the book that promise, check or list, and answer nothing; as little does an opening, which asks.
_NO_ANSWERS = {"Goals", "Checks", "Exercises", "Summary", "Sources", "References"}
_HEADING = re.compile(r"(#{1,6})\s+(.*)")
_MARKUP = (
    (re.compile(r"<!--.*?-->", re.S), ""),
    (re.compile(r"^(```|:::|~~~).*$|^\([\w-]+\)=\s*$|^\[\^[^\]]+\]:.*$|^:\w[\w-]*:.*$", re.M), ""),  # directives
    (re.compile(r"\[\^[^\]]+\]"), ""),
    # A label means nothing in a quotation: a figure is named as one, authors by name and year, a page by its last part.
    (re.compile(r"((?:^|[.?!]\)?\s+|\n\s*\n)\(?)\{numref\}`[^`]*`"), r"\1The figure"),
    (re.compile(r"\{numref\}`[^`]*`"), "the figure"),
    (re.compile(r"\s*\{cite:p\}`[^`]*`"), ""),
    (re.compile(r"\{cite:t\}`([a-z]+)(\d{4})[^`]*`"), lambda found: f"{found[1].capitalize()} ({found[2]})"),
    (re.compile(r"(\{doc\}`)[^`<]*/(?=[^`</]+`)"), r"\1"),
    (re.compile(r"(\{py:\w+\}`)~[\w.]*\.(?=\w+`)"), r"\1"),
    (re.compile(r"\{[\w:-]+\}`([^`<]*?)(?:\s*<[^>`]*>)?`"), r"\1"),  # roles
    (re.compile(r"\[([^\]]*)\]\([^)\s]*\)"), r"\1"),  # links
    (re.compile(r"\*\*|\\(?=[$#%])"), ""),
)
# What a terminal would obey instead of showing, and marks that change the direction of text.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Passage:
    """A few sentences of a document.

    Attributes:
        source: the file, as seen from the folder.
        title: of the document: its first heading, or else the file's name.
        heading: of the section, or the title again.
        text: at most ``PASSAGE_WORDS`` words, without markup.
    """

    source: str
    title: str
    heading: str
    text: str


def book_passages() -> list[Passage]:
    """The passages of this book's chapters, from the clone that the package lies in.

    Raises:
        FileNotFoundError: where the package was installed without the book; the text says what to do.

    >>> passages = book_passages()
    >>> any(passage.title == "Is the new model better?" for passage in passages)
    True
    """
    book = Path(__file__).resolve().parents[3] / "book"
    chapters = sorted(path for path in book.glob("*/*.ipynb") if path.parent.name != "appendix")
    if not chapters:
        raise FileNotFoundError(
            f"expected the book's chapters in {book}, got none: pip installs the package without the book; run this "
            f"in a clone of its repository, or ask documents of your own with --folder"
        )
    return [
        passage
        for path in chapters
        for passage in _passages(path, path.relative_to(book.parent).as_posix())
        if passage.heading not in {passage.title, *_NO_ANSWERS}
    ]


def folder_passages(folder: str | Path) -> list[Passage]:
    """The passages of all text, Markdown and notebook files below a folder, or of one such file.

    Hidden files, links and other kinds of files are passed over; of a notebook the text cells are read, and nothing is
    executed. Control characters are taken out, so that no document can steer the terminal that shows it.

    Args:
        folder: its files are read anew at each call.

    Raises:
        FileNotFoundError: where there is no such path, or no such file below it.
        ValueError: for a file that is no UTF-8 text or no notebook, more than ``MOST_BYTES``, or no words.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "returns.md").write_text("# Returns\\n\\nGoods come back within 30 days.")
    >>> folder_passages(folder)[0]
    Passage(source='returns.md', title='Returns', heading='Returns', text='Goods come back within 30 days.')
    """
    root = Path(folder)
    files = [root] if root.is_file() else _files_below(root)
    if root.is_file() and root.suffix not in SUFFIXES:
        raise ValueError(f"expected a file that ends in {', '.join(SUFFIXES)}, got {root}: save it as text first")
    if not files:
        got = "a folder without one" if root.is_dir() else "no such file or folder"
        raise FileNotFoundError(f"expected files that end in {', '.join(SUFFIXES)} in {root}, got {got}")
    size = sum(path.stat().st_size for path in files)
    if size > MOST_BYTES:
        raise ValueError(f"expected at most {MOST_BYTES:,} bytes of documents, got {size:,} in {root}: give fewer")
    base = root if root.is_dir() else root.parent
    found = [passage for path in files for passage in _passages(path, path.relative_to(base).as_posix())]
    if not found:
        raise ValueError(f"expected words in the documents of {root}, got none")
    return found


def _files_below(root: Path) -> list[Path]:
    found = []
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if not name.startswith(".")]
        found += [Path(folder, name) for name in files if not name.startswith(".") and name.endswith(SUFFIXES)]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _passages(path: Path, source: str) -> Iterator[Passage]:
    """The passages of one file; headings are looked for in Markdown only."""
    title = heading = path.stem
    first = True
    for block in _blocks(path):
        marked = _HEADING.fullmatch(block) if path.suffix != ".txt" else None
        if marked:
            heading = marked[2].strip()
            title, first = (heading, False) if first else (title, False)
            continue
        yield from (Passage(source, title, heading, text) for text in _pieces(block))


def _blocks(path: Path) -> Iterator[str]:
    """Headings, and between them the text of a section as one block."""
    held: list[str] = []
    for line in _text(path).split("\n"):
        if path.suffix != ".txt" and _HEADING.fullmatch(line):
            yield from ("\n".join(held), line)
            held = []
        else:
            held.append(line)
    yield "\n".join(held)


def _pieces(block: str) -> Iterator[str]:
    """A block's paragraphs, joined as long as they are short, cut where they are long."""
    held: list[str] = []
    for paragraph in re.split(r"\n\s*\n", block):
        parts = paragraph.split()
        if held and len(held) + len(parts) > PASSAGE_WORDS:
            yield " ".join(held)
            held = []
        held += parts
        start = 0
        while len(held) - start > PASSAGE_WORDS:
            end = _cut(held, start)
            yield " ".join(held[start:end])
            start = end
        held = held[start:]
    if held:
        yield " ".join(held)


def _cut(parts: list[str], start: int) -> int:
    """Behind the last sentence that ends in the second half of a full passage, or else where it is full."""
    places = range(start + PASSAGE_WORDS, start + PASSAGE_WORDS // 2, -1)
    return next((place for place in places if parts[place - 1].endswith((".", "?", "!"))), start + PASSAGE_WORDS)


def _text(path: Path) -> str:
    """A file's prose without markup and control characters."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".ipynb":
            cells = json.loads(text)["cells"]
            text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    except UnicodeDecodeError as error:
        raise ValueError(f"expected UTF-8 text in {path}, got other bytes: save it as UTF-8") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"expected a notebook (JSON with cells) in {path}, got something else ({error!r})") from error
    text = text.replace("\r\n", "\n")
    if path.suffix != ".txt":
        for pattern, kept in _MARKUP:
            text = pattern.sub(kept, text)
    return _CONTROL.sub("", text)
