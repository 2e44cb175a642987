"""One family of models beside an independent reference: what tests compare and benchmarks time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Case:
    """A model with random weights, what it takes, and a reference with the same weights.

    Attributes:
        model: ours, in training mode without dropout.
        inputs: what ``model(*inputs)`` takes: tensors, or tuples of them.
        batch: what ``model.loss(*batch)`` takes.
        reference: ``reference(*inputs)`` returns what ``model(*inputs)`` returns; it has the same weights.
        reference_name: what the reference is, such as ``torch.nn.LSTM``.
        reference_gradients: after a backward pass through the reference: its gradients by the names of our parameters.
        sizes: what ``companion.economics.compute.forward_flops`` needs to know of ``inputs``.
    """

    model: nn.Module
    inputs: tuple[Any, ...]
    batch: tuple[Any, ...]
    reference: Callable[..., Tensor]
    reference_name: str
    reference_gradients: Callable[[], dict[str, Tensor]]
    sizes: dict[str, int] = field(default_factory=dict)


def gradients(reference: nn.Module, rename: Callable[[str], str] = str) -> Callable[[], dict[str, Tensor]]:
    """The gradients of a reference whose parameters are ours but for their names."""
    return lambda: {rename(name): p.grad for name, p in reference.named_parameters() if p.grad is not None}
