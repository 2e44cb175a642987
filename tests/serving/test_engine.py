"""The engine: order, limits, cancelling, errors, closing."""

import queue
from collections.abc import Iterator

import pytest
import torch
from loopback import wait_for
from torch import Tensor

from companion.models import GPT
from companion.serving import BusyError, Engine, Event, Sampling, Ticket


class Request:
    """A ticket, and what it is told."""

    def __init__(self, tokens: list[int], new: int = 10) -> None:
        self.events = queue.SimpleQueue[Event]()
        self.ticket = Ticket(tokens, Sampling(new, temperature=0), self.events.put)

    def end(self) -> tuple[list[int], Event]:
        """Its tokens, and its last event."""
        tokens = []
        while True:
            event = self.events.get(timeout=10)
            tokens += [event.token] if event.token is not None else []
            if event.finish is not None or event.error is not None:
                return tokens, event


@pytest.fixture
def engine(model: GPT) -> Iterator[Engine]:
    built = Engine(model, [], max_batch=2, max_waiting=3)
    yield built
    built.close(finish=False)


def test_requests_end_with_their_own_tokens(engine: Engine, model: GPT) -> None:
    requests = [Request([i, 5], new=4 + i) for i in range(3)]
    for request in requests:
        engine.submit(request.ticket)
    engine.start()
    for i, request in enumerate(requests):
        tokens, last = request.end()
        assert last.finish == "length"
        assert tokens == model.generate(torch.tensor([[i, 5]]), 4 + i, temperature=0)[0, 2:].tolist()
    wait_for(lambda: engine.running == engine.waiting == 0)


def test_a_stop_token_ends_a_request_and_is_not_told(model: GPT) -> None:
    expected = model.generate(torch.tensor([[1, 5]]), 10, temperature=0)[0, 2:].tolist()
    stop = expected[4]
    engine = Engine(model, [stop])
    engine.start()
    request = Request([1, 5])
    engine.submit(request.ticket)
    tokens, last = request.end()
    assert (tokens, last.finish) == (expected[: expected.index(stop)], "stop")
    engine.close()


def test_a_full_line_refuses(engine: Engine) -> None:
    for _ in range(3):  # not started: all wait
        engine.submit(Request([1]).ticket)
    with pytest.raises(BusyError, match="fewer than 3 requests in line"):
        engine.submit(Request([1]).ticket)


def test_what_does_not_fit_the_context_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="at most 256 with the answer's, got 250 and up to 10"):
        engine.submit(Request([1] * 250).ticket)
    with pytest.raises(ValueError, match="1 token or more"):
        engine.submit(Request([]).ticket)


def test_who_went_away_leaves_and_the_next_joins(engine: Engine) -> None:
    long = [Request([1], new=255) for _ in range(2)]
    late = Request([2], new=2)
    for request in (*long, late):
        engine.submit(request.ticket)
    engine.start()
    long[0].ticket.cancel()
    assert late.end()[1].finish == "length"
    assert long[0].end()[1].finish == "cancelled"


def test_caches_are_kept_within_their_limit(model: GPT) -> None:
    engine = Engine(model, [], max_batch=4, max_positions=256)
    requests = [Request([1] * 100, new=60) for _ in range(2)]  # 160 positions each
    for request in requests:
        engine.submit(request.ticket)
    engine.start()
    wait_for(lambda: engine.running == 1 or requests[1].events.qsize())
    assert [request.end()[1].finish for request in requests] == ["length"] * 2
    engine.close()


def test_an_error_ends_its_requests_and_not_the_engine(model: GPT, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, right = Engine(model, []), model.next_logits

    def broken(tokens: Tensor, *rest: object) -> Tensor:
        if (tokens == 13).any():
            raise RuntimeError("out of memory, say")
        return right(tokens, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "next_logits", broken)
    engine.start()
    bad, good = Request([13]), Request([1], new=3)
    engine.submit(bad.ticket)
    engine.submit(good.ticket)
    assert "out of memory" in str(bad.end()[1].error)
    assert good.end()[1].finish == "length"
    engine.close()


def test_closing_finishes_what_there_is_and_takes_no_more(model: GPT) -> None:
    engine = Engine(model, [])
    engine.start()
    request = Request([1], new=50)
    engine.submit(request.ticket)
    engine.close()
    assert len(request.end()[0]) == 50
    with pytest.raises(BusyError, match="shutting down"):
        engine.submit(Request([1]).ticket)


@pytest.mark.parametrize("limits", [{"max_batch": 0}, {"max_waiting": 0}, {"max_positions": 10}])
def test_bad_limits_are_refused(model: GPT, limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"expected {next(iter(limits))} of at least"):
        Engine(model, [], **limits)
