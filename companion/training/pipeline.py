r"""A pipeline: layers in a row of processes, through which micro-batches pass one behind the other (Huang et al. 2019).

With p stages and m micro-batches a pass takes :math:`m + p - 1` rounds, of which each stage works in m. The rest,

.. math:: \frac{p - 1}{m + p - 1},

is the *bubble*: processes that wait for the first micro-batch to arrive, or for the last one to leave.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, distributed, nn

from companion.checks import check_whole


def pipeline_schedule(stages: int, micro_batches: int) -> Int[np.ndarray, "stages rounds"]:
    """Which micro-batch each stage works on in each round of a forward pass; -1 where it waits.

    Args:
        stages: processes in a row, p.
        micro_batches: parts of the batch, m.

    Raises:
        ValueError: for numbers below 1.

    >>> pipeline_schedule(2, 4)
    array([[ 0,  1,  2,  3, -1],
           [-1,  0,  1,  2,  3]])
    """
    for name, value in (("stages", stages), ("micro_batches", micro_batches)):
        check_whole(name, value, at_least=1, advice="it counts parts")
    arrived = np.arange(micro_batches + stages - 1) - np.arange(stages)[:, None]
    return np.where((arrived >= 0) & (arrived < micro_batches), arrived, -1)


def pipeline_bubble(stages: int, micro_batches: int) -> float:
    r"""The proportion of rounds in which a stage waits, :math:`(p - 1) / (m + p - 1)` (Huang et al. 2019, section 2.3).

    Rounds of equal length are supposed, forward as well as backward, and no time on the way.

    Args:
        stages: processes in a row, p.
        micro_batches: parts of the batch, m.

    Raises:
        ValueError: for numbers below 1.

    >>> pipeline_bubble(8, 1), pipeline_bubble(8, 32)
    (0.875, 0.1794871794871795)
    """
    return float(np.mean(pipeline_schedule(stages, micro_batches) < 0))


def pipeline_step(
    stage: nn.Module,
    inputs: Sequence[Tensor],
    loss: Callable[[Tensor, int], Tensor],
    *,
    arrives: Sequence[int] = (),
) -> tuple[float, int]:
    """Forward and backward pass of all micro-batches through the stages, of which this process has one.

    Gradients are added to the stage's parameters and are those of the *mean* over micro-batches. Activations wait for
    the backward pass, those of all micro-batches at once: that is the memory which this schedule costs.

    Args:
        stage: this process's layers.
        inputs: the micro-batches; only the first process reads what is in them, others their number.
        loss: of the last stage's output and the index of its micro-batch; only the last process calls it.
        arrives: the shape of what this stage gets from the one before it; the first process needs none.

    Returns:
        The mean loss (in the last process, 0 in others), and the bytes that this process sent.

    >>> from companion.training import run_processes
    >>> def job():
    ...     torch.manual_seed(0)
    ...     layers, x = [nn.Linear(5, 3), nn.Linear(3, 2)], torch.randn(6, 5)
    ...     nn.Sequential(*layers)(x).square().mean().backward()  # the whole, in one process
    ...     stage = layers[distributed.get_rank()]
    ...     expected, stage.weight.grad = stage.weight.grad, None
    ...     _, sent = pipeline_step(stage, x.split(2), lambda y, _: y.square().mean(), arrives=(2, 3))
    ...     return torch.allclose(stage.weight.grad, expected), sent
    >>> run_processes(job, 2)
    [(True, 72), (True, 72)]
    """
    rank, last = distributed.get_rank(), distributed.get_rank() == distributed.get_world_size() - 1
    kept, total, sent = [], 0.0, 0
    for i, given in enumerate(inputs):
        x = given if rank == 0 else _from(rank - 1, arrives)
        y = stage(x)
        if last:
            y = loss(y, i) / len(inputs)
            total += y.item()
        else:
            sent += _to(rank + 1, y)
        kept.append((x, y))
    for x, y in reversed(kept):
        y.backward(None if last else _from(rank + 1, y.shape).detach())
        if rank:
            assert x.grad is not None  # it arrived as a leaf
            sent += _to(rank - 1, x.grad)
    return total, sent


def _to(rank: int, values: Tensor) -> int:
    distributed.send(values.detach().contiguous(), rank)
    return values.nbytes


def _from(rank: int, shape: Sequence[int]) -> Tensor:
    values = torch.empty(tuple(shape))
    distributed.recv(values, rank)
    return values.requires_grad_()
