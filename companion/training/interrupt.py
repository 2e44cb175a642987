"""Ctrl-C and SIGTERM between two steps rather than within one, so that what is saved is whole."""

import logging
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

_log = logging.getLogger(__name__)
_SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C, and what a machine sends that is about to be taken away


class InterruptGuard:
    """While this is open the first signal of a kind only is noted in ``asked``; the second acts at once, as usual.

    Attributes:
        asked: whether Ctrl-C came, and whether SIGTERM did: 1 or 0, to be added up over processes.
    """

    def __init__(self) -> None:
        self.asked = [0.0 for _ in _SIGNALS]
        self._process = os.getpid()
        self._before: dict[int, Any] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        signal.signal(number, self._before[number])
        if os.getpid() == self._process:
            self.asked[_SIGNALS.index(signal.Signals(number))] = 1.0
        else:  # a process that this one forked, to read data perhaps, which must end when it is told to
            os.kill(os.getpid(), number)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # signals reach no other thread
            found = {number: signal.getsignal(number) or signal.SIG_DFL for number in _SIGNALS}
            # What is ignored stays so: a shell starts what runs in the background without Ctrl-C.
            self._before = {number: before for number, before in found.items() if before is not signal.SIG_IGN}
            for number in self._before:
                signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)


def stop(asked: Sequence[float], step: int, checkpoint: Path | None) -> None:
    """Ends a run after ``step`` as its signal would have: by ``KeyboardInterrupt``, or ``SystemExit`` after SIGTERM."""
    _, terminated = asked
    if terminated:
        kept = "nothing was kept" if checkpoint is None else f"{checkpoint} is where it goes on"
        _log.warning("SIGTERM: stopped after step %d; %s", step, kept)
        raise SystemExit(128 + signal.SIGTERM)  # what a shell reports of a process that the signal ended
    raise KeyboardInterrupt(f"stopped after step {step}")
