"""How many operations a step takes, counted without computing them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import flop_registry


class _Products(TorchDispatchMode):
    """Adds up the operations of every product, by torch's own formulas.

    Its FlopCounterMode also tells modules apart, by hooks, which fail at a gradient that is taken within a loss.
    """

    flops = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        if formula := flop_registry.get(function._overloadpacket):
            self.flops += formula(*args, **kwargs, out_val=result)
        return result


class _CausalSaving(TorchFunctionMode):
    """Adds up the operations of attention above the diagonal, which a causal kernel leaves out."""

    flops = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        kwargs = kwargs or {}
        if function is F.scaled_dot_product_attention and kwargs.get("is_causal"):
            self.flops += _above_the_diagonal(*args[:3])
        return function(*args, **kwargs)


def _above_the_diagonal(q: Tensor, k: Tensor, v: Tensor) -> int:
    """Of both passes: scores and outputs, and a product for each gradient that is asked for."""
    of_q, of_k, of_v = (x.requires_grad for x in (q, k, v))
    with_scores = 1 + of_q + of_k
    with_values = 1 + of_v + (of_q or of_k)  # the gradient of the weights is on the way to that of the scores
    above = q.shape[-2] * (k.shape[-2] - 1) // 2
    return 2 * q.shape[:-2].numel() * above * (with_scores * q.shape[-1] + with_values * v.shape[-1])


def step_flops(trainable: nn.Module, batch: Sequence[Any]) -> int:
    """Operations of a forward and a backward pass on ``batch``, counted without computing them: on torch's meta device.

    Matrix products, convolutions and attention count, two operations a multiplication and addition; causal attention
    below the diagonal only. What nobody asks for does not count: gradients of inputs and of frozen parameters.
    """
    state = {
        name: torch.empty_like(tensor, device="meta", requires_grad=tensor.requires_grad)
        for name, tensor in trainable.state_dict(keep_vars=True).items()
    }
    shapes = tuple(tree_map(lambda tensor: torch.empty_like(tensor, device="meta"), part) for part in batch)
    learned = [tensor for tensor in state.values() if tensor.requires_grad]
    with sdpa_kernel(SDPBackend.MATH), _Products() as products, _CausalSaving() as saving:
        loss = torch.func.functional_call(trainable, state, shapes)
        torch.autograd.grad(loss, learned, allow_unused=True)
    return products.flops - saving.flops
