"""A fitted card as JSON: it can be read, printed and compared, and holds no code."""

import json
from pathlib import Path
from typing import Any

from companion.cases.scorecard.card import Card
from companion.cases.scorecard.column import ColumnBins
from companion.cases.scorecard.points import PointsScale
from companion.cases.scorecard.tested import Band, TestedCard

#: The card that ``python -m companion score`` uses where no training table is given.
GERMAN_CARD = Path(__file__).parent / "german.json"


def save_card(tested: TestedCard, path: str | Path) -> None:
    """Writes a card: scale, base, bins, counts and points of each column, and the bands of its test.

    Args:
        tested: the card with its test.
        path: of the JSON file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "card.json"
        >>> save_card(load_card(), path)
        >>> load_card(path) == load_card()
        True
    """
    card = tested.card
    columns = [
        {"name": c.name, "edges": c.edges, "groups": c.groups, "good": c.good, "bad": c.bad, "points": points}
        for c, points in zip(card.columns, card.points, strict=True)
    ]
    scale = {"pdo": card.scale.pdo, "points": card.scale.points, "odds": card.scale.odds}
    bands = [[band.from_score, band.good, band.bad] for band in tested.bands]
    stored = {"scale": scale, "base": card.base, "columns": columns, "bands": bands}
    text = json.dumps(stored, ensure_ascii=False, indent=1)
    Path(path).write_text(text + "\n", encoding="utf-8")


def load_card(path: str | Path = GERMAN_CARD) -> TestedCard:
    """Reads a card that :func:`save_card` wrote; without a path the one of German credit that comes with the package.

    Args:
        path: of the JSON file.

    Raises:
        FileNotFoundError: where there is none.
        ValueError: where it is no card.

    Example:
        >>> load_card().card.columns[0].name
        'status'
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a scorecard's JSON file, got {path}, which is not there")
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        columns = tuple(_column(each) for each in stored["columns"])
        points = tuple(tuple(int(p) for p in each["points"]) for each in stored["columns"])
        card = Card(PointsScale(**stored["scale"]), int(stored["base"]), columns, points)
        bands = tuple(Band(*map(int, band)) for band in stored["bands"])
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(f"expected a scorecard as save_card writes it, got {path} ({error!r})") from error
    if not columns or not bands or any(len(p) != len(c.good) for c, p in zip(columns, points, strict=True)):
        raise ValueError(f"expected bands, and points for every bin of at least one column, got others in {path}")
    return TestedCard(card, bands)


def _column(stored: dict[str, Any]) -> ColumnBins:
    edges, groups = stored["edges"], stored["groups"]
    return ColumnBins(
        str(stored["name"]),
        None if edges is None else tuple(map(float, edges)),
        None if groups is None else tuple(tuple(map(str, group)) for group in groups),
        tuple(map(int, stored["good"])),
        tuple(map(int, stored["bad"])),
    )
