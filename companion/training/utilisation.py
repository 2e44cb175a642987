"""How much of a device a run uses: the operations of a step, and the device's dense peak."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

#: Dense peaks in TFLOP/s of matrix products in bf16 and fp16, from the makers' data sheets. The figures that assume
#: sparsity, twice as high, are never used. The first name that a device's name contains counts.
DENSE_TFLOPS = {
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
}


def dense_peak(device: torch.device, dtype: torch.dtype) -> float | None:
    """Operations a second that a GPU reaches in bf16 and fp16 at most; None where the table does not tell."""
    if device.type != "cuda" or dtype is torch.float32:
        return None
    name = torch.cuda.get_device_name(device)
    return next((1e12 * tflops for part, tflops in DENSE_TFLOPS.items() if part in name), None)


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


def step_flops(trainable: nn.Module, batch: tuple[Tensor, ...] | list[Tensor]) -> int:
    """Operations of a forward and a backward pass on ``batch``, counted without computing them: on torch's meta device.

    Matrix products, convolutions and attention count, two operations a multiplication and addition; causal attention
    below the diagonal only. The backward pass costs twice the forward one.
    """
    state = {name: torch.empty_like(t, device="meta") for name, t in trainable.state_dict(keep_vars=True).items()}
    shapes = tuple(torch.empty_like(tensor, device="meta") for tensor in batch)
    saving, counter = _CausalSaving(), FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter, saving:
        torch.func.functional_call(trainable, state, shapes)
    return 3 * (int(counter.get_total_flops()) - saving.flops)
