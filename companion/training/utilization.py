"""How many operations a step takes, counted without computing them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode


class _CausalSaving(TorchFunctionMode):
    """Adds up the operations of attention above the diagonal, which a causal kernel leaves out."""

    flops = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        kwargs = kwargs or {}
        if function is F.scaled_dot_product_attention and kwargs.get("is_causal"):
            q, k, v = args[:3]
            above = q.shape[-2] * (k.shape[-2] - 1) // 2
            self.flops += 2 * q.shape[:-2].numel() * above * (q.shape[-1] + v.shape[-1])
        return function(*args, **kwargs)


def step_flops(trainable: nn.Module, batch: Sequence[Any]) -> int:
    """Operations of a forward and a backward pass on ``batch``, counted without computing them: on torch's meta device.

    Matrix products, convolutions and attention count, two operations a multiplication and addition; causal attention
    below the diagonal only. The backward pass costs twice the forward one.
    """
    state = {name: torch.empty_like(t, device="meta") for name, t in trainable.state_dict(keep_vars=True).items()}
    shapes = tuple(tree_map(lambda tensor: torch.empty_like(tensor, device="meta"), part) for part in batch)
    saving, counter = _CausalSaving(), FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter, saving:
        torch.func.functional_call(trainable, state, shapes)
    return 3 * (int(counter.get_total_flops()) - saving.flops)
