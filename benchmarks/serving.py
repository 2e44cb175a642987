"""Requests to the server of the real assistant, one after another and all at once: tokens a second, waits, memory.

Then a load that comes at random, with the latencies that :func:`companion.serving.simulate_server` forecasts from times
of its parts, measured before on the idle engine. ``python -m benchmarks.serving`` needs the extra ``test`` and the data
packages. The server is a process of its own on loopback, its client OpenAI's. Rounds of both ways are interleaved.
Read the ratios; the absolute figures belong to the machine, which server and client share.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import httpx
import numpy as np
import openai

from benchmarks import report
from companion.models import smollm2
from companion.serving import ServerTimes, measure_times, simulate_server

NEW = 48
MODEL = "smollm2"
QUESTION = "Tell me a long story about the number {}."


@dataclass(frozen=True)
class Served:
    """One request: seconds to its first token and to its last, tokens written."""

    first: float
    total: float
    tokens: int


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """The server's address and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "companion", "serve", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            while not _ready(address):
                time.sleep(0.2)
            yield address, process.pid
        finally:
            process.terminate()


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def ask(api: openai.OpenAI, number: int, new: int = NEW) -> Served:
    """One streamed request."""
    began, first, tokens = time.perf_counter(), None, 0
    stream = api.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": QUESTION.format(number)}],
        max_tokens=new,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        if first is None and chunk.choices and chunk.choices[0].delta.content:
            first = time.perf_counter() - began
        if chunk.usage is not None:
            tokens = chunk.usage.completion_tokens
    assert first is not None
    return Served(first, time.perf_counter() - began, tokens)


def together(api: openai.OpenAI, clients: int, requests: int) -> tuple[float, list[Served]]:
    """Tokens a second of so many requests by so many clients at once, and each request."""
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        served = list(pool.map(lambda number: ask(api, number), range(requests)))
    return sum(each.tokens for each in served) / (time.perf_counter() - began), served


def table(address: str, rounds: int, requests: int) -> list[str]:
    """A row a number of clients: medians over the rounds."""
    lines = ["| clients | tokens/s | range | times one client | first token, median s | last token, median s |"]
    lines += ["|---|---|---|---|---|---|"]
    rates: dict[int, list[float]] = {1: [], 2: [], 4: [], 8: []}
    all_served: dict[int, list[Served]] = {clients: [] for clients in rates}
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as api:
        together(api, 8, 8)  # warm
        for _ in range(rounds):
            for clients in rates:
                rate, served = together(api, clients, requests)
                rates[clients].append(rate)
                all_served[clients] += served
    alone = statistics.median(rates[1])
    for clients, found in rates.items():
        median, served = statistics.median(found), all_served[clients]
        first, total = (statistics.median(getattr(each, name) for each in served) for name in ("first", "total"))
        ends = f"{min(found):.1f} to {max(found):.1f}"
        lines.append(f"| {clients} | {median:.1f} | {ends} | {median / alone:.2f} | {first:.2f} | {total:.2f} |")
    return lines


def at_random(address: str, times: ServerTimes, requests: int, share: float) -> list[str]:
    """A row a quantile: latencies of a random load, forecast and measured."""
    rng, prompt = np.random.default_rng(0), prompt_tokens()
    lengths = rng.integers(8, 65, size=requests)
    rate = share / times.service(prompt, float(lengths.mean()), batch=8)
    arrivals = rng.exponential(1 / rate, size=requests).cumsum()
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=600) as api:
        began = time.perf_counter()

        def later(number: int) -> Served:
            time.sleep(max(0.0, began + arrivals[number] - time.perf_counter()))
            return ask(api, number, int(lengths[number]))

        with ThreadPoolExecutor(requests) as pool:
            served = list(pool.map(later, range(requests)))
    written = [each.tokens for each in served]
    forecast = simulate_server(times, arrivals, [prompt] * requests, written)
    lines = [
        f"{requests} requests at {rate:.2f} a second, {share:.0%} of what eight at a time could bear; prompts of "
        f"{prompt} tokens, answers of {np.mean(written):.0f} on average. Times of the engine: a prompt "
        f"{times.prompt:.3f} s and {times.prompt_token * 1e3:.2f} ms a token, a step of one request to "
        f"eight {', '.join(f'{seconds:.3f}' for seconds in times.steps)} s.\n",
        "| latency | forecast, s | measured, s | measured / forecast |",
        "|---|---|---|---|",
    ]
    for name in ("first", "last"):
        ours = getattr(forecast, name)
        theirs = np.array([each.first if name == "first" else each.total for each in served])
        for level in (0.5, 0.95):
            planned, found = np.quantile(ours, level), np.quantile(theirs, level)
            lines.append(f"| {name} token, {level:.0%} | {planned:.2f} | {found:.2f} | {found / planned:.2f} |")
    return lines


def prompt_tokens() -> int:
    """Tokens of one of our questions, with the template around it."""
    _, tokenizer = smollm2()
    return len(
        tokenizer.apply_chat_template([{"role": "user", "content": QUESTION.format(10)}], add_generation_prompt=True)
    )


def resident(process: int) -> float:
    """Gigabytes of memory that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def main() -> None:
    """Measures, prints and writes ``benchmarks/results/serving-cpu.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count (default 3)")
    parser.add_argument("--requests", type=int, default=8, help="requests a round (default 8)")
    parser.add_argument("--random", type=int, default=60, help="requests of the random load (default 60)")
    parser.add_argument("--share", type=float, default=0.6, help="of what the server could bear (default 0.6)")
    options = parser.parse_args()
    load, times = os.getloadavg()[0], measure_times(smollm2()[0])
    with server() as (address, process):
        before, rows = resident(process), table(address, options.rounds, options.requests)
        random, after = at_random(address, times, options.random, options.share), resident(process)
    command = (
        f"python -m benchmarks.serving --rounds {options.rounds} --requests {options.requests} "
        f"--random {options.random} --share {options.share}"
    )
    lines = [
        "# The server of the real assistant, SmolLM2-135M-Instruct in fp32\n",
        report.header(command),
        f"- client: openai {version('openai')}; server: fastapi {version('fastapi')}, uvicorn {version('uvicorn')}",
        f"- load of the machine over the last minute, before: {load:.1f}; server's memory {before:.2f} GB before, "
        f"{after:.2f} GB after",
        f"\n## {options.requests} requests a round, {NEW} tokens each, by so many clients at once\n",
        *rows,
        "\n## A random load, forecast and measured\n",
        *random,
    ]
    report.write("serving-cpu.md", "\n".join(lines))


if __name__ == "__main__":
    main()
