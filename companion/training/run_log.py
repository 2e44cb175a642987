"""The log of a run: a row a step in ``log.jsonl``, and the same for TensorBoard where that was asked for."""

import json
import logging
import os
from pathlib import Path
from typing import IO, Any

from companion.training.history import Row

_log = logging.getLogger(__name__)


class RunLog:
    """The open log of a run.

    Args:
        folder: of the run.
        steps: that the run has taken. Rows of later ones, which were lost, go, and so does what is no row.
        tensorboard: whether to write for TensorBoard too.
    """

    def __init__(self, folder: Path, steps: int, *, tensorboard: bool) -> None:
        self._board = _tensorboard(folder) if tensorboard else None
        path = folder / "log.jsonl"
        self.rows = _read(path, steps)
        if len(self.rows) < steps:
            _log.warning("expected %d rows in %s, got %d: the history lacks the others", steps, path, len(self.rows))
        part = path.with_name(".part-log")
        part.write_text("".join(json.dumps(row) + "\n" for row in self.rows), encoding="utf-8")
        part.replace(path)  # at once: whoever is killed here loses no row
        self._file: IO[str] = path.open("a", encoding="utf-8", buffering=1)  # by lines: whoever watches sees each step

    def record(self, row: Row) -> None:
        """Adds a row."""
        self._file.write(json.dumps(row) + "\n")
        if self._board is not None:
            for name, value in row.items():
                if value is not None and name != "step":
                    self._board.add_scalar(name, value, int(row["step"] or 0))

    def flush(self) -> None:
        """Returns when the rows are on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Ends the log."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def _read(path: Path, steps: int) -> list[Row]:
    """The rows of steps 1 to ``steps`` in order, each once: the last that was written."""
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    rows = {int(row["step"] or 0): row for row in map(_parsed, lines) if row is not None}
    return [rows[step] for step in sorted(rows) if 1 <= step <= steps]


def _parsed(line: bytes) -> Row | None:
    """The row of a line; None for a line that was cut off or is no row."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = line.endswith(b"\n") and isinstance(row, dict) and type(row.get("step")) is int
    numbers = whole and all(value is None or type(value) in (int, float) for value in row.values())
    return row if numbers and isinstance(row.get("loss"), float) else None


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError("expected TensorBoard for tensorboard=True, got none: pip install tensorboard") from error
    return SummaryWriter(str(folder / "tensorboard"))
