"""Contestants that take turns, so that a machine whose speed drifts drifts for all."""

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from companion import runtime
from companion.stats import bootstrap_ci

#: What models are measured in.
PRECISIONS: tuple[runtime.PrecisionName, ...] = ("fp32", "bf16")


class Timed:
    """Seconds of each round of one contestant."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self.name, self.work, self.seconds = name, work, list[float]()

    def round(self, device: torch.device) -> None:
        """Does the work once, to its end."""
        started = time.perf_counter()
        self.work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        self.seconds.append(time.perf_counter() - started)

    @property
    def median(self) -> float:
        """Seconds of the middle round."""
        return statistics.median(self.seconds)


def run(timed: list[Timed], rounds: int, device: torch.device) -> list[Timed]:
    """Two rounds to warm up, then ``rounds`` that count, the contestants in turn."""
    for _ in range(rounds + 2):
        for each in timed:
            each.round(device)
    for each in timed:
        del each.seconds[:2]
    return timed


def ratio(theirs: np.ndarray, ours: np.ndarray) -> str:
    """How many times as long theirs takes, round by round: the median, and its interval at 95%."""
    found = bootstrap_ci(theirs / ours, np.median, seed=0)
    return f"{found.estimate:.2f} ({found.low:.2f} to {found.high:.2f})"


class Pass:
    """A forward pass, and a backward pass from a fixed gradient of the output; parameters have no gradient after it."""

    def __init__(
        self,
        forward: Callable[..., Tensor],
        inputs: tuple[Tensor, ...],
        precision: runtime.Precision,
        device: torch.device,
    ) -> None:
        self.forward, self.inputs, self.precision, self.device = forward, inputs, precision, device
        output = self._output()
        self.gradient, self.leaves = torch.randn_like(output), list(leaves(output))

    def _output(self) -> Tensor:
        with self.precision.autocast(self.device):
            return self.forward(*self.inputs)

    def __call__(self) -> None:
        """Once, without what an optimizer would do."""
        self._output().backward(self.gradient)
        for leaf in self.leaves:
            leaf.grad = None


def leaves(output: Tensor) -> Iterator[Tensor]:
    """What a backward pass gives a gradient to: a reference may be any callable, which lists no parameters."""
    seen, nodes = set(), [output.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        nodes += [before for before, _ in node.next_functions]
        if hasattr(node, "variable"):
            yield node.variable
