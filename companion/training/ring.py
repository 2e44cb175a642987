r"""The ring all-reduce: every process ends with the sum of all, and none sends more than twice its own data.

The data is cut into as many chunks as there are processes, which stand in a ring. In :math:`N - 1` rounds each process
adds a chunk that comes from the left to its own and passes the sum on to the right, until each holds one chunk of the
total (*reduce-scatter*); in :math:`N - 1` more rounds the totals go round (*all-gather*). Each round moves a chunk, so
that a process sends

.. math:: 2\,\frac{N - 1}{N}\,S \text{ bytes}

of the :math:`S` bytes that it holds, however many processes there are; less is impossible (Patarasuk and Yuan 2009).
``torch.distributed`` and NCCL have faster ones; these count what they send.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, distributed


def ring_all_reduce(values: Tensor) -> int:
    """Puts the sum over all processes into ``values``; returns the bytes that this process sent.

    Sums are the same in all processes, to the last bit: each chunk is added up in one order, in one place.

    Args:
        values: any shape, contiguous, of the same shape in all processes.

    Raises:
        ValueError: where the values are not contiguous.

    >>> from companion.training import run_processes
    >>> def job():
    ...     values = torch.full((4, 3), float(distributed.get_rank()))
    ...     return ring_all_reduce(values), values.sum().item()
    >>> run_processes(job, 4)  # 48 bytes each, of which 2 · 3/4 are sent; 0 + 1 + 2 + 3 everywhere
    [(72, 72.0), (72, 72.0), (72, 72.0), (72, 72.0)]
    """
    if not values.is_contiguous():
        raise ValueError("expected contiguous values, got a view with gaps: take .contiguous() of it")
    chunks = values.view(-1).tensor_split(distributed.get_world_size())
    return ring_reduce_scatter(chunks) + ring_all_gather(chunks)


def ring_reduce_scatter(chunks: Sequence[Tensor]) -> int:
    """Adds up one chunk a process: chunk r of process r becomes the sum of everyone's; the others are left half done.

    Args:
        chunks: as many as processes, changed in place; chunk r has one shape in all processes.

    Returns:
        The bytes that this process sent.

    >>> from companion.training import run_processes
    >>> def job():
    ...     rank = distributed.get_rank()
    ...     chunks = list(torch.tensor([1.0, 10.0, 100.0]).split(1))
    ...     return ring_reduce_scatter(chunks), chunks[rank].item()
    >>> run_processes(job, 3)
    [(8, 3.0), (8, 30.0), (8, 300.0)]
    """
    rank, sent = distributed.get_rank(), 0
    for step in range(len(chunks) - 1):
        into = chunks[rank - step - 2]
        arrived = torch.empty_like(into)
        sent += _pass_on(chunks[rank - step - 1], arrived)
        into += arrived
    return sent


def ring_all_gather(chunks: Sequence[Tensor]) -> int:
    """Copies chunk r of process r to all processes, in place; returns the bytes that this process sent.

    Args:
        chunks: as many as processes; chunk r has one shape in all processes.

    >>> from companion.training import run_processes
    >>> def job():
    ...     chunks = list(torch.zeros(3).split(1))
    ...     chunks[distributed.get_rank()] += 5
    ...     return ring_all_gather(chunks), torch.cat(chunks).tolist()
    >>> run_processes(job, 3)[0]
    (8, [5.0, 5.0, 5.0])
    """
    rank, sent = distributed.get_rank(), 0
    for step in range(len(chunks) - 1):
        sent += _pass_on(chunks[rank - step], chunks[rank - step - 1])
    return sent


def _pass_on(outgoing: Tensor, incoming: Tensor) -> int:
    """Sends to the right and receives from the left at once, or all would wait for each other."""
    rank, size = distributed.get_rank(), distributed.get_world_size()
    sending = distributed.isend(outgoing.contiguous(), (rank + 1) % size)
    distributed.recv(incoming, (rank - 1) % size)
    assert sending is not None  # every process is in the group
    sending.wait()
    return outgoing.nbytes
