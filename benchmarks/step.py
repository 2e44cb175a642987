"""A training step of a GPT on one core beside transformers' GPT-2, and the matrix products that no step can do without.

``python -m benchmarks.step`` needs the extra ``test``. All have the same sizes, tokens and fused AdamW; rounds are
interleaved. Counted are seconds of the processor, which other work on the machine lengthens little; read the ratios.
The bare products are a floor: those of the step's linear layers alone, forward and for both gradients, of tensors that
already are in the precision, with nothing between them.
"""

import argparse
import os
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from benchmarks import report
from benchmarks.timing import PRECISIONS, ratio
from benchmarks.training import BATCH, CONFIG, our_loss, their_loss, transformers_twin
from companion import runtime
from companion.models import GPT

ASKED = 1.15  # times transformers, at equal precision
CPU = torch.device("cpu")
OURS, THEIRS, FLOOR = "companion", "transformers", "bare products"


def stepping(
    model: nn.Module, loss_of: Callable, batch: tuple[Tensor, Tensor], name: runtime.PrecisionName
) -> Callable:
    """One step: forward, backward, clipped, and the optimizer's."""
    precision, optimizer = runtime.pick_precision(name, CPU), torch.optim.AdamW(model.train().parameters(), fused=True)

    def step() -> None:
        with precision.autocast(CPU):
            loss = loss_of(model, *batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def products(model: GPT, name: runtime.PrecisionName) -> Callable:
    """Each linear layer's output, and the gradients of its input and its weights, from tensors made before."""
    dtype, made = runtime.pick_precision(name, CPU).dtype, []
    weights = [layer.weight for layer in model.modules() if isinstance(layer, nn.Linear)] + [model.wte.weight]
    for weight in weights:  # the embeddings are the output layer's weights
        n_out, n_in = weight.shape
        x, gradient = (torch.randn(BATCH * CONFIG.block_size, size).to(dtype) for size in (n_in, n_out))
        made.append((x, weight.detach().to(dtype), gradient))

    def multiply() -> None:
        for x, weight, gradient in made:
            _ = x @ weight.T, gradient @ weight, gradient.T @ x

    return multiply


def contestants() -> dict[str, Callable]:
    """Steps of both in both precisions, and the floors."""
    batch = tuple(torch.randint(CONFIG.vocab_size, (2, BATCH, CONFIG.block_size)))
    model = GPT(CONFIG)
    twin = transformers_twin(model)
    work = {}
    for name in PRECISIONS:
        work[f"{OURS}, {name}"] = stepping(model, our_loss, batch, name)
        work[f"{THEIRS}, {name}"] = stepping(twin, their_loss, batch, name)
        work[f"{FLOOR}, {name}"] = products(model, name)
    return work


def measure(work: dict[str, Callable], rounds: int) -> dict[str, np.ndarray]:
    """Processor seconds of each round, after one to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, once in work.items():
            started = time.process_time()
            once()
            seconds[name].append(time.process_time() - started)
    return {name: np.array(each[1:]) for name, each in seconds.items()}


def table(seconds: dict[str, np.ndarray]) -> list[str]:
    """A row a contestant: tokens a second of the processor, and by how much ours in bf16 is faster, round by round."""
    lines = ["| | tokens/s | range | companion in bf16 is faster by (95%) |", "|---|---|---|---|"]
    tokens, ours = BATCH * CONFIG.block_size, seconds[f"{OURS}, bf16"]
    for name, each in seconds.items():
        rates = f"{tokens / np.median(each):,.0f} | {tokens / each.max():,.0f} to {tokens / each.min():,.0f}"
        lines.append(f"| {name} | {rates} | {'' if each is ours else ratio(each, ours)} |")
    return lines


def main() -> None:
    """Measures, prints and writes ``benchmarks/results/step-cpu.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="steps that count (default 9)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    load, seconds = os.getloadavg()[0], measure(contestants(), options.rounds)
    ours, theirs, floor = (seconds[f"{name}, bf16"] for name in (OURS, THEIRS, FLOOR))
    gain = float(np.median(theirs / ours))
    lines = [
        "# A training step of a GPT beside transformers' GPT-2, on one core\n",
        report.header(f"python -m benchmarks.step --rounds {options.rounds}"),
        f"- peer: transformers {version('transformers')}",
        f"- load of the machine over the last minute, before: {load:.1f}: other work ran beside it",
        f"- {CONFIG.n_layer} layers, {CONFIG.n_embd} wide, {BATCH} x {CONFIG.block_size} tokens a step, vocabulary "
        f"{CONFIG.vocab_size:,}; fused AdamW; one thread; tokens a second of the processor, medians\n",
        *table(seconds),
        f"\nAsked: {ASKED} times transformers at equal precision; in bf16 it is {ratio(theirs, ours)}, in fp32 "
        f"{ratio(seconds[f'{THEIRS}, fp32'], seconds[f'{OURS}, fp32'])}. The matrix products alone take "
        f"{np.median(floor / ours):.0%} of our step in bf16.",
    ]
    report.write("step-cpu.md", "\n".join(lines))
    assert gain >= ASKED, f"expected {ASKED} times transformers' speed in bf16, got {gain:.2f}"


if __name__ == "__main__":
    main()
