"""Checkpoints: a folder a step, safetensors and JSON, that appears whole or not at all."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim import Optimizer

from companion.models.weights import copy_weights, load_weights, save_weights
from companion.training.optimizers import restore_state, state_tensors

_FILES = ("model.safetensors", "optimizer.safetensors", "state.json")


@dataclass(frozen=True)
class Checkpoint:
    """Where one checkpoint lies and after how many steps it was written."""

    folder: Path
    step: int


def newest(run: str | Path) -> Checkpoint | None:
    """The newest checkpoint of a run's folder; None where there is none."""
    found = [Checkpoint(folder, int(folder.name.removeprefix("step-"))) for folder in Path(run).glob("step-*")]
    return max(found, key=lambda checkpoint: checkpoint.step, default=None)


def save(
    run: str | Path,
    step: int,
    model: nn.Module,
    optimizers: Sequence[Optimizer],
    state: dict[str, Any],
    *,
    keep: int,
) -> Checkpoint:
    """Writes the checkpoint of ``step`` and removes all but the ``keep`` newest.

    Args:
        run: the run's folder; it is made where it is missing.
        step: steps taken.
        model: its parameters and buffers are written.
        optimizers: of this model's parameters; their tensors are written under the parameters' names.
        state: what else is needed to go on; JSON.
        keep: how many checkpoints stay.
    """
    run = Path(run)
    part = run / f".part-{step}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    save_weights(model, part / _FILES[0])
    save_file({**state_tensors(model, optimizers), "rng.cpu": torch.get_rng_state()}, part / _FILES[1])
    (part / _FILES[2]).write_text(json.dumps({"step": step, **state}))
    for name in _FILES:
        with (part / name).open("rb") as file:
            os.fsync(file.fileno())  # on the disk before the rename makes it the newest
    folder = run / f"step-{step:08d}"
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    for old in sorted(run.glob("step-*"))[:-keep]:
        shutil.rmtree(old)
    return Checkpoint(folder, step)


def read_state(checkpoint: Checkpoint) -> dict[str, Any]:
    """What :func:`save` was given as ``state``, and the step.

    Raises:
        FileNotFoundError: naming the files that the folder lacks.
        ValueError: where the state is no JSON.
    """
    missing = [name for name in _FILES if not (checkpoint.folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"expected {', '.join(_FILES)} in {checkpoint.folder}, got no {', '.join(missing)}: "
            f"remove this folder to go on from the checkpoint before"
        )
    try:
        state: dict[str, Any] = json.loads((checkpoint.folder / _FILES[2]).read_text())
    except ValueError as error:
        raise ValueError(f"expected JSON in {checkpoint.folder / _FILES[2]}, got something else ({error})") from error
    return state


def restore(checkpoint: Checkpoint, model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    """Puts a checkpoint's weights, optimizer state and random state in place.

    Raises:
        ValueError: where a file is damaged, is a pickle, or belongs to another model.
    """
    copy_weights(model, load_weights(checkpoint.folder / _FILES[0]))
    tensors = load_weights(checkpoint.folder / _FILES[1])
    torch.set_rng_state(tensors.pop("rng.cpu"))
    restore_state(model, optimizers, tensors)
