"""A LoRA step of the real assistant beside peft's on transformers' reading of the same file: speed, loss, adapters.

``python -m benchmarks.lora`` needs the extra ``test`` and the data packages. Both have the same weights, adapters and
tokens, and step with the same AdamW; rounds are interleaved. Counted are seconds of the
processor, which other work on the machine lengthens little, with one thread; read the ratio.
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version

import peft
import torch
from torch import Tensor, nn

from benchmarks import report
from benchmarks.assistant import peer
from benchmarks.quantized import windows
from benchmarks.timing import PRECISIONS
from companion import runtime
from companion.finetune import LoRAConfig, add_lora, save_adapter
from companion.models import smollm2

ROWS, TIME = 1, 64  # sequences a step, tokens each
TARGETS = ("q_proj", "v_proj", "up_proj", "down_proj")
ASKED = 1.0  # of peft's speed
CPU = torch.device("cpu")


class Tuning:
    """A model with adapters, and the step that moves them."""

    def __init__(self, model: nn.Module, loss_of: Callable[[], Tensor]) -> None:
        self.loss_of, self.losses, self.seconds = loss_of, list[float](), list[float]()
        self.moving = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(self.moving, lr=5e-4, fused=True)

    def step(self, precision: runtime.Precision) -> None:
        """Forward, backward, clipped, and the optimizer's."""
        started = time.process_time()
        with precision.autocast(CPU):
            loss = self.loss_of()
        loss.backward()
        nn.utils.clip_grad_norm_(self.moving, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.losses.append(loss.item())
        self.seconds.append(time.process_time() - started)


def pair(tokens: Tensor) -> dict[str, Tuning]:
    """Ours and peft's from the same weights; peft reads the adapters that ours wrote."""
    model, theirs = smollm2()[0], peer()
    torch.manual_seed(0)
    add_lora(model, LoRAConfig(r=8, target_modules=TARGETS)).train()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        save_adapter(model, folder)
        adapted = peft.PeftModel.from_pretrained(theirs, folder, is_trainable=True).train()
    x, targets = tokens[:, :-1], tokens[:, 1:]
    return {
        "companion": Tuning(model, lambda: model.loss(x, targets)),
        "peft": Tuning(adapted, lambda: adapted(input_ids=tokens, labels=tokens, use_cache=False).loss),
    }


def row(name: runtime.PrecisionName, both: dict[str, Tuning], rounds: int) -> tuple[str, float]:
    """The line of the table of one precision, and how many times as fast as peft's ours is."""
    precision = runtime.pick_precision(name, CPU)
    for _ in range(rounds + 2):  # two to warm up
        for tuning in both.values():
            tuning.step(precision)
    ours, theirs = (tuning.seconds[-rounds:] for tuning in both.values())
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    losses = [tuning.losses[-rounds:] for tuning in both.values()]
    gap = max(abs(a - b) for a, b in zip(*losses, strict=True))
    moving = {sum(each.numel() for each in tuning.moving) for tuning in both.values()}
    assert len(moving) == 1, f"expected as many numbers to move in both, got {moving}"
    seconds = [f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})" for each in (ours, theirs)]
    spread = f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})"
    lost = f"{losses[0][0]:.4f} → {losses[0][-1]:.4f}"
    return f"| {name} | {' | '.join(seconds)} | {spread} | {lost} | {gap:.1e} |", statistics.median(ratios)


def main() -> None:
    """Measures, prints and writes ``benchmarks/results/lora-cpu.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="steps that count (default 9)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    tokens = windows(smollm2()[1], "torch", ROWS, TIME)
    both = pair(tokens)
    found = [row(name, both, options.rounds) for name in PRECISIONS]
    lines = [
        "# A LoRA step of the real assistant, SmolLM2-135M-Instruct, beside peft\n",
        report.header(f"python -m benchmarks.lora --rounds {options.rounds}"),
        f"- peer: peft {version('peft')} on transformers {version('transformers')}",
        f"- load of the machine over the last minute, before: {load:.1f}: other work ran beside it",
        f"\n## {ROWS} × {TIME} tokens, rank 8 on {', '.join(TARGETS)}, AdamW, one thread\n",
        "| precision | companion, processor seconds a step | peft | companion is faster by, step for step | loss | "
        "largest difference of losses |",
        "|---|---|---|---|---|---|",
        *(line for line, _ in found),
        f"\nAsked: no slower than peft, {ASKED:.1f} or more. The ratio is the median of those of neighboring steps.",
    ]
    report.write("lora-cpu.md", "\n".join(lines))
    assert min(ratio for _, ratio in found) >= ASKED, "expected a LoRA step no slower than peft's, got a slower one"


if __name__ == "__main__":
    main()
