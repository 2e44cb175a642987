"""The room itself: sections, a page, a paper, the sources and their checksums."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from companion.dataroom import collect
from companion.dataroom.facts import Fact, Facts
from companion.dataroom.page import page_of
from companion.dataroom.paper import find_chromium, print_page
from companion.dataroom.statement import STATEMENT, Statement, read_statement

#: Sources that are copied into the room; weights and training data leave the house as checksums only.
COPIED = (".csv", ".json", ".toml")


@dataclass(frozen=True)
class Section:
    """One section of the room.

    Attributes:
        title: above it.
        texts: paragraphs, whose numbers are facts.
        facts: rows of its table.
    """

    title: str
    texts: Sequence[str]
    facts: Sequence[Fact]


def sections_of(facts: Facts, statement: Statement) -> list[Section]:
    """The sections, in the order in which they are asked for.

    Raises:
        FileNotFoundError: for a folder that is no run.
        ValueError: for a number in the statement that has no source, or evaluations with other columns.
    """
    collect.model(facts)
    collect.training(facts, dict(statement.cost) if statement.cost else None)
    collect.data(facts)
    collect.evaluations(facts)
    collect.privacy(facts, dict(statement.privacy) if statement.privacy else None)
    collect.environment(facts)

    def about(*prefixes: str) -> list[Fact]:
        return [fact for fact in facts if fact.name.startswith(prefixes)]

    def filled(name: str) -> str:
        return facts.filled(statement.texts[name], f"{name} of {STATEMENT}")

    sets = [f"{row['name']}: from {row['source']}. License: {row['license']}." for row in statement.data]
    failures = [facts.filled(text, f"[[failures]] of {STATEMENT}") for text in statement.failures]
    missed = [fact for fact in facts if fact.name.endswith(".not_fully_right")]
    evaluated = [fact for fact in about("evaluations.") if fact not in missed]
    card = [f"{filled('name')}. {filled('purpose')}", f"Not meant for: {filled('not_for')}"]
    rights = f"License of the model: {filled('license')}. Questions to: {filled('contact')}."
    prices = ["No price was stated, so no money is counted."]
    if statement.cost is not None:
        source = facts.filled(statement.cost["price_source"], f"price_source of {STATEMENT}")
        prices = [f"Prices: {source}. The forecast takes the stated utilization of the peak."]
    bound = ["Trained without differential privacy: nothing bounds what the model may give away of its data."]
    if statement.privacy is not None:
        bound = ["Differentially private training, by the stated noise, sampling rate and steps; Rényi accounting."]
    none = ["No evaluation is in the folder: nothing is claimed about how good the model is."]
    return [
        Section("Model card", [*card, rights], about("model.")),
        Section("Evaluations", [] if evaluated else none, evaluated),
        Section("Known failures", failures, missed),
        Section("Training and its cost", prices, about("training.", "cost.")),
        Section("Data and licenses", [facts.filled(text, f"[[data]] of {STATEMENT}") for text in sets], about("data.")),
        Section("Privacy", bound, about("privacy.")),
        Section("Environment", [], about("environment.")),
    ]


def make_dataroom(run: str | Path, out: str | Path, *, pdf: bool = True) -> list[Section]:
    """Makes the folder ``out``: ``index.html``, ``dataroom.pdf``, ``facts.json``, ``sources/``, ``SHA256SUMS``.

    Args:
        run: folder of a run, as ``companion pretrain`` leaves it, with a statement in ``dataroom.toml`` and, where
            there are some, rows of ``companion evaluate --out`` in ``evaluations/``.
        out: a folder that does not exist yet, or is empty.
        pdf: print the page; needs Chromium on this machine.

    Returns:
        The sections, as they stand on the page.

    Raises:
        FileNotFoundError: for no run, no statement, or no Chromium where there is to be a paper.
        FileExistsError: where ``out`` holds something.
        ValueError: for a number without a source.
    """
    run, out = Path(run), Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"expected a folder that is new or empty for the data room, got {out}")
    chromium = find_chromium() if pdf else None  # where there is none, nothing is written
    facts, statement = Facts(run), read_statement(run / STATEMENT)
    sections = sections_of(facts, statement)
    title = facts.filled(statement.texts["name"], f"name of {STATEMENT}")
    facts.add("room.statement", "what people stated", STATEMENT)
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.html").write_text(page_of(title, sections, facts.files), encoding="utf-8")
    known = [asdict(fact) for fact in facts]
    (out / "facts.json").write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    copied = {}
    for file, digest in facts.files.items():
        if file.endswith(COPIED):
            (out / "sources" / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(run / file, out / "sources" / file)
            copied[f"sources/{file}"] = digest
    sums = "".join(f"{digest}  {file}\n" for file, digest in copied.items())
    (out / "SHA256SUMS").write_text(sums, encoding="utf-8")
    if chromium is not None:
        print_page(chromium, out / "index.html", out / "dataroom.pdf")
    return sections
