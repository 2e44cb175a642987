"""The thread that runs a model's batch: requests are handed in from anywhere, tokens come out by callbacks."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from companion.models import GPT
from companion.models.modes import evaluating
from companion.serving.batch import Batch, Row, Sampling


class BusyError(RuntimeError):
    """The engine has as many waiting requests as it takes, or is closing."""


@dataclass(frozen=True)
class Event:
    """What happened to a request: a new token, or its end, for a reason of OpenAI's (stop, length) or by an error."""

    token: int | None = None
    finish: str | None = None
    error: Exception | None = None


@dataclass(eq=False)
class Ticket:
    """A request: its prompt, how it draws, whom to tell."""

    tokens: Sequence[int]
    sampling: Sampling
    emit: Callable[[Event], None]
    submitted: float = field(default_factory=time.perf_counter)
    cancelled: bool = False

    def cancel(self) -> None:
        """Nobody waits any more: the request leaves before the next token."""
        self.cancelled = True


class Engine:
    """Runs up to ``max_batch`` requests at a time; up to ``max_waiting`` others stand in line, first come first served.

    Args:
        model: in evaluation mode while the engine runs.
        stop_tokens: what ends an answer; they are not emitted.
        max_batch: requests that share a step.
        max_waiting: requests in line beyond which new ones are refused.
        max_positions: tokens that the caches of all running requests may hold, prompts and what they may still write;
            one that does not fit waits in line. None for ``max_batch`` whole contexts.
    """

    def __init__(
        self,
        model: GPT,
        stop_tokens: Sequence[int],
        *,
        max_batch: int = 8,
        max_waiting: int = 64,
        max_positions: int | None = None,
    ) -> None:
        for name, value in (("max_batch", max_batch), ("max_waiting", max_waiting)):
            if value < 1:
                raise ValueError(f"expected {name} of at least 1, got {value}")
        self.max_positions = max_batch * model.config.block_size if max_positions is None else max_positions
        if self.max_positions < model.config.block_size:
            raise ValueError(
                f"expected max_positions of at least block_size={model.config.block_size}, got {max_positions}"
            )
        self.model, self.max_batch, self.max_waiting = model, max_batch, max_waiting
        self._stop = frozenset(stop_tokens)
        self._waiting: deque[Ticket] = deque()
        self._running: dict[Row, Ticket] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> int:
        """Requests in the batch."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests in line."""
        return len(self._waiting)

    def start(self) -> None:
        """Starts the thread; after :meth:`close` another one."""
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, ticket: Ticket) -> None:
        """Puts a request in line.

        Raises:
            BusyError: where the line is full, or the engine closes.
            ValueError: where prompt and answer do not fit the model's context.
        """
        length = len(ticket.tokens) + ticket.sampling.max_new_tokens
        if not ticket.tokens or length > self.model.config.block_size:
            raise ValueError(
                f"expected 1 token or more, and at most {self.model.config.block_size} with the answer's, got "
                f"{len(ticket.tokens)} and up to {ticket.sampling.max_new_tokens} new ones"
            )
        with self._changed:
            if self._closing:
                raise BusyError("expected a running engine, got one that is shutting down: try another server")
            if len(self._waiting) >= self.max_waiting:
                raise BusyError(
                    f"expected fewer than {self.max_waiting} requests in line, got a full one: try again later"
                )
            self._waiting.append(ticket)
            self._changed.notify()

    def close(self, *, finish: bool = True) -> None:
        """Takes no more requests; ends those that there are, after their last token or (``finish=False``) at once."""
        with self._changed:
            self._closing = True
            if not finish:
                for ticket in [*self._waiting, *self._running.values()]:
                    ticket.cancel()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        batch = Batch(self.model)
        with evaluating(self.model):
            while self._wait_for_work():
                try:
                    self._advance(batch)
                except Exception as error:  # whatever a model raises: its requests end, and the engine goes on
                    for ticket in self._running.values():
                        ticket.emit(Event(error=error))
                    self._running.clear()
                    batch = Batch(self.model)

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._running or self._closing)
            return bool(self._waiting or self._running)

    def _advance(self, batch: Batch) -> None:
        """One token of each request: those that nobody waits for leave, others join, all step."""
        self._leave(batch, [row for row, ticket in self._running.items() if ticket.cancelled])
        while (ticket := self._next_in_line()) is not None:
            self._join(batch, ticket)
        batch.step()
        self._emit(batch, list(self._running))

    def _join(self, batch: Batch, ticket: Ticket) -> None:
        try:
            row = batch.join(ticket.tokens, ticket.sampling)
        except Exception as error:  # its own prompt's: the others go on
            ticket.emit(Event(error=error))
            return
        self._running[row] = ticket
        self._emit(batch, [row])

    def _next_in_line(self) -> Ticket | None:
        """The first in line, where the batch has a place and room for it."""
        with self._changed:
            while self._waiting and self._waiting[0].cancelled:
                self._waiting.popleft().emit(Event(finish="cancelled"))
            if not self._waiting or len(self._running) >= self.max_batch:
                return None
            held = sum(_length(ticket) for ticket in self._running.values())
            if held + _length(self._waiting[0]) > self.max_positions:
                return None
            return self._waiting.popleft()

    def _emit(self, batch: Batch, rows: Sequence[Row]) -> None:
        """Tells each request its new token; those that are over leave."""
        over = []
        for row in rows:
            ticket, stopped = self._running[row], row.last in self._stop
            last = stopped or row.written == ticket.sampling.max_new_tokens
            finish = ("stop" if stopped else "length") if last else None
            ticket.emit(Event(None if stopped else row.last, finish))
            over += [row] * last
        self._leave(batch, over)

    def _leave(self, batch: Batch, rows: Sequence[Row]) -> None:
        batch.leave(rows)
        for row in rows:
            ticket = self._running.pop(row)
            if ticket.cancelled:
                ticket.emit(Event(finish="cancelled"))


def _length(ticket: Ticket) -> int:
    return len(ticket.tokens) + ticket.sampling.max_new_tokens
