"""``python -m companion match``: pictures for words, words for a picture, among OpenMoji's pictograms."""

import argparse
from pathlib import Path

from companion.cases.multimodal import NOTICE, describe_tests, matcher

_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("query", metavar="WORDS|FILE", help="English or Chinese words, or a picture: PNG, JPEG, WebP")
    parser.add_argument("--picture", metavar="FILE", help="a picture beside the words")


def run(options: argparse.Namespace) -> None:
    """Prints the five pictograms that fit best."""
    words, picture = options.query, options.picture
    if words.lower().endswith(_PICTURES):
        if picture is not None:
            raise ValueError(f"expected words beside --picture, got a second picture, {words}")
        words, picture = None, words
    answer = matcher().match(words, None if picture is None else Path(picture))
    for match in answer.matches:
        print(f"{match.pictogram.character}  {match.score:.2f}  {'; '.join(match.pictogram.names)}")
    print(f"the first is {describe_tests(answer)}")
    print(NOTICE)
