"""Simulates all cases and writes ``benchmarks/results/coverage.md``; fails where a claim is refuted."""

import argparse
import importlib
import math
import sys
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

from benchmarks.coverage import PARTS, parts
from benchmarks.coverage.case import COVERAGE, LEVEL, Case
from benchmarks.coverage.simulation import Found, simulate
from benchmarks.report import RESULTS, header, tell, write

#: Of a case whose samples cost little; others say how many they have.
SAMPLES = 4_000

COLUMNS = "what", "distribution", "n", "samples", "proportion (95% interval)", "median width", "allowed", "verdict"


def main(arguments: list[str]) -> int:
    """The number of claims that are refuted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument(
        "--samples", type=int, default=SAMPLES, help="of an ordinary case; costly ones have a part of it"
    )
    parser.add_argument(
        "--parts", nargs="+", choices=list(PARTS), default=list(PARTS), help="only these; the others' tables stay"
    )
    given = parser.parse_args(arguments)
    samples = given.samples
    found = {name: [each for case in PARTS[name] for each in _told(case, samples)] for name in given.parts}
    before = RESULTS / "coverage.md"
    kept = _tables_of(before.read_text()) if len(found) < len(PARTS) and before.exists() else {}
    write("coverage.md", report(found, samples, kept))
    return sum(each.refutes() for part in found.values() for each in part)


def _told(case: Case, samples: int) -> list[Found]:
    found = simulate(case, max(2, case.samples * samples // SAMPLES))
    tell(f"{case.title}: {', '.join(str(each.hits / each.samples) for each in found)}")
    return found


def _tables_of(text: str) -> dict[str, str]:
    """The tables of an earlier report, by their titles."""
    return {table.splitlines()[0]: f"## {table}".strip() for table in text.split("\n## ")[1:]}


def report(found: dict[str, list[Found]], samples: int, kept: Mapping[str, str] = MappingProxyType({})) -> str:
    """The report in Markdown; ``kept`` are the tables of parts that were simulated before."""
    all_tables = dict(kept) | {_title(name): _table(name, part, samples) for name, part in found.items()}
    tables = "\n\n".join(all_tables[title] for title in map(_title, PARTS) if title in all_tables)
    only = f" --parts {' '.join(found)}" if kept else ""
    return f"""# Coverage of intervals, level and power of tests, by simulation

{header(f"python -m benchmarks.coverage --samples {samples}{only}")}
- a proportion is that of samples whose interval held the truth, or whose test rejected at 5% (level: there was
  nothing to find; power: there was), with the exact 95% interval (Clopper and Pearson) for the noise of the simulation
- what is allowed: {_range(COVERAGE)} for a 95% interval, {_range(LEVEL)} for a test at 5%, or what the docstring
  states, which the last column repeats; a claim is refuted where the proportion's interval lies wholly outside, and
  undecided where only the proportion itself does
- in place of samples that a function refuses, as its docstring says, others are drawn; their number is in brackets

{tables}
"""


def _table(name: str, part: list[Found], samples: int) -> str:
    drawn = f"On {date.today().isoformat()}, with `--samples {samples}`:"
    head = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"
    return "\n".join([f"## {_title(name)}", "", drawn, "", head, *map(_row, part)])


def _title(name: str) -> str:
    summary = (importlib.import_module(f"{parts.__name__}.{name}").__doc__ or "").splitlines()[0]
    return summary.rstrip(".")


def _row(found: Found) -> str:
    proportion, claim = found.proportion(), found.claim
    cells = [
        f"`{found.case.function}` {found.case.options}".strip() + (f": {claim.quantity}" if claim.quantity else ""),
        found.case.distribution,
        found.case.n,
        f"{found.samples:,}" + (f" ({found.refused:,})" if found.refused else ""),
        f"{proportion.estimate:.3f} ({proportion.low:.3f} to {proportion.high:.3f})",
        "" if math.isnan(found.width) else f"{found.width:.3g}",
        _range(claim.allowed),
        found.verdict + (f"; {claim.reason}" if claim.reason else ""),
    ]
    return f"| {' | '.join(cells)} |"


def _range(allowed: tuple[float, float]) -> str:
    return f"{allowed[0]:.3g} to {allowed[1]:.3g}"


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
