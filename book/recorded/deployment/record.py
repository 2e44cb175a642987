"""Makes the recorded run of the chapter *Deployment* again: ``python book/recorded/deployment/record.py``.

``load``: the server of SmolLM2 on loopback, one thread for the engine, and OpenAI's client beside it. Real reviews
come at random, each for a label of one word or for a sentence of thanks. First the engine's times, idle; then a
calibration by one to eight clients; then two loads at random. A row a request, as its client saw it, and a row for
everything that the engine did: reading a prompt, a step, letting a request go. The machine had other work, to which this
run was preferred (``echo -10 > /proc/self/autogroup``).

``export``: the assistant as an ONNX file: how large it is, how far from torch, and how fast a prompt is read by both.
"""

import asyncio
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import httpx
import numpy as np
import openai
import torch

from companion.data import r_table
from companion.models import smollm2
from companion.serving import (
    Batch,
    Sampling,
    Server,
    engine,
    export_onnx,
    measure_times,
)
from companion.serving.batch import Row

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recording import Run, record, write

HERE = Path(__file__).parent
PROMPTS = {
    "label": "Is the writer of this review happy? Answer yes or no.\n\n",
    "thanks": "Thank the writer of this review in one short sentence.\n\n",
}
LIMITS = {"label": 4, "thanks": 96}  # tokens of an answer
LONGEST, SEED = 600, 1  # characters of a review; other reviews than in Probability
ROUNDS = (
    (1, 8),
    (2, 12),
    (3, 15),
    (4, 20),
    (6, 24),
    (8, 32),
)  # clients at once, requests
LOADS = {"light": (0.4, 60), "heavy": (0.7, 180)}  # requests a second, requests
TIMES = ("prompt", "prompt_token", *(f"step_{rows}" for rows in range(1, 9)))
MEASURED = {
    "prompts": (32, 96, 192),
    "context": 96,
}  # tokens, as these requests have them
SEEN = (
    "load",
    "number",
    "due",
    "sent",
    "kind",
    "prompt",
    "answer",
    "first",
    "last",
    "gap",
)

Seen = tuple[str, int, float, float, str, int, int, float, float, float]


class NotedBatch(Batch):
    """A batch that notes what it does: kind, rows, tokens of the prompt or of the longest row, begin, seconds."""

    notes: ClassVar[list[tuple[str, int, int, float, float]]] = []

    def join(self, tokens: Sequence[int], sampling: Sampling) -> Row:
        """As a batch, and a note."""
        began = time.monotonic()
        row = super().join(tokens, sampling)
        self._note("join", len(self.rows), len(tokens), began)
        return row

    def step(self) -> None:
        """As a batch, and a note."""
        rows, longest = (
            len(self.rows),
            max((row.seen for row in self.rows), default=0),
        )
        began = time.monotonic()
        super().step()
        if rows:
            self._note("step", rows, longest, began)

    def leave(self, gone: Sequence[Row]) -> None:
        """As a batch, and a note where somebody leaves."""
        began = time.monotonic()
        super().leave(gone)
        if gone:
            self._note("leave", len(self.rows), len(gone), began)

    def _note(self, kind: str, rows: int, tokens: int, began: float) -> None:
        self.notes.append((kind, rows, tokens, began, time.monotonic() - began))


def serve(port: int, began: float) -> None:
    """The server, in a process of its own; writes its times before it begins and its notes when it ends."""
    torch.set_num_threads(1)
    model, tokenizer = smollm2()
    found = [measure_times(model, **MEASURED) for _ in range(2)]  # type: ignore[arg-type]
    times = [(each.prompt, each.prompt_token, *each.steps) for each in found]
    write(
        HERE / "load.times.csv", TIMES, [[f"{s:.6f}" for s in row] for row in times]
    )
    engine.Batch = NotedBatch  # type: ignore[misc]
    Server(model, tokenizer, name="smollm2").run(port=port)
    notes = [
        (k, r, t, f"{at - began:.4f}", f"{s:.5f}")
        for k, r, t, at, s in NotedBatch.notes
    ]
    write(
        HERE / "load.operations.csv",
        ("kind", "rows", "tokens", "began", "seconds"),
        notes,
    )


def reviews() -> list[str]:
    """Real reviews of food, drawn once, spaces put in order."""
    table = r_table("modeldata", "training_data").sample(frac=1, random_state=SEED)
    texts = (" ".join(text.split()) for text in table["review"])
    return [text for text in texts if len(text) <= LONGEST]


async def ask(
    api: openai.AsyncOpenAI, kind: str, review: str, seed: int
) -> tuple[int, int, float, float, float]:
    """Tokens of prompt and answer; seconds to the first token, to the last, and the longest between two."""
    began, marks, used = time.monotonic(), [], None
    stream = await api.chat.completions.create(
        model="smollm2",
        messages=[{"role": "user", "content": PROMPTS[kind] + review}],
        max_tokens=LIMITS[kind],
        temperature=0.7,
        seed=seed,
        stream=True,
        stream_options={"include_usage": True},
    )
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            marks.append(time.monotonic() - began)
        used = chunk.usage or used
    last = time.monotonic() - began
    first = marks[0] if marks else last
    gap = max(np.diff([*marks, last]), default=0.0)
    return used.prompt_tokens, used.completion_tokens, first, last, float(gap)  # type: ignore[union-attr]


