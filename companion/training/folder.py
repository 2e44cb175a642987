"""A run's folder: one run at a time in it, what it was told, on what it ran, what it recorded.

``config.json``, ``environment.json``, ``log.jsonl`` (a row a step), ``step-*`` (checkpoints), ``lock``.
"""

import dataclasses
import json
import logging
import os
import platform
import sys
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from companion import runtime
from companion.training.config import TrainConfig
from companion.training.history import Row

_log = logging.getLogger(__name__)


class RunFolder:
    """The open folder of a run, or of none where ``config.checkpoint_dir`` is None or another process writes.

    Args:
        config: what the run was told.
        writes: whether this process is the one that writes.
    """

    def __init__(self, config: TrainConfig, *, writes: bool) -> None:
        self.path = Path(config.checkpoint_dir) if config.checkpoint_dir is not None and writes else None
        self._config = config
        self._lock = ExitStack()
        self._log: IO[str] | None = None
        self._board: Any = None

    def __enter__(self) -> Self:
        if self.path is not None:
            try:
                self._lock.enter_context(runtime.locked(self.path / "lock", wait=False))
            except BlockingIOError as error:
                raise ValueError(
                    f"expected no other run in {self.path}, got one at work: wait, or take another checkpoint_dir"
                ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for opened in (self._log, self._board, self._lock):  # the lock last: closing lets it go
            if opened is not None:
                opened.close()

    def begin(self, steps: int) -> list[Row]:
        """Opens the log behind the first ``steps`` steps and returns their rows; later rows, of lost steps, go."""
        if self.path is None:
            return []
        self._write("config.json", dataclasses.asdict(self._config))
        self._write("environment.json", _environment())
        if self._config.tensorboard:
            self._board = _tensorboard(self.path)
        path = self.path / "log.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
        kept: list[Row] = []
        for line in lines:
            row = _parsed(line)
            if row is None or len(kept) == steps:
                break
            kept.append(row)
        path.write_text("".join(lines[: len(kept)]), encoding="utf-8")
        if len(kept) < steps:
            _log.warning("expected %d rows in %s, got %d: the history lacks the others", steps, path, len(kept))
        self._log = path.open("a", encoding="utf-8", buffering=1)  # by lines: whoever watches sees each step
        return kept

    def record(self, row: Row) -> None:
        """Adds a row to the log."""
        if self._log is not None:
            self._log.write(json.dumps(row) + "\n")
        if self._board is not None:
            for name, value in row.items():
                if value is not None and name != "step":
                    self._board.add_scalar(name, value, int(row["step"] or 0))

    def flush(self) -> None:
        """Returns when the log is on the disk."""
        if self._log is not None:
            os.fsync(self._log.fileno())

    def _write(self, name: str, content: dict[str, Any]) -> None:
        assert self.path is not None
        (self.path / name).write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")


def _parsed(line: str) -> Row | None:
    """The row of a line; None for a line that was cut off."""
    try:
        row: Row = json.loads(line)
    except ValueError:
        return None
    return row if line.endswith("\n") else None


def _environment() -> dict[str, str]:
    libraries = {name: version(name) for name in ("torch", "numpy", "safetensors")}
    return {
        "python": platform.python_version(),
        **libraries,
        "platform": platform.platform(),
        "command": " ".join(sys.argv),
    }


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError("expected TensorBoard for tensorboard=True, got none: pip install tensorboard") from error
    return SummaryWriter(str(folder / "tensorboard"))
