r"""AdamW whose state is cut over processes: stage 1 of ZeRO (Rajbhandari et al. 2020).

Each process keeps the two means of :math:`1/N` of the parameters. It needs the averaged gradients of these alone (a
reduce-scatter), moves them, and tells the others (an all-gather): both halves of a ring all-reduce, so that it sends
no more bytes than plain data parallelism. ``fit(…, parallel="fsdp")`` cuts gradients and weights as well.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, distributed, nn

from companion.training.ring import ring_all_gather, ring_reduce_scatter


class ShardedAdamW:
    """AdamW over all processes, each of which holds the state of its own part.

    What it does is AdamW to the last bit, for each number moves by itself; what may differ is the order in which
    gradients are added up.

    Args:
        parameters: all of one dtype, in the same order and with the same values in all processes.
        options: those of :class:`torch.optim.AdamW`.

    Attributes:
        bytes_sent: by this process so far.

    Raises:
        ValueError: for no parameters, or parameters of several dtypes.

    >>> from companion.training import run_processes
    >>> def job():
    ...     weight = nn.Parameter(torch.ones(8))
    ...     optimizer = ShardedAdamW([weight], lr=0.1, weight_decay=0.0)
    ...     weight.grad = torch.full((8,), 1.0 + distributed.get_rank())
    ...     optimizer.step()
    ...     return round(weight[0].item(), 3), optimizer.state_bytes(), optimizer.bytes_sent
    >>> run_processes(job, 2)  # two means of four numbers of four bytes
    [(0.9, 32, 32), (0.9, 32, 32)]
    """

    def __init__(self, parameters: Iterable[nn.Parameter], **options: float | tuple[float, float]) -> None:
        self.parameters, self.bytes_sent = list(parameters), 0
        dtypes = {parameter.dtype for parameter in self.parameters}
        if len(dtypes) != 1:
            raise ValueError(f"expected parameters of one dtype, got {dtypes or 'no parameters'}: give those of one")
        rank = distributed.get_rank()
        self.own = nn.Parameter(self._chunks([p.detach() for p in self.parameters])[rank].clone())
        self.optimizer = torch.optim.AdamW([self.own], **options)  # type: ignore[arg-type]

    def step(self) -> None:
        """Averages the gradients over processes, moves this process's part, and fetches the others' parts.

        Raises:
            ValueError: where a parameter has no gradient.
        """
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        if len(gradients) < len(self.parameters):
            raise ValueError("expected a gradient of every parameter: call backward first, or leave out what is frozen")
        chunks = self._chunks(gradients)
        self.bytes_sent += ring_reduce_scatter(chunks)
        rank = distributed.get_rank()
        self.own.grad = chunks[rank] / distributed.get_world_size()
        self.optimizer.step()
        chunks[rank].copy_(self.own.detach())
        self.bytes_sent += ring_all_gather(chunks)
        nn.utils.vector_to_parameters(torch.cat(list(chunks)), self.parameters)

    def state_bytes(self) -> int:
        """Bytes of the means that this process keeps."""
        return sum(value.nbytes for value in self.optimizer.state[self.own].values() if value.ndim)

    def _chunks(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """One tensor after the other, cut into as many parts as there are processes."""
        return torch.cat([tensor.flatten() for tensor in tensors]).tensor_split(distributed.get_world_size())
