"""Rows of all processes in each of them, for a loss that compares examples with each other."""

import torch
from torch import Tensor, distributed
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F


def all_rows(rows: Tensor) -> Tensor:
    """The rows of the first process, then those of the second, and so on; processes may hold different numbers.

    Gradients are right where every process computes the *same* loss of what this returns and the gradients of
    parameters are averaged over processes, as DDP and FSDP do.
    """
    return _Gather.apply(rows)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(context: FunctionCtx, rows: Tensor) -> Tensor:
        size, rank = distributed.get_world_size(), distributed.get_rank()
        counts = [torch.zeros((), dtype=torch.int64, device=rows.device) for _ in range(size)]
        distributed.all_gather(counts, torch.tensor(len(rows), device=rows.device))
        lengths = [int(n) for n in counts]
        padding = [0, 0] * (rows.ndim - 1) + [0, max(lengths) - len(rows)]  # collectives take tensors of one shape
        padded = F.pad(rows, padding).contiguous()
        found = [torch.empty_like(padded) for _ in range(size)]
        distributed.all_gather(found, padded)
        start = sum(lengths[:rank])
        context.place = slice(start, start + len(rows)), size  # type: ignore[attr-defined]
        return torch.cat([part[:n] for part, n in zip(found, lengths, strict=True)])

    @staticmethod
    def backward(context: FunctionCtx, *gradients: Tensor) -> Tensor:
        # Each process has the whole loss's gradient, of which only its own rows lead to its weights; the average over
        # processes then divides what belongs to one of them by their number.
        place, size = context.place  # type: ignore[attr-defined]
        return gradients[0][place] * size
