"""``fit`` beside a bare loop and beside transformers' GPT-2 in the usual loop: speed, what is learned, how cost grows.

``python -m benchmarks.training`` needs the extra ``test``. All start from the same weights and see the same batches of
docstrings. Rounds of a few steps are interleaved, so that a machine whose speed drifts drifts for all.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version

import matplotlib.pyplot as plt
import numpy as np
import torch
import transformers
from torch import nn

from benchmarks import report
from benchmarks.timing import Timed, run
from companion import plotting, runtime
from companion.data import TokenBatches, token_corpus
from companion.models import GPT, GPTConfig
from companion.training import TrainConfig, estimate_cost, fit, learning_rate

CONFIG = GPTConfig(vocab_size=4_096, block_size=256, n_layer=6, n_head=6, n_embd=384, bias=True)
BATCH, ROUND = 8, 3  # sequences a step, steps a round
OPTIONS = {"batch_size": BATCH, "lr": 1e-3, "warmup_steps": 30, "weight_decay": 0.1}


def transformers_twin(model: GPT) -> nn.Module:
    """transformers' GPT-2 with the same weights, read from the folder that ours writes."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return transformers.GPT2LMHeadModel.from_pretrained(folder)


def usual_loop(
    model: nn.Module, data: TokenBatches, config: TrainConfig, loss_of: Callable, device: torch.device
) -> None:
    """The loop that one writes by hand: autocast, AdamW, clipping, a schedule."""
    precision = runtime.pick_precision(config.precision, device)
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    fused = {"fused": True} if isinstance(model, GPT) else {}  # transformers' loop: as torch makes it by default
    optimizer = torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, **fused)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate(config, step) / config.lr)
    model.train()
    for step in range(config.steps):
        tokens, targets = (t.to(device) for t in data.batch(step, config.batch_size, seed=config.seed))
        with precision.autocast(device):
            loss = loss_of(model, tokens, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()


def our_loss(model: GPT, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Ours takes targets that are one token later."""
    return model.loss(tokens, targets)


def their_loss(model: nn.Module, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """transformers shifts labels by itself, so that all but the first target are scored from the same inputs."""
    logits = model(tokens).logits
    return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def speed(data: TokenBatches, precision: str, device: torch.device, rounds: int) -> list[Timed]:
    """Rounds of a few steps: ``fit``, the bare loop, transformers at equal precision and in its default fp32.

    There is nothing to validate on: ``fit`` would, after its last step, and a loop does not.
    """
    data = TokenBatches(data.train, block_size=data.block_size)
    config = TrainConfig(steps=ROUND, precision=precision, device=str(device), **{**OPTIONS, "warmup_steps": 0})
    default = TrainConfig(steps=ROUND, precision="fp32", device=str(device), **{**OPTIONS, "warmup_steps": 0})
    ours = GPT(CONFIG).to(device)
    bare, theirs = GPT(CONFIG).to(device), transformers_twin(ours).to(device)
    work = [
        Timed("companion, fit", lambda: fit(ours, data, config)),
        Timed("companion, bare loop", lambda: usual_loop(bare, data, config, our_loss, device)),
        Timed(f"transformers, {precision}", lambda: usual_loop(theirs, data, config, their_loss, device)),
    ]
    if precision != "fp32":
        work.append(Timed("transformers, fp32", lambda: usual_loop(theirs, data, default, their_loss, device)))
    return run(work, rounds, device)


def validation(model: nn.Module, data: TokenBatches, device: torch.device, loss_of: Callable) -> float:
    """Mean loss over whole validation windows."""
    model.eval()
    with torch.no_grad():
        losses = [loss_of(model, x.to(device), y.to(device)).item() for x, y in data.validation(16) if (y >= 0).all()]
    return statistics.fmean(losses)


def learned(data: TokenBatches, precision: str, device: torch.device, steps: int) -> list[str]:
    """Validation loss of both after the same steps from the same weights; and how far off the estimate was."""
    config = TrainConfig(steps=steps, precision=precision, device=str(device), **OPTIONS)
    torch.manual_seed(1)
    ours = GPT(CONFIG)
    theirs = transformers_twin(ours).to(device)
    estimate = estimate_cost(ours, data, config)
    history = fit(ours, data, config)
    usual_loop(
        theirs, data, TrainConfig(steps=steps, precision="fp32", device=str(device), **OPTIONS), their_loss, device
    )
    mine, reference = (validation(m, data, device, loss) for m, loss in ((ours, our_loss), (theirs, their_loss)))
    return [
        f"\n## What is learned in {steps} steps from the same weights\n",
        f"Validation loss in nats a token: companion in {precision} {mine:.4f}, transformers in fp32 {reference:.4f}, "
        f"{mine / reference - 1:+.2%}.\n",
        f"`estimate_cost` before the run: {estimate}. After it: {estimate.against(history)}.",
    ]


def table(timed: list[Timed]) -> list[str]:
    """A row a contestant: median tokens a second, range, ratio of the medians."""
    lines = ["| | tokens/s | range | fit is faster by |", "|---|---|---|---|"]
    tokens, ours = ROUND * BATCH * CONFIG.block_size, statistics.median(timed[0].seconds)
    for each in timed:
        median = statistics.median(each.seconds)
        slowest, fastest = tokens / max(each.seconds), tokens / min(each.seconds)
        lines.append(
            f"| {each.name} | {tokens / median:,.0f} | {slowest:,.0f} to {fastest:,.0f} | {median / ours:.2f} |"
        )
    paired = statistics.median(a / b for a, b in zip(timed[0].seconds, timed[1].seconds, strict=True))
    return [*lines, f"\n`fit` over the bare loop, round by round: {paired - 1:+.1%} (median)."]


GROWTH = {
    "block_size": (128, 256, 512, 1_024, 2_048),
    "batch_size": (2, 4, 8, 16),
    "n_embd": (96, 192, 384, 768),
}


def one_step(name: str, value: int) -> None:
    """In a process of its own: prints seconds and the memory that a step needs beyond weights, in bytes."""
    sizes = {
        "block_size": 256,
        "n_embd": 192,
        "n_layer": 4,
        "n_head": 6,
        "vocab_size": 512,
        "batch_size": 4,
        name: value,
    }
    batch = sizes.pop("batch_size")
    model = GPT(GPTConfig(**sizes))
    tokens = torch.randint(512, (batch, sizes["block_size"]))

    def step() -> None:
        model.loss(tokens, tokens).backward()

    step()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak counts from here
    before = _status("VmRSS")
    timed = Timed(name, step)
    timed.round(torch.device("cpu"))
    print(timed.seconds[0], _status("VmHWM") - before)


def _status(name: str) -> int:
    with open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def growth() -> list[str]:
    """Time and memory of a step against block size, batch and width; the slope on logarithmic axes is the power."""
    fixed = {**os.environ, "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    measured = {}
    for name, values in GROWTH.items():
        rows = []
        for value in values:
            command = [sys.executable, "-m", "benchmarks.training", "--one-step", name, str(value)]
            out = subprocess.run(command, env=fixed, capture_output=True, text=True, check=True).stdout
            rows.append([float(number) for number in out.split()])
        measured[name] = np.array(rows).T / [[1], [2**20]]
    draw(measured)
    lines = [
        "\n## How a step grows (CPU, fp32, 4 layers; a process each)\n",
        "| | sizes | seconds | MiB | power of time | of memory |",
        "|---|---|---|---|---|---|",
    ]
    for name, (seconds, mib) in measured.items():
        logarithms = np.log(GROWTH[name][-3:])
        powers = [np.polyfit(logarithms, np.log(figures[-3:]), 1)[0] for figures in (seconds, mib)]
        sizes, took = ", ".join(f"{v:,}" for v in GROWTH[name]), ", ".join(f"{s:.2f}" for s in seconds)
        held = ", ".join(f"{m:,.0f}" for m in mib)
        lines.append(f"| {name} | {sizes} | {took} | {held} | {powers[0]:.2f} | {powers[1]:.2f} |")
    lines.append(
        "\nPowers are fitted to the three largest sizes. Attention's memory is linear in block_size: a power near 1."
    )
    return [*lines, "\n![time and memory of a step](training-growth.png)"]


def draw(measured: dict[str, np.ndarray]) -> None:
    """Seconds above, MiB below, a column for each size that grows."""
    plotting.use_style()
    figure, axes = plt.subplots(2, len(GROWTH), figsize=(9, 5), layout="constrained", sharey="row")
    for column, (name, values) in enumerate(GROWTH.items()):
        for row, (figures, label) in enumerate(zip(measured[name], ("seconds", "MiB"), strict=True)):
            panel = axes[row, column]
            panel.loglog(values, figures, marker="o")
            panel.set(xlabel=name, ylabel=label if column == 0 else "")
            panel.minorticks_off()
            panel.set_xticks(values, [f"{value:,}" for value in values])
    figure.savefig(report.RESULTS / "training-growth.png")


def main() -> None:
    """Measures, prints and writes ``benchmarks/results/training-<device>.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8, help="rounds that count (default 8)")
    parser.add_argument(
        "--steps", type=int, default=300, help="steps of the comparison of what is learned (default 300)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (default auto)")
    parser.add_argument("--one-step", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps <= OPTIONS["warmup_steps"]:
        parser.error(f"expected --steps above the {OPTIONS['warmup_steps']} of the warm-up, got {options.steps}")
    torch.manual_seed(0)
    if options.one_step:
        one_step(options.one_step[0], int(options.one_step[1]))
        return
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    device = runtime.pick_device(options.device)
    auto = runtime.pick_precision("auto", device)
    corpus = token_corpus(vocab_size=CONFIG.vocab_size)
    data = TokenBatches(corpus.train, corpus.validation[:100_000], block_size=CONFIG.block_size)
    lines = [
        "# Training: fit beside a bare loop and transformers' GPT-2\n",
        report.header(f"python -m benchmarks.training --rounds {options.rounds} --steps {options.steps}"),
        f"- peer: transformers {version('transformers')}; device: {device}, {torch.get_num_threads()} threads",
        f"- {CONFIG.n_layer} layers, {CONFIG.n_embd} wide, {BATCH} x {CONFIG.block_size} tokens a step, vocabulary "
        f"{CONFIG.vocab_size:,}; {options.rounds} rounds of {ROUND} steps, interleaved; medians",
        f"- precision auto is {auto.dtype} here: {auto.why}",
    ]
    best = "fp32" if auto.dtype is torch.float32 else "bf16"
    for precision in dict.fromkeys(("fp32", best)):
        lines += [f"\n## Speed, {precision}\n", *table(speed(data, precision, device, options.rounds))]
    if device.type == "cpu":
        lines += growth()
    lines += learned(data, best, device, options.steps)
    report.write(f"training-{device.type}.md", "\n".join(lines))


if __name__ == "__main__":
    main()
