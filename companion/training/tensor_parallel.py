r"""Two linear layers cut over processes, so that each holds, reads and multiplies a part of their weights.

With :math:`Y = f(X A)\,B` the first matrix is cut into columns and the second into rows: process r computes
:math:`Y_r = f(X A_r)\,B_r`, and :math:`Y = \sum_r Y_r`. As f acts on each number alone, nothing is exchanged between
the layers: one all-reduce of :math:`Y` forward, and one of the gradient of :math:`X` backward (Shoeybi et al. 2019,
section 3). In this order only: rows first would need an all-reduce before f.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F


class ShardedPair(nn.Module):
    """This process's part of two linear layers with a function of single numbers between them.

    Args:
        first: the whole first layer, of which its columns (output features) are kept.
        second: the whole second layer, of which its rows (input features) are kept.
        function: between them, of each number alone, such as ``torch.nn.functional.gelu``.

    Attributes:
        bytes_reduced: what passed through all-reduces so far; a ring sends :math:`2(N-1)/N` of it.

    Raises:
        ValueError: where the inner width is no multiple of the number of processes, or the layers do not fit.

    >>> from companion.training import run_processes
    >>> def job():
    ...     torch.manual_seed(0)
    ...     first, second, x = nn.Linear(5, 8), nn.Linear(8, 3), torch.randn(7, 5)
    ...     pair = ShardedPair(first, second, F.gelu)
    ...     whole = second(F.gelu(first(x)))
    ...     return torch.allclose(pair(x), whole, atol=1e-6), sum(p.numel() for p in pair.parameters())
    >>> run_processes(job, 2)  # of 75 numbers each holds half, and the last bias
    [(True, 39), (True, 39)]
    """

    def __init__(self, first: nn.Linear, second: nn.Linear, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        rank, size = distributed.get_rank(), distributed.get_world_size()
        inner = first.out_features
        if inner % size or second.in_features != inner:
            raise ValueError(
                f"expected an inner width that {size} processes divide, got {inner} and {second.in_features}: change it"
            )
        own = slice(rank * inner // size, (rank + 1) * inner // size)
        self.function, self.bytes_reduced = function, 0
        self.columns = nn.Parameter(first.weight.detach()[own].clone())
        self.column_bias = None if first.bias is None else nn.Parameter(first.bias.detach()[own].clone())
        self.rows = nn.Parameter(second.weight.detach()[:, own].clone())
        self.bias = None if second.bias is None else nn.Parameter(second.bias.detach().clone())

    def forward(self, x: Float[Tensor, "*batch n_in"]) -> Float[Tensor, "*batch n_out"]:
        """The whole layers' output, in every process, of inputs that all processes have."""
        x = _Enter.apply(x, self)
        inner = self.function(F.linear(x, self.columns, self.column_bias))
        y = _Leave.apply(F.linear(inner, self.rows), self)
        return y if self.bias is None else y + self.bias


def _all_reduce(values: Tensor, pair: ShardedPair) -> Tensor:
    values = values.contiguous().clone()
    distributed.all_reduce(values)
    pair.bytes_reduced += values.nbytes
    return values


class _Enter(torch.autograd.Function):
    """All processes read the same x; its gradient is the sum of what each of them finds."""

    @staticmethod
    def forward(context: FunctionCtx, x: Tensor, pair: ShardedPair) -> Tensor:
        context.pair = pair  # type: ignore[attr-defined]
        return x.view_as(x)

    @staticmethod
    def backward(context: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        return _all_reduce(gradients[0], context.pair), None  # type: ignore[attr-defined]


class _Leave(torch.autograd.Function):
    """The sum of all parts; each part's gradient is the sum's, which all processes compute."""

    @staticmethod
    def forward(context: FunctionCtx, part: Tensor, pair: ShardedPair) -> Tensor:
        return _all_reduce(part, pair)

    @staticmethod
    def backward(context: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None
