"""``python -m companion ask``: a question, answered by a quotation from this book or from one's own documents."""

import argparse
import textwrap

from companion.cases import retrieval
from companion.commands.options import reader

_NOT_OURS = "The threshold was found with questions on this book: for your documents it promises nothing."


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("question", type=reader(str, "the question"), help="what you want to know, in quotes")
    for name, kind, metavar, text in (
        ("folder", str, "TEXT", "a folder of text, Markdown and notebooks, or one such file (default: this book)"),
        ("threshold", float, "X", "how well a passage has to fit, from -1 to 2 (default: as for this book)"),
    ):
        parser.add_argument(f"--{name}", type=reader(kind, f"--{name}"), metavar=metavar, help=text)
    write = "let the assistant say it in its own words too; it may be wrong where the passage is right"
    parser.add_argument("--write", action="store_true", help=write)


def run(options: argparse.Namespace) -> None:
    """Prints the quotation and where it stands, or that there is none."""
    own = options.folder is not None
    library = retrieval.Library.of_folder(options.folder) if own else retrieval.Library.of_book()
    answer = library.ask(options.question, threshold=options.threshold)
    passage = answer.passage
    if passage is None:
        print("I do not know: no document shares a word with the question.")
        return
    place = f"{passage.title}, {passage.heading} ({passage.source})"
    fit = f"fit {answer.fit:.2f}, answered above {answer.threshold:.2f}"
    if answer.known:
        print(_filled(f"“{answer.quote}”"), f"\n— {place}; {fit}", sep="")
        if options.write:
            from companion.models import smollm2

            written = retrieval.write_answer(smollm2(), answer.question, passage)
            print(_filled(f"In the assistant's words, unchecked: {written}"))
    else:
        print(f"I do not know. Nearest, and not near enough: {place}; {fit}.")
    if own and options.threshold is None:
        print(_filled(_NOT_OURS))


def _filled(text: str) -> str:
    return textwrap.fill(text, 100)
