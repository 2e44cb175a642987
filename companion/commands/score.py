"""``python -m companion score``: applicants in, for each a score, its reasons and a decision at the stated cost."""

import argparse
from pathlib import Path

import pandas as pd

from companion.cases.scorecard import (
    Decision,
    TestedCard,
    fit_tested,
    load_card,
    read_table,
    save_card,
    score_applicants,
)
from companion.commands.options import reader
from companion.commands.terminal import plain

_SHOWN = 20


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    text = "CSV file, a row an applicant; without one the card is printed: its columns, values and points"
    parser.add_argument("applicants", nargs="?", type=reader(str, "applicants"), metavar="FILE", help=text)
    for name, kind, default, text in (
        ("train", str, None, "CSV file of past applicants to fit a card on (default: a card of German credit)"),
        ("label", str, "bad", "column of --train that says who did not pay back: 1 and 0 (default: bad)"),
        ("leave-out", str, None, "columns of --train that the card must not use, such as sex,age"),
        ("card", str, None, "JSON file of a card that --save wrote"),
        ("save", str, None, "JSON file for the card that was fitted"),
        ("cost-bad", float, 5.0, "cost of a bad applicant who is accepted (default: 5)"),
        ("cost-good", float, 1.0, "cost of a good applicant who is refused, in the same unit (default: 1)"),
        ("base-rate", float, None, "proportion of bad among these applicants (default: that of the training table)"),
        ("out", str, None, "CSV file for a row an applicant"),
    ):
        flag, metavar = f"--{name}", {float: "X", str: "TEXT"}[kind]
        parser.add_argument(flag, type=reader(kind, flag), default=default, metavar=metavar, help=text)


def run(options: argparse.Namespace) -> None:
    """Fits or reads a card, and prints it, or what it says of the applicants."""
    for flag, place in (("--out", options.out), ("--save", options.save)):
        if place is not None and not Path(place).parent.is_dir():
            raise FileNotFoundError(f"expected {flag} in a folder that exists, got {place}")
    tested = _card(options)
    if options.applicants is None:
        _print_card(tested)
    else:
        _score(options, tested)
    if options.save is not None:
        save_card(tested, options.save)


def _score(options: argparse.Namespace, tested: TestedCard) -> None:
    text = [column.name for column in tested.card.columns if column.groups is not None]
    table = read_table(options.applicants, [column.name for column in tested.card.columns], text=text)
    costs = {"cost_bad": options.cost_bad, "cost_good": options.cost_good}
    decisions = score_applicants(table, tested, **costs, base_rate=options.base_rate)
    if options.out is not None:
        pd.DataFrame([_row(each) for each in decisions]).to_csv(options.out, index=False)
    _print_decisions(decisions, options)


def _card(options: argparse.Namespace) -> TestedCard:
    if options.train is None:
        if options.leave_out is not None or options.save is not None:
            raise ValueError("expected --train with --leave-out or --save, got none: only a fitted card has them")
        return load_card() if options.card is None else load_card(options.card)
    if options.card is not None:
        raise ValueError("expected --train or --card, got both: the first fits a card, the second reads one")
    table = read_table(options.train, [options.label])
    left_out = [name.strip() for name in (options.leave_out or "").split(",") if name.strip()]
    unknown = [name for name in left_out if name not in table.columns]
    if unknown:
        raise ValueError(f"expected --leave-out to name columns of {options.train}, got {', '.join(unknown)}")
    bad = table[options.label]
    if not bad.isin((0, 1)).all():
        wrong = str(bad[~bad.isin((0, 1))].iloc[0])[:40]
        raise ValueError(f"expected 1 (bad) or 0 in the column {options.label!r} of {options.train}, got {wrong!r}")
    return fit_tested(table.drop(columns=[options.label, *left_out]), bad.astype(int).to_numpy())


def _print_card(tested: TestedCard) -> None:
    table = tested.card.table()
    table = table[table["rows"] > 0]
    shown = table.assign(bin=[plain(name) for name in table["bin"]], column=[plain(name) for name in table["column"]])
    print(f"everybody starts with {tested.card.base} points")
    print(shown.drop(columns="woe").to_string(index=False, float_format="{:.3f}".format))


def _print_decisions(decisions: list[Decision], options: argparse.Namespace) -> None:
    first = decisions[0].threshold
    refused, close = (sum(getattr(each, name) for each in decisions) for name in ("refuse", "is_close"))
    print(
        f"{len(decisions)} applicants; a bad one accepted costs {options.cost_bad:g}, a good one refused "
        f"{options.cost_good:g}: refuse from {first:.3f} probability of bad on"
    )
    print(
        f"accept {len(decisions) - refused}, refuse {refused}; "
        f"{close} lie too close to the threshold for this card's test"
    )
    for number, each in enumerate(decisions[:_SHOWN], 1):
        verdict = ("refuse" if each.refuse else "accept") + (", close" if each.is_close else "")
        seen = f"{each.observed.estimate:.2f} ({each.observed.low:.2f} to {each.observed.high:.2f})"
        print(f"{number:>4}  {each.score} points  p = {each.probability:.3f}  of similar score bad: {seen}  {verdict}")
        for name, found in (("points lost", each.reasons), ("note", each.notes)):
            if found:
                print(f"      {name}: {plain('; '.join(found))}")
    if len(decisions) > _SHOWN:
        print(f"{len(decisions) - _SHOWN} more: --out FILE writes all of them")


def _row(each: Decision) -> dict[str, object]:
    return {
        "score": each.score,
        "probability": each.probability,
        "observed": each.observed.estimate,
        "observed_low": each.observed.low,
        "observed_high": each.observed.high,
        "decision": "refuse" if each.refuse else "accept",
        "close": each.is_close,
        "reasons": "; ".join(each.reasons),
        "notes": "; ".join(each.notes),
    }
