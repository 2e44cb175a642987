"""Requests to the server of the real assistant, one after another and all at once: tokens a second, waits, memory.

``python -m benchmarks.serving`` needs the extra ``test`` and the data packages. The server is a process of its own on
loopback, its client OpenAI's. Rounds of both ways are interleaved. Read the ratio; the absolute figures belong to the
machine, which server and client share.
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
import openai

from benchmarks import report

NEW = 48
MODEL = "smollm2-135m-instruct"


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


def ask(api: openai.OpenAI, number: int) -> Served:
    """One streamed request."""
    began, first, tokens = time.perf_counter(), None, 0
    stream = api.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": f"Tell me a long story about the number {number}."}],
        max_tokens=NEW,
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


def resident(process: int) -> float:
    """Gigabytes of memory that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def main() -> None:
    """Measures, prints and writes ``benchmarks/results/serving-cpu.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count (default 3)")
    parser.add_argument("--requests", type=int, default=8, help="requests a round (default 8)")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with server() as (address, process):
        before, rows, after = resident(process), table(address, options.rounds, options.requests), resident(process)
    command = f"python -m benchmarks.serving --rounds {options.rounds} --requests {options.requests}"
    lines = [
        "# The server of the real assistant, SmolLM2-135M-Instruct in fp32\n",
        report.header(command),
        f"- client: openai {version('openai')}; server: fastapi {version('fastapi')}, uvicorn {version('uvicorn')}",
        f"- load of the machine over the last minute, before: {load:.1f}; server's memory {before:.2f} GB before, "
        f"{after:.2f} GB after",
        f"\n## {options.requests} requests a round, {NEW} tokens each, by so many clients at once\n",
        *rows,
    ]
    report.write("serving-cpu.md", "\n".join(lines))


if __name__ == "__main__":
    main()
