"""``python -m companion imaging``: regions of a slice, their kinds, and whether it goes to a doctor."""

import argparse
from pathlib import Path

from companion.cases.segmentation import NOTICE, ImageReading, Region, draw_reading, read_image, write_sample
from companion.commands.options import reader

_SHOWN = 5


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("scan", nargs="?", metavar="FILE", help="one slice: DICOM, PNG or JPEG")
    parser.add_argument("--out", metavar="FILE", help="the picture with regions (default: NAME-regions.png, here)")
    sample = "write a synthetic slice to this .dcm file, to try the command on"
    parser.add_argument("--sample", metavar="FILE", help=sample)
    seed = "who the sample's synthetic patient is (default: 1)"
    parser.add_argument("--seed", type=reader(int, "--seed"), default=1, metavar="N", help=seed)


def run(options: argparse.Namespace) -> None:
    """Writes a sample, or reads a slice: prints what is found, and writes the picture."""
    if (options.scan is None) == (options.sample is None):
        raise ValueError("expected a file to read, or --sample FILE to write one, got neither or both")
    if options.sample is not None:
        write_sample(options.sample, seed=options.seed)
        print(f"{options.sample}: a synthetic slice, seed {options.seed}; no person's scan")
        return
    out = Path(options.out or f"{Path(options.scan).stem}-regions.png")
    reading = read_image(options.scan)
    draw_reading(reading, out)
    print(NOTICE)
    print(_answer(reading))
    for reason in reading.reasons:
        print(f"  because {reason}")
    for region in reading.regions[:_SHOWN]:
        print(_line(region))
    if (more := len(reading.regions) - _SHOWN) > 0:
        print(f"and {more} less suspicious")
    print(f"picture: {out}")


def _answer(reading: ImageReading) -> str:
    shares = ", ".join(f"{name} {value:.2f}" for name, value in reading.probabilities.items())
    return f"{f'answer: {reading.answer}' if reading.answer else 'send to a doctor'}   ({shares})"


def _line(region: Region) -> str:
    size = "size unknown" if region.area is None else f"{region.area:.0f} mm²"
    shares = ", ".join(f"{name} {value:.2f}" for name, value in region.probabilities.items())
    return f"region {region.number} at row {region.row:.0f}, column {region.column:.0f}, {size}: {shares}"
