"""``python -m companion decide``: a decision memo from a plan: GO, NO-GO or LEARN, and what would change the answer."""

import argparse
from pathlib import Path

from companion.commands.options import reader
from companion.economics.plans import DecisionPlan, Verdict, decide, read_plan


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("plan", help="TOML file with [quantities], [options] and [experiments], as the README shows it")
    parser.add_argument("--out", type=reader(str, "--out"), metavar="FILE", help="Markdown file for the memo")
    parser.add_argument(
        "--draws", type=reader(int, "--draws"), default=2**15, metavar="N", help="worlds to draw (default: 32768)"
    )


def run(options: argparse.Namespace) -> None:
    """Prints the memo, and writes it where ``--out`` says."""
    if options.out is not None and not Path(options.out).parent.is_dir():
        raise FileNotFoundError(f"expected --out in a folder that exists, got {options.out}")
    plan = read_plan(options.plan)
    memo = memo_of(plan, decide(plan, n_draws=options.draws))
    if options.out is not None:
        Path(options.out).write_text(memo, encoding="utf-8")
    print(memo, end="")


def memo_of(plan: DecisionPlan, decision: Verdict) -> str:
    """The memo as Markdown."""
    first = _first_sentences(decision)
    parts = [f"# {plan.title}: {decision.answer}\n\n{first}\n", _options(decision), _experiments(plan, decision)]
    return "\n".join([*parts, _changes(decision), _quantities(plan)])


def _first_sentences(decision: Verdict) -> str:
    row = decision.options.loc[decision.option]
    if decision.option == decision.options.index[0]:
        kept = f"No option earns more than nothing on average, so the best is to {decision.option}."
    else:
        kept = (
            f"*{decision.option}* has the highest mean, {row['mean']:,.0f} dollars; nine futures in ten lie between "
            f"{row['low']:,.0f} and {row['high']:,.0f}, and in {row['loses']:.0%} of them it loses money."
        )
    if decision.answer == "LEARN":
        name = decision.experiments.index[0]
        best = decision.experiments.iloc[0]
        return (
            f"Before anything is decided: *{name}*. It costs {best['cost']:,.0f} dollars and is worth "
            f"{best['worth']:,.0f}, since it may change the choice. {kept}"
        )
    return kept


def _options(decision: Verdict) -> str:
    rows = []
    for name, row in decision.options.iterrows():
        spread = f"{row['low']:,.0f} to {row['high']:,.0f}"
        rows.append(f"| {name} | {row['mean']:,.0f} | {spread} | {row['loses']:.0%} | {row['best']:.0%} |")
    head = "| Option | Mean, dollars | 90% of futures | Loses money | Is the best |\n|---|---:|---:|---:|---:|"
    return "\n".join(["## Options\n", head, *rows, ""])


def _experiments(plan: DecisionPlan, decision: Verdict) -> str:
    limit = f"To know everything would be worth {decision.everything:,.0f} dollars; no experiment is worth more.\n"
    if decision.experiments.empty:
        return f"## What could be asked first\n\n{limit}The plan names no experiment.\n"
    rows = []
    for name, row in decision.experiments.iterrows():
        about, dollars = (
            plan.experiments[str(name)].about,
            f"{row['worth']:,.0f} | {row['cost']:,.0f} | {row['net']:,.0f}",
        )
        rows.append(f"| {name} | {about} | {dollars} |")
    head = "| Experiment | Tells of | Worth | Cost | Net |\n|---|---|---:|---:|---:|"
    return "\n".join(["## What could be asked first\n", limit, head, *rows, ""])


def _changes(decision: Verdict) -> str:
    title = "## What would change the answer\n"
    if decision.changes.empty:
        return f"{title}\nNo single quantity, between its 1st and 99th percentile.\n"
    rows = [
        f"| {row['quantity']} | {_number(row['value'])} | {row['below']} | {row['above']} | {row['probability']:.0%} |"
        for _, row in decision.changes.iterrows()
    ]
    head = "| Quantity | At | Below it the best is | Above it | How likely it lies beyond |\n|---|---:|---|---|---:|"
    return "\n".join([title, head, *rows, ""])


def _quantities(plan: DecisionPlan) -> str:
    rows = []
    for name, value in plan.quantities.items():
        low, middle, high = [value] * 3 if isinstance(value, float) else value.ppf([0.05, 0.5, 0.95])
        spread = _number(middle)
        if not isinstance(value, float):
            spread += f" ({_number(low)} to {_number(high)})"
        rows.append(f"| {name} | {spread} | {plan.notes.get(name, 'no note')} |")
    return "\n".join(["## What was assumed\n", "| Quantity | Median (90%) | From |\n|---|---:|---|", *rows, ""])


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
