"""What stands for the folder of a run that keeps nothing, so that the loop need not ask whether there is one."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from companion.training.history import Best, Progress, Row


class NoFolder(AbstractContextManager["NoFolder"]):
    """What a run without ``checkpoint_dir`` has for a folder: nothing is kept."""

    def __exit__(self, *error: object) -> None:
        """Does nothing: there is nothing to let go."""

    def resume(self, data: Any) -> Progress:
        """The progress of a run that begins."""
        return Progress()

    def record(self, row: Row) -> None:
        """Keeps nothing."""

    def save(self, step: int, best: Best | None, scaler: dict[str, Any]) -> None:
        """Keeps nothing."""

    def restore(self, step: int) -> None:
        """Not called: what gives the best weights back needs a folder, as the configuration says."""
        raise AssertionError(step)

    def last(self) -> Path | None:
        """There is no checkpoint."""
        return None
