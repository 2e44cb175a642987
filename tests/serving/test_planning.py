"""The planner: beside closed forms of queues, beside the real engine, and its refusals."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from companion.economics import MG1
from companion.models import GPT
from companion.models.gpt_layers.cache import KVCache
from companion.serving import (
    Batch,
    Engine,
    Event,
    Sampling,
    ServerTimes,
    Ticket,
    capacity,
    measure_times,
    simulate_server,
)


def line(begin: float, row: float) -> tuple[float, ...]:
    """Steps of one to eight requests that take a time and one for each request."""
    return tuple(begin + row * rows for rows in range(1, 9))


def test_alone_each_request_takes_its_service() -> None:
    times = ServerTimes(0.2, 0.01, line(0.05, 0.03))
    arrivals, prompts, answers = np.arange(5) * 100.0, np.array([1, 5, 10, 20, 40]), np.array([1, 2, 3, 10, 50])
    found = simulate_server(times, arrivals, prompts, answers)
    np.testing.assert_allclose(found.first, 0.2 + 0.01 * prompts)
    np.testing.assert_allclose(found.last, [times.service(p, a) for p, a in zip(prompts, answers, strict=True)])


def test_one_at_a_time_is_the_queue_of_pollaczek_and_khinchine() -> None:
    rng = np.random.default_rng(0)
    n, times = 200_000, ServerTimes(0.0, 0.0, (1.0,))
    answers = 1 + rng.geometric(0.1, size=n)  # services of answers − 1 seconds
    arrivals = rng.exponential(1 / 0.06, size=n).cumsum()
    found = simulate_server(times, arrivals, np.ones(n), answers, max_batch=1)
    service = answers - 1
    expected = MG1(arrival_rate=0.06, mean_service=10.0, scv=0.9).mean_response  # a variance of 0.9 / 0.1²
    means = found.last.reshape(100, -1).mean(axis=1)
    assert abs(means.mean() - expected) < 4 * means.std(ddof=1) / 10
    assert abs(service.mean() - 10) < 0.1


def test_factors_are_drawn_for_each_part() -> None:
    rng = np.random.default_rng(3)
    times = ServerTimes(0.0, 0.01, (0.1,), prompt_factors=(1.0, 3.0), step_factors=(0.5, 1.0, 1.5))
    arrivals, prompts, answers = np.arange(4_000) * 1e3, rng.integers(1, 9, size=4_000), np.full(4_000, 26)
    found, again = (simulate_server(times, arrivals, prompts, answers, max_batch=1, seed=seed) for seed in (0, 1))
    slower = found.first / (0.01 * prompts)
    assert set(np.unique(slower.round(6))) == {1.0, 3.0}
    assert abs(slower.mean() - 2) < 4 / np.sqrt(4_000)
    writing = found.last - found.first
    assert abs(writing.mean() - 2.5) < 4 * 0.1 * np.sqrt(25 / 6) / np.sqrt(4_000)
    assert abs(writing.std() / (0.1 * np.sqrt(25 / 6)) - 1) < 0.06
    assert not np.array_equal(found.last, again.last)


def test_the_engine_does_what_was_simulated(model: GPT, monkeypatch: pytest.MonkeyPatch) -> None:
    times = ServerTimes(prompt=0.03, prompt_token=0.002, steps=(0.024, 0.04, 0.05, 0.036))
    rng = np.random.default_rng(1)
    arrivals = rng.exponential(0.05, size=60).cumsum()
    prompts, answers = rng.integers(2, 20, size=60), rng.integers(1, 15, size=60)
    engine, clock, first, last = Engine(model, [], max_batch=4), [0.0], np.full(60, np.nan), np.full(60, np.nan)

    def ticket(number: int) -> Ticket:
        def note(event: Event) -> None:
            first[number] = np.fmin(first[number], clock[0])
            last[number] = clock[0]

        return Ticket([1] * prompts[number], Sampling(int(answers[number]), temperature=0), note)

    line = [(at, ticket(number)) for number, at in enumerate(arrivals)]

    def pass_time(seconds: float) -> None:
        clock[0] += seconds
        while line and line[0][0] <= clock[0]:
            engine.submit(line.pop(0)[1])

    def timed(tokens: Tensor, cache: KVCache, *_: Any) -> Tensor:
        """Takes the planned time, by a clock of the test's own, in place of the model."""
        rows, new = tokens.shape
        cache.length += new
        pass_time(times.prompt + times.prompt_token * new if new > 1 else times.steps[rows - 1])
        return torch.zeros(rows, model.config.vocab_size, dtype=torch.float64)

    monkeypatch.setattr(model, "next_logits", timed)
    batch = Batch(model)
    while line or engine.waiting or engine.running:
        if not (engine.waiting or engine.running):
            pass_time(line[0][0] - clock[0])
        engine._advance(batch)  # one turn of its thread
    expected = simulate_server(times, arrivals, prompts, answers, max_batch=4)
    np.testing.assert_allclose(first - arrivals, expected.first, rtol=1e-9)
    np.testing.assert_allclose(last - arrivals, expected.last, rtol=1e-9)
    assert expected.last.max() > 3 * times.service(20, 15)  # there was a line


