"""The real assistant with weights in 32, 8 and 4 bits: size, speed of writing, and what it costs in quality.

``python -m benchmarks.quantized`` needs the data packages. Rounds are interleaved. Read the ratios; the absolute
figures belong to the machine. The assistant's file has 4-bit weights in groups of 32 already, dequantized when
it is read: 4 bits in such groups give them back, and cost next to nothing. A model that has never been quantized pays
more, as the groups of 64 show.
"""

import argparse
import copy
import os
import statistics
import time

import torch
from torch import Tensor

from benchmarks import report
from companion.compress import input_moments, model_bytes, quantize
from companion.data import docstrings
from companion.models import GPT, ChatTokenizer, smollm2

NEW = 32
QUESTION = "Write one sentence about the sea."
ASKED = 1.8  # times float32, of 8 bits


def variants(model: GPT, moments: dict[str, Tensor]) -> dict[str, GPT]:
    """The same model in each format; ``moments`` are those of its layers' inputs."""
    return {
        "fp32": model,
        "int8": quantize(copy.deepcopy(model)),
        "int4, groups of 64": quantize(copy.deepcopy(model), bits=4, group_size=64),
        "int4, groups of 64, GPTQ": quantize(copy.deepcopy(model), bits=4, group_size=64, moments=moments),
        "int4, groups of 32": quantize(copy.deepcopy(model), bits=4, group_size=32),
    }


class Writing:
    """Seconds to read a prompt and write the first token, and to write the others, of each round."""

    def __init__(self, name: str, model: GPT, tokens: Tensor) -> None:
        self.name, self.model, self.tokens = name, model, tokens
        self.reading, self.writing = list[float](), list[float]()

    def round(self) -> None:
        """Writes once."""
        started = time.perf_counter()
        stream = self.model.generate_stream(self.tokens, NEW + 1, temperature=0)
        next(stream)
        read = time.perf_counter()
        assert sum(1 for _ in stream) == NEW
        self.reading.append(read - started)
        self.writing.append(time.perf_counter() - read)

    @property
    def rate(self) -> float:
        """Tokens a second of the middle round, once the prompt has been read."""
        return NEW / statistics.median(self.writing[2:])  # two rounds to warm up


def windows(tokenizer: ChatTokenizer, package: str, count: int, time: int) -> Tensor:
    """Rows of tokens of the docstrings of an installed package."""
    text = "\n\n".join(document.text for document in docstrings([package])[:400])
    return torch.tensor(tokenizer.encode(text)[: count * time]).view(count, time)


def quality(model: GPT, rows: Tensor, plain: Tensor | None) -> tuple[float, float, Tensor]:
    """Loss in nats a token, the proportion of likeliest successors that are those of fp32, and the successors."""
    with torch.inference_mode():
        logits = torch.cat([model(row[None]) for row in rows])
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), rows[:, 1:].flatten()).item()
    likeliest = logits.argmax(dim=-1)
    return loss, 1.0 if plain is None else (likeliest == plain).float().mean().item(), likeliest


def main() -> None:
    """Measures, prints and writes ``benchmarks/results/quantized-cpu.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds of generation that count (default 7)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default 1)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, tokenizer = smollm2()
    models = variants(model, input_moments(model, windows(tokenizer, "scipy", 16, 256)))
    messages = [{"role": "user", "content": QUESTION}]
    tokens = torch.tensor([tokenizer.apply_chat_template(messages, add_generation_prompt=True)])
    timed = [Writing(name, each, tokens) for name, each in models.items()]
    load = os.getloadavg()[0]
    for _ in range(options.rounds + 2):
        for each in timed:
            each.round()
    rows, plain, table = windows(tokenizer, "torch", 8, 256), None, []
    for (name, quantized), times in zip(models.items(), timed, strict=True):
        loss, agreed, likeliest = quality(quantized, rows, plain)
        plain = likeliest if plain is None else plain
        slowest, fastest = NEW / max(times.writing[2:]), NEW / min(times.writing[2:])
        speed = f"{times.rate:.1f} | {slowest:.1f} to {fastest:.1f} | {times.rate / timed[0].rate:.2f}"
        read = 1e3 * statistics.median(times.reading[2:])
        table.append(
            f"| {name} | {model_bytes(quantized) / 1e6:.0f} | {speed} | {read:.0f} | {loss:.4f} | {agreed:.1%} |"
        )
    gain = timed[1].rate / timed[0].rate
    lines = [
        "# The real assistant, SmolLM2-135M-Instruct, in 8 and 4 bits\n",
        report.header(f"python -m benchmarks.quantized --rounds {options.rounds} --threads {options.threads}"),
        f"- load of the machine over the last minute, before: {load:.1f}",
        f"\n## {NEW} tokens after a prompt of {tokens.shape[1]}, greedy, {options.threads} thread\n",
        "| weights | MB | tokens/s | range | times fp32 | prompt, ms | loss, nats a token | same likeliest token |",
        "|---|---|---|---|---|---|---|---|",
        *table,
        f"\nAsked: int8 at least {ASKED} times fp32; it is {gain:.2f} times. Embeddings and output layer have 8 bits "
        f"in all formats of 4 bits. The loss is over {rows.numel():,} tokens of docstrings of torch; GPTQ saw 4,096 of "
        "docstrings of scipy.\n",
        "The assistant's file has 4-bit weights in groups of 32 already, dequantized when it is read: 4 bits in such "
        "groups give them back, and cost next to nothing. A model that has never been quantized pays more, as the "
        "groups of 64 show.",
    ]
    report.write("quantized-cpu.md", "\n".join(lines))
    assert gain >= ASKED, f"expected int8 at least {ASKED} times as fast as fp32, got {gain:.2f}"


if __name__ == "__main__":
    main()