async def closed(
    api: openai.AsyncOpenAI, clients: int, work: list[tuple[str, str]], began: float
) -> list[Seen]:
    """So many clients, each with one request after another."""
    line, seen = list(enumerate(work)), []

    async def client() -> None:
        while line:
            number, (kind, review) = line.pop(0)
            sent = time.monotonic() - began
            seen.append(
                (
                    f"clients {clients}",
                    number,
                    sent,
                    sent,
                    kind,
                    *await ask(api, kind, review, number),
                )
            )

    await asyncio.gather(*(client() for _ in range(clients)))
    return seen


async def at_random(
    api: openai.AsyncOpenAI, load: str, work: list[tuple[str, str]], began: float
) -> list[Seen]:
    """Requests that come at random and do not wait for each other."""
    rate, requests = LOADS[load]
    gaps = np.random.default_rng(requests).exponential(1 / rate, size=requests)
    due = time.monotonic() - began + gaps.cumsum()

    async def later(number: int) -> Seen:
        await asyncio.sleep(due[number] - (time.monotonic() - began))
        kind, review = work[number]
        sent = time.monotonic() - began
        return (
            load,
            number,
            due[number],
            sent,
            kind,
            *await ask(api, kind, review, number),
        )

    return await asyncio.gather(*(later(number) for number in range(requests)))


def work() -> dict[str, list[tuple[str, str]]]:
    """Kind and review of each request, by load; no review is used twice."""
    texts, rng = reviews(), np.random.default_rng(SEED)
    sizes = {"warm": 3, **{f"clients {clients}": n for clients, n in ROUNDS}}
    sizes |= {load: requests for load, (_, requests) in LOADS.items()}
    kinds = {
        load: rng.choice(list(PROMPTS), size=n).tolist()
        for load, n in sizes.items()
    }
    return {load: [(kind, texts.pop()) for kind in kinds[load]] for load in kinds}


async def measure(address: str, began: float) -> list[Seen]:
    """The calibration and the loads."""
    given = work()
    async with openai.AsyncOpenAI(
        base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=600
    ) as api:
        await closed(api, 1, given["warm"], began)
        seen: list[Seen] = []
        for clients, _ in ROUNDS:
            seen += await closed(api, clients, given[f"clients {clients}"], began)
        for load in LOADS:
            seen += await at_random(api, load, given[load], began)
            print(load, f"{time.monotonic() - began:.0f} s", flush=True)
    return seen


def record_load() -> list[str]:
    """All of it; the server is a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(port, began)
    )
    process.start()
    address = f"http://127.0.0.1:{port}"
    try:
        while not ready(address):
            time.sleep(0.2)
        seen = asyncio.run(measure(address, began))
    finally:
        os.kill(process.pid, signal.SIGINT)  # type: ignore[arg-type]
        process.join()
    rows = [
        (*row[:2], *(f"{x:.4f}" if isinstance(x, float) else x for x in row[2:]))
        for row in seen
    ]
    write(HERE / "load.requests.csv", SEEN, rows)
    return ["load.times.csv", "load.operations.csv", "load.requests.csv"]


def ready(address: str) -> bool:
    """Whether the server answers."""
    try:
        return httpx.get(f"{address}/health").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def record_export() -> list[str]:
    """One row: the file, its check, and medians of seconds to read 64 tokens."""
    import onnxruntime

    model, _ = smollm2()
    tokens = torch.arange(1_000, 1_064)[None]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "assistant.onnx"
        apart = export_onnx(model, path, tokens[:, :5].repeat(2, 1), dynamic=(0, 1))
        size = sum(each.stat().st_size for each in Path(folder).iterdir())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options)
        name = session.get_inputs()[0].name
        with torch.inference_mode():
            ours = seconds(lambda: model(tokens))
            same = model(tokens).argmax(2).numpy()
        theirs = seconds(lambda: session.run(None, {name: tokens.numpy()}))
        agree = (
            session.run(None, {name: tokens.numpy()})[0].argmax(2) == same
        ).sum()
    row = (
        size,
        f"{apart:.2e}",
        tokens.shape[1],
        agree,
        f"{ours:.4f}",
        f"{theirs:.4f}",
    )
    header = ("bytes", "apart", "tokens", "agree", "torch_s", "onnxruntime_s")
    write(HERE / "export.csv", header, [row])
    return ["export.csv"]


def seconds(call: Callable[[], object]) -> float:
    """The median of five, after one that does not count."""
    call()
    spent = []
    for _ in range(5):
        began = time.monotonic()
        call()
        spent.append(time.monotonic() - began)
    return float(np.median(spent))


RUNS = {
    "export": Run(record_export, packages=("onnx", "onnxruntime", "onnxscript")),
    "load": Run(record_load, (SEED,), ("openai", "fastapi", "uvicorn")),
}


if __name__ == "__main__":
    record(__file__, __doc__, RUNS)
