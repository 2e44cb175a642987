"""Many processes as one: who takes part, what each of them holds, and the model that trains in all of them.

``torchrun`` starts the processes and names them by environment variables; without it there is one.
"""

import atexit
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

from companion.training.config import ParallelName
from companion.training.gathering import all_rows
from companion.training.rendezvous import join_group


@dataclass(frozen=True)
class World:
    """The processes of a run.

    Attributes:
        rank: which one this is, from 0; the first one writes.
        size: how many there are.
        local_rank: which one this is on its machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    def share(self, batch: Sequence[Tensor]) -> list[Tensor]:
        """This process's rows of a batch: every ``size``-th, so that no row is anyone else's."""
        return [tensor[self.rank :: self.size] for tensor in batch]

    def total(self, values: Sequence[float], device: torch.device) -> list[float]:
        """The sums of ``values`` over all processes."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64, device=device)
        distributed.all_reduce(sums)
        return sums.tolist()

    def gather(self, value: Any) -> list[Any]:
        """The ``value`` of every process, in order."""
        if self.size == 1:
            return [value]
        values = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Goes on when all processes are here."""
        if self.size > 1:
            distributed.barrier()


def join(parallel: ParallelName, device: torch.device) -> tuple[World, torch.device]:
    """The processes that ``torchrun`` started, and the device of this one.

    Raises:
        ValueError: where ``parallel`` names a way but there is no ``torchrun``, or the other way round.
    """
    size = int(os.environ.get("WORLD_SIZE", 1))
    if (parallel == "none" and size > 1) or (parallel != "none" and "RANK" not in os.environ):
        got = f"{parallel!r} and {size} processes"
        raise ValueError(
            f"expected parallel='ddp' or 'fsdp' under torchrun, and 'none' without it, got {got}: "
            f"start with `torchrun --nproc-per-node=N`, or change parallel"
        )
    if parallel == "none":
        return World(), device
    world = World(int(os.environ["RANK"]), size, int(os.environ.get("LOCAL_RANK", 0)))
    if device.type == "cuda":
        device = torch.device("cuda", world.local_rank)
        torch.cuda.set_device(device)
    if not distributed.is_initialized():
        store, rank, size = join_group()
        distributed.init_process_group(
            "nccl" if device.type == "cuda" else "gloo", store=store, rank=rank, world_size=size
        )
        atexit.register(_leave)
    return world, device


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


class Trainable(nn.Module):
    """``model.loss`` as a forward pass: what compiles, and what the processes' hooks stand around.

    A model with ``joined_loss`` computes it from the rows of all processes (see ``companion.training.parts``).
    """

    def __init__(self, model: nn.Module, *, processes: int = 1) -> None:
        super().__init__()
        if not callable(getattr(model, "loss", None)):
            raise TypeError(f"expected a model with a method loss(*batch), got {type(model).__name__}, which has none")
        self.model = model
        self.gather = None
        if processes > 1 and callable(getattr(model, "joined_loss", None)):
            self.gather = torch.compiler.disable(all_rows)  # collectives are not for Dynamo to trace

    def forward(self, *batch: Any) -> Tensor:
        """The loss of a batch."""
        model: Any = self.model
        if self.gather is not None:
            return model.joined_loss(*map(self.gather, model.embed_batch(*batch)))
        return model.loss(*batch)


def parallelize(trainable: nn.Module, parallel: ParallelName, device: torch.device) -> nn.Module:
    """``trainable`` over all processes: copied by DDP (Li et al. 2020), or split by FSDP2 (Zhao et al. 2023).

    FSDP2 splits each block of a list of blocks (``nn.ModuleList``) as a unit, and the rest as another: one block at a
    time is whole. All begin with the weights of the first process.
    """
    if parallel == "ddp":
        return DistributedDataParallel(trainable, device_ids=[device.index] if device.type == "cuda" else None)
    if parallel == "fsdp":
        for tensor in (*trainable.parameters(), *trainable.buffers()):
            distributed.broadcast(tensor.detach(), src=0)
        group = distributed.group.WORLD
        assert group is not None  # join made it
        mesh = DeviceMesh.from_group(group, device.type)
        for blocks in [module for module in trainable.modules() if isinstance(module, nn.ModuleList)]:
            for block in blocks:
                fully_shard(block, mesh=mesh)
        fully_shard(trainable, mesh=mesh)
    return trainable


def without_sync(module: nn.Module, last: bool) -> AbstractContextManager[object]:
    """The context of one micro-batch: processes exchange gradients in the last one of a step only."""
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(last)
    if isinstance(module, DistributedDataParallel) and not last:
        return module.no_sync()
    return nullcontext()
