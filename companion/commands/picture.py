"""``python -m companion picture``: what a picture shows, how sure that is, and the nearest training pictures."""

import argparse

from companion.cases.pictures import PictureAnswer, classify_picture, draw_answer
from companion.commands.options import reader


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("picture", metavar="FILE", help="a picture: PNG, JPEG, GIF or WebP; its middle square is used")
    count = "nearest training pictures to name, 1 to 20 (default: 5)"
    parser.add_argument("--neighbors", type=reader(int, "--neighbors"), default=5, metavar="N", help=count)
    parser.add_argument("--out", metavar="FILE", help="write the picture and its nearest ones to this .png file")


def run(options: argparse.Namespace) -> None:
    """Prints the class with its probability, and the nearest training pictures."""
    found = classify_picture(options.picture, n_neighbors=options.neighbors)
    if options.out is not None:
        draw_answer(found, options.out)
    print(headline(found))
    print(reliance(found))
    for note in found.picture.notes:
        print(f"  {note}")
    for number, neighbor in enumerate(found.neighbors, 1):
        print(f"near {number}: {neighbor}")
    if options.out is not None:
        print(f"picture: {options.out}")


def headline(found: PictureAnswer) -> str:
    """The answer in one line."""
    shares = ", ".join(f"{name} {value:.2f}" for name, value in found.probabilities.items())
    return f"answer: {found.answer}   ({shares})" if found.answer else f"I do not know   (uncalibrated: {shares})"


def reliance(found: PictureAnswer) -> str:
    """What the answer rests on, or why there is none."""
    if found.answer is None:
        far = f"distance {found.neighbors[0].distance:.2f}, and it answers up to {found.familiar_to:.2f}"
        return f"  unlike every picture that it learned from ({far})"
    near, other = (
        f"{each.estimate:.2f} ({each.low:.2f} to {each.high:.2f})" for each in (found.checked, found.elsewhere)
    )
    return f"  right: {near} of other places in its sixteen photographs, {other} of photographs it had not seen"
