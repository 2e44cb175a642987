r"""How many requests a server bears: what its engine would do with them, step by step, from the times of its parts.

The engine does two things, one at a time: it reads a prompt, which takes :math:`a_0 + a_1 n` seconds for :math:`n`
tokens, and it draws a token of each running request, which takes :math:`b_k` seconds for :math:`k` of them. These
times, measured by :func:`measure_times`, and its rule of order give the latency of every request, so that a plan needs
no assumption about arrivals or lengths: those of a log will do. There is a time for each :math:`k` because it is no
line: kernels of matrix products like some sizes, and with the real assistant on one core of an AMD EPYC three requests
took 0.12 s a step, four 0.08 s. And no part takes the same time twice: give the factors by which a log's parts were
slower or faster than their times, and each is drawn, which the tail needs. What is left out: attention over long
contexts, the network, and hours in which the machine has other work.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike

from companion.checks import check_whole
from companion.models import GPT
from companion.models.modes import evaluating
from companion.serving.batch import Batch, Sampling


@dataclass(frozen=True)
class ServerTimes:
    """The times of an engine's parts, in seconds.

    Attributes:
        prompt: to begin a prompt.
        prompt_token: for each token of it.
        steps: of a step in which one request draws a token, two, three, and so on.
        prompt_factors: what prompts took over their times, one of them drawn for each; all as long as said by default.
        step_factors: the same of steps.

    Raises:
        ValueError: for a time below 0, a step that takes none, or factors that are not positive.
    """

    prompt: float
    prompt_token: float
    steps: tuple[float, ...]
    prompt_factors: tuple[float, ...] = (1.0,)
    step_factors: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        for name in ("prompt", "prompt_token"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"expected {name} of at least 0 seconds, got {getattr(self, name)}")
        if not self.steps or not all(seconds > 0 for seconds in self.steps):
            raise ValueError(f"expected steps that take time, one a size of the batch, got {self.steps}")
        for name in ("prompt_factors", "step_factors"):
            if not getattr(self, name) or not all(factor > 0 for factor in getattr(self, name)):
                raise ValueError(f"expected {name} above 0, one at least; got some that are not, or none")

    def service(self, prompt: float, answer: float, *, batch: int = 1) -> float:
        """Seconds of the engine that a request takes where ``batch`` share each step."""
        return self.prompt + self.prompt_token * prompt + (answer - 1) * self.steps[batch - 1] / batch


@dataclass(frozen=True)
class Latencies:
    """Seconds from the arrival of each request: to its first token and to its last, [request]."""

    first: Float[np.ndarray, " request"]
    last: Float[np.ndarray, " request"]


def measure_times(
    model: GPT, *, prompts: Sequence[int] = (16, 64, 256), max_batch: int = 8, context: int = 16, steps: int = 8
) -> ServerTimes:
    """Times of a model's engine on this machine: prompts by least squares, steps by medians.

    Takes some seconds; the machine should be as busy as when it serves.

    Args:
        model: in evaluation mode meanwhile.
        prompts: lengths in tokens; at least two.
        max_batch: requests that share a step at most.
        context: tokens of each of them before its steps.
        steps: of each size of the batch, after one that does not count.

    Example:
        >>> from companion.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=50, block_size=64, n_layer=1, n_head=1, n_embd=8))
        >>> len(measure_times(model, prompts=(8, 32), max_batch=4, steps=2).steps)
        4
    """
    reading = []
    with evaluating(model):
        for length in prompts:
            _seconds_to_read(model, length)  # warm
            reading.append(float(np.median([_seconds_to_read(model, length) for _ in range(3)])))
        drawing = tuple(_seconds_of_a_step(model, size, context, steps) for size in range(1, max_batch + 1))
    return ServerTimes(*_line(prompts, reading), drawing)


def _seconds_to_read(model: GPT, length: int) -> float:
    began = time.perf_counter()
    Batch(model).join(_tokens(model, length), Sampling(1, temperature=0))
    return time.perf_counter() - began


def _seconds_of_a_step(model: GPT, size: int, context: int, steps: int) -> float:
    batch = Batch(model)
    for _ in range(size):
        batch.join(_tokens(model, context), Sampling(steps + 2, temperature=0))
    batch.step()
    spent = []
    for _ in range(steps):
        began = time.perf_counter()
        batch.step()
        spent.append(time.perf_counter() - began)
    return float(np.median(spent))


def _tokens(model: GPT, length: int) -> list[int]:
    return torch.randint(model.config.vocab_size, (length,)).tolist()


def _line(sizes: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """Intercept and slope, neither below 0."""
    slope, intercept = np.polyfit(sizes, seconds, 1)
    if slope < 0:
        return float(np.mean(seconds)), 0.0
    if intercept < 0:
        return 0.0, float(np.dot(sizes, seconds) / np.dot(sizes, sizes))
    return float(intercept), float(slope)


def simulate_server(
    times: ServerTimes,
    arrivals: ArrayLike,
    prompts: ArrayLike,
    answers: ArrayLike,
    *,
    max_batch: int = 8,
    seed: int = 0,
) -> Latencies:
    """What :class:`companion.serving.Engine` would do with these requests, without a limit to its line.

    Args:
        times: of the engine's parts.
        arrivals: when each request comes, in seconds, in order, [request].
        prompts: tokens of each prompt, [request].
        answers: tokens of each answer, at least 1, [request].
        max_batch: requests that share a step; ``times`` has a step for as many.
        seed: of the factors that are drawn.

    Raises:
        ValueError: for lengths that differ, arrivals out of order, a size below 1, or steps that were not measured.

    Example:
        >>> times = ServerTimes(prompt=0.5, prompt_token=0.0, steps=(1.0, 1.0))
        >>> simulate_server(times, [0, 0.1], [5, 5], [3, 2], max_batch=2).last  # one more is read, then both draw
        array([3. , 1.9])
    """
    come, read, write = (np.asarray(values, dtype=np.float64) for values in (arrivals, prompts, answers))
    _check_requests(come, read, write, max_batch, len(times.steps))
    rng, first, last = np.random.default_rng(seed), np.empty(len(come)), np.empty(len(come))
    slower = {name: _drawn(getattr(times, name), rng) for name in ("prompt_factors", "step_factors")}
    line, running, now, nth = deque[int](), dict[int, int](), 0.0, 0
    while nth < len(come) or line or running:
        if not line and not running:
            now = max(now, come[nth])
        while True:  # whoever has come meanwhile joins, too
            while nth < len(come) and come[nth] <= now:
                line.append(nth)
                nth += 1
            if not line or len(running) >= max_batch:
                break
            one = line.popleft()
            now += (times.prompt + times.prompt_token * read[one]) * next(slower["prompt_factors"])
            first[one] = last[one] = now
            if write[one] > 1:
                running[one] = int(write[one]) - 1
        if running:
            now += times.steps[len(running) - 1] * next(slower["step_factors"])
            for one in list(running):
                running[one] -= 1
                if not running[one]:
                    del running[one]
                    last[one] = now
    return Latencies(first - come, last - come)


def _drawn(factors: Sequence[float], rng: np.random.Generator) -> Iterator[float]:
    """One after another, at random; where there is one, without asking for chance."""
    while True:
        yield from rng.choice(factors, 1_000).tolist() if len(factors) > 1 else factors


def _check_requests(come: np.ndarray, read: np.ndarray, write: np.ndarray, max_batch: int, measured: int) -> None:
    check_whole("max_batch", max_batch, at_least=1, advice="it is how many requests share a step")
    if max_batch > measured:
        raise ValueError(f"expected steps of up to {max_batch} requests, got {measured}: measure, or lower, max_batch")
    if come.ndim != 1 or not len(come) == len(read) == len(write) or not len(come):
        shapes = ", ".join(str(values.shape) for values in (come, read, write))
        raise ValueError(f"expected arrivals, prompts and answers of one length, at least 1, got shapes {shapes}")
    if (np.diff(come) < 0).any():
        raise ValueError("expected arrivals in order, got one before its predecessor: sort them with their lengths")
    if not ((read >= 1).all() and (write >= 1).all()):
        raise ValueError(f"expected prompts and answers of at least 1 token, got {min(read.min(), write.min()):g}")


def capacity(
    times: ServerTimes,
    prompts: ArrayLike,
    answers: ArrayLike,
    *,
    seconds: float,
    level: float = 0.95,
    of: str = "last",
    max_batch: int = 8,
    seed: int = 0,
) -> float:
    """The most requests a second, coming at random, of which a share ``level`` has its answer within ``seconds``.

    Found by bisection over :func:`simulate_server`: the same gaps between arrivals (Poisson), pressed together. For
    the simulation's error, take several seeds; for machines, divide the traffic of the busiest hour by it.

    Args:
        times: of the engine's parts.
        prompts: tokens of each prompt, as in a log: in an order that is typical, some thousand of them, [request].
        answers: tokens of each answer, [request].
        seconds: the promise.
        level: the share of requests that it is made for.
        of: ``last`` token or ``first``.
        max_batch: requests that share a step.
        seed: of the gaps, and of the factors.

    Returns:
        Requests a second; 0 where even a request alone takes longer.

    Raises:
        ValueError: as :func:`simulate_server`, or for options out of their range.

    Example:
        >>> times = ServerTimes(prompt=0.1, prompt_token=0.0, steps=(0.06, 0.07, 0.08, 0.09, 0.10, 0.11, 0.12, 0.13))
        >>> round(capacity(times, [30] * 2_000, [20] * 2_000, seconds=4), 1)
        1.6
    """
    if of not in ("first", "last") or not 0 < level < 1 or not seconds > 0:
        raise ValueError(
            f"expected of='first' or 'last', level between 0 and 1 and seconds above 0, got {of!r}, {level}, {seconds}"
        )
    read, write = (np.asarray(values, dtype=np.float64) for values in (prompts, answers))
    gaps = np.random.default_rng(seed).exponential(size=len(read)).cumsum()

    def kept(rate: float) -> bool:
        found = simulate_server(times, gaps / rate, read, write, max_batch=max_batch, seed=seed)
        return bool(np.quantile(getattr(found, of), level) <= seconds)

    low, high = 0.0, 2 / times.service(float(read.mean()), float(write.mean()), batch=max_batch)
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if kept(middle) else (low, middle)
    return low if low > 1e-4 * high else 0.0