def test_capacity_keeps_the_promise_and_no_more_would() -> None:
    rng = np.random.default_rng(2)
    times = ServerTimes(0.05, 0.001, line(0.03, 0.005))
    prompts, answers = rng.integers(5, 200, size=3_000), rng.geometric(0.03, size=3_000)
    gaps = np.random.default_rng(0).exponential(size=3_000).cumsum()

    def p95(rate: float) -> float:
        return float(np.quantile(simulate_server(times, gaps / rate, prompts, answers).last, 0.95))

    rate = capacity(times, prompts, answers, seconds=8)
    assert p95(0.98 * rate) <= 8 < p95(1.02 * rate)
    assert capacity(times, prompts, answers, seconds=20) > rate > capacity(times, prompts, answers, seconds=6)
    assert capacity(times, prompts, answers, seconds=8, max_batch=1) < rate
    assert capacity(times, prompts, answers, seconds=0.01) == 0
    assert capacity(times, prompts, answers, seconds=1, of="first") > 0


def test_times_are_those_of_the_model(model: GPT) -> None:
    times = measure_times(model, prompts=(8, 128), max_batch=3, context=5, steps=4)
    assert len(times.steps) == 3
    assert 0 < min(times.steps) <= max(times.steps) < 0.1
    assert 0 < times.prompt + 128 * times.prompt_token < 0.5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([1.0, 0.5], [1, 1], [1, 1]), "arrivals in order"),
        (([0.0], [1, 1], [1, 1]), "one length"),
        (([], [], []), "at least 1"),
        (([0.0], [0], [1]), "at least 1 token"),
        (([0.0], [1], [0]), "at least 1 token"),
    ],
)
def test_bad_requests_are_refused(arguments: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        simulate_server(ServerTimes(0, 0, line(1, 0)), *arguments)


def test_steps_that_were_not_measured_are_refused() -> None:
    with pytest.raises(ValueError, match="up to 3 requests, got 2"):
        simulate_server(ServerTimes(0, 0, (1, 1)), [0], [1], [1], max_batch=3)


@pytest.mark.parametrize(
    "times",
    [(-1, 0, (1,)), (0, 0, (1, 0)), (0, float("nan"), (1,)), (0, 0, ()), (0, 0, (1,), (0,)), (0, 0, (1,), (1,), ())],
)
def test_bad_times_are_refused(times: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        ServerTimes(*times)


@pytest.mark.parametrize("options", [{"of": "middle"}, {"level": 1}, {"seconds": 0}])
def test_bad_promises_are_refused(options: Any) -> None:
    with pytest.raises(ValueError, match="expected of='first' or 'last'"):
        capacity(ServerTimes(0, 0, line(1, 0)), [1], [1], **{"seconds": 1, **options})
