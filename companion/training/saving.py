"""What a run learns, on its way into a checkpoint and back.

A checkpoint does not depend on how many processes wrote it: each tensor is put together before it is written, and each
process reads its own part of it. Frozen weights are left out: they come with the model that goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from companion.models.hub.weights import check_weights, named_weights
from companion.training import checkpoint, random_state
from companion.training.checkpoint import Checkpoint
from companion.training.distributed import World
from companion.training.ema import WeightAverage
from companion.training.frozen import FrozenWeights, frozen
from companion.training.optimizers import restore_state, state_tensors
from companion.training.split_tensors import gathered, read_like, shapes


@dataclass(frozen=True)
class Learner:
    """A model, its optimizers and the mean of its weights: what a checkpoint keeps, and which weights it leaves out."""

    model: nn.Module
    optimizers: Sequence[Optimizer]
    average: WeightAverage
    world: World
    given: FrozenWeights = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "given", FrozenWeights(self.model))


def save(run: str | Path, step: int, learner: Learner, state: dict[str, Any]) -> None:
    """Writes the checkpoint of ``step``; all processes call it, the first one writes.

    Args:
        run: the run's folder.
        step: steps taken.
        learner: the tensors.
        state: what else is needed to go on; JSON.

    Raises:
        OSError: where the disk is full or cannot be written to, naming the folder. Earlier checkpoints stay whole.
    """
    left_out = learner.given.unchanged(learner.model)
    weights = gathered({name: each for name, each in named_weights(learner.model).items() if name not in left_out})
    optimizer = gathered(state_tensors(learner.model, learner.optimizers))
    average = gathered(learner.average.tensors(learner.model))
    for rank, states in enumerate(learner.world.gather(random_state.capture())):
        optimizer |= {f"rng/{rank}/{name}": tensor for name, tensor in states.items()}
    if learner.world.rank == 0:
        tensors = {checkpoint.MODEL: weights, checkpoint.OPTIMIZER: optimizer, checkpoint.AVERAGE: average}
        checkpoint.write(run, step, tensors, state)
    learner.world.wait()


def restore(found: Checkpoint, learner: Learner) -> None:
    """Puts a checkpoint's weights, optimizer state and random state in place; weights that it left out stay.

    Where another number of processes wrote it, the random states of this one's generators stay as they are.

    Raises:
        ValueError: where it belongs to another model.
    """
    weights, means = named_weights(learner.model), learner.average.tensors(learner.model)
    stored = shapes(found.folder / checkpoint.MODEL)
    given = {name: parameter.shape for name, parameter in frozen(learner.model).items()}
    check_weights(learner.model, given | stored)
    for name, tensor in read_like(found.folder / checkpoint.MODEL, {name: weights[name] for name in stored}):
        weights[name].copy_(tensor)
    for name, tensor in read_like(found.folder / checkpoint.AVERAGE, means):
        means[name].copy_(tensor)
    path, parameters = found.folder / checkpoint.OPTIMIZER, dict(learner.model.named_parameters())
    names = [name for name in shapes(path) if not name.startswith("rng/")]
    likes = {name: parameters[name.rpartition("/")[0]] for name in names}
    restore_state(learner.model, learner.optimizers, read_like(path, likes))
    _restore_generators(path, learner.world)


def _restore_generators(path: Path, world: World) -> None:
    random = [name for name in shapes(path) if name.startswith("rng/")]
    if len({name.split("/")[1] for name in random}) == world.size:
        mine, on_cpu = f"rng/{world.rank}/", torch.empty(0)
        states = read_like(path, {name: on_cpu for name in random if name.startswith(mine)})
        random_state.restore({name.removeprefix(mine): tensor for name, tensor in states})
