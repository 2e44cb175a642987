"""A run's folder: one run at a time in it, what it was told, on what it ran, what it recorded, and its checkpoints.

``config.json``, ``environment.json``, ``log.jsonl`` (a row a step), ``step-*`` (checkpoints), ``lock``.
"""

import dataclasses
import json
import platform
import sys
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from companion import runtime
from companion.training import checkpoint, saving
from companion.training.config import TrainConfig
from companion.training.history import Best, Progress, Row
from companion.training.identity import Identity, identify, refusal
from companion.training.run_log import RunLog
from companion.training.saving import Learner


class RunFolder:
    """The open folder of a run, in every one of its processes; the first one writes.

    Args:
        path: the folder; made where there is none.
        config: what the run was told.
        learner: what the checkpoints keep.
    """

    def __init__(self, path: Path, config: TrainConfig, learner: Learner) -> None:
        self.path = path
        self._config, self._learner = config, learner
        self._writes = learner.world.rank == 0
        self._open = ExitStack()
        self._run_log: RunLog | None = None
        self._identity: Identity = {}

    def __enter__(self) -> Self:
        if not self._writes:
            return self
        try:
            self._open.enter_context(runtime.locked(self.path / "lock", wait=False))
        except BlockingIOError as error:
            raise ValueError(
                f"expected no other run in {self.path}, got one at work: wait, or take another checkpoint_dir"
            ) from error
        except OSError as error:
            raise OSError(f"expected checkpoint_dir to be a folder to write to, got {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()  # in the reverse order of opening: the lock last

    def resume(self, data: Any) -> Progress:
        """Puts the learner where the run stopped, and opens the log there. A run that is refused changes nothing.

        Raises:
            ValueError: where the folder holds another run, more steps than are asked for, or damaged checkpoints only.
        """
        self._identity = identify(self._learner.model, data, self._config)
        found = checkpoint.newest(self.path)
        state = {} if found is None else checkpoint.read_state(found)
        step = 0 if found is None else found.step
        refused = "" if found is None else refusal(self.path, step, self._config, state.get("identity"), self._identity)
        complaints = self._learner.world.gather(refused)
        if any(complaints):  # in one process, perhaps: all end, or the others would wait for it
            raise ValueError(next(filter(None, complaints)))
        rows = self._begin(step)
        if found is not None:
            saving.restore(found, self._learner)
        best = None if state.get("best") is None else Best(**state["best"])
        return Progress(step, self._learner.world.gather(rows)[0], best, state.get("scaler", {}))

    def record(self, row: Row) -> None:
        """Adds a row to the log."""
        if self._run_log is not None:
            self._run_log.record(row)

    def save(self, step: int, best: Best | None, scaler: dict[str, Any]) -> None:
        """Writes a checkpoint and removes old ones; all processes call it together."""
        if self._run_log is not None:
            self._run_log.flush()
        kept = None if best is None else dataclasses.asdict(best)
        saving.save(self.path, step, self._learner, {"identity": self._identity, "best": kept, "scaler": scaler})
        if self._writes:
            best_step = None if best is None else best.step
            checkpoint.remove_old(self.path, keep=self._config.keep_checkpoints, best=best_step)

    def restore(self, step: int) -> None:
        """Puts the learner where it was after ``step`` steps.

        Raises:
            ValueError: where that checkpoint is gone or damaged.
        """
        found = checkpoint.at(self.path, step)
        if complaint := checkpoint.damage(found):
            raise ValueError(
                f"expected the best weights in {found.folder}, got a damaged checkpoint ({complaint}): put a copy in "
                f"place, or train without patience"
            )
        saving.restore(found, self._learner)

    def last(self) -> Path | None:
        """Where the newest checkpoint lies."""
        return next((found.folder for found in reversed(checkpoint.all_in(self.path))), None)

    def _begin(self, step: int) -> list[Row]:
        if not self._writes:
            return []
        try:
            self._write("config.json", dataclasses.asdict(self._config))
            self._write("environment.json", _environment())
            self._run_log = RunLog(self.path, step, tensorboard=self._config.tensorboard)
        except OSError as error:
            raise OSError(f"expected to write what the run records to {self.path}, got {error}") from error
        self._open.callback(self._run_log.close)
        return self._run_log.rows

    def _write(self, name: str, content: dict[str, Any]) -> None:
        (self.path / name).write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")


def _environment() -> dict[str, str]:
    libraries = {name: version(name) for name in ("torch", "numpy", "safetensors")}
    return {
        "python": platform.python_version(),
        **libraries,
        "platform": platform.platform(),
        "command": " ".join(sys.argv),
    }
