"""``python -m companion dataroom``: the folder that an investor or a security team asks for, from a run."""

import argparse

from companion.commands.options import reader
from companion.dataroom import make_dataroom


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "folder", metavar="RUN", help="folder of a run, with dataroom.toml, and evaluations/ if there are some"
    )
    parser.add_argument("--out", type=reader(str, "--out"), metavar="FOLDER", required=True, help="new or empty folder")
    parser.add_argument("--pdf", action=argparse.BooleanOptionalAction, default=True, help="print the page by Chromium")


def run(options: argparse.Namespace) -> None:
    """Makes the folder, and says what is in it."""
    sections = make_dataroom(options.folder, options.out, pdf=options.pdf)
    for section in sections:
        print(f"{section.title}: {len(section.facts)} values, {len(section.texts)} paragraphs")
    print(
        f"the data room is in {options.out}: index.html{', dataroom.pdf' if options.pdf else ''}, facts.json, sources"
    )
