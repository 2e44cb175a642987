"""Checkpoints: a folder a step, safetensors and JSON, that appears whole or not at all, and is checked when read."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

_log = logging.getLogger(__name__)
MODEL, OPTIMIZER, AVERAGE = "model.safetensors", "optimizer.safetensors", "average.safetensors"
_STATE, _SUMS = "state.json", "checksums.json"


@dataclass(frozen=True)
class Checkpoint:
    """Where one checkpoint lies and after how many steps it was written."""

    folder: Path
    step: int


def at(run: str | Path, step: int) -> Checkpoint:
    """The checkpoint of ``step`` in a run's folder, whether it is there or not."""
    return Checkpoint(Path(run) / f"step-{step:08d}", step)


def all_in(run: str | Path) -> list[Checkpoint]:
    """The checkpoints of a run's folder, oldest first, whether whole or damaged. Other names are passed over."""
    digits = [folder.name.removeprefix("step-") for folder in Path(run).glob("step-*") if folder.is_dir()]
    found = [at(run, int(number)) for number in digits if number.isascii() and number.isdigit()]
    return sorted((each for each in found if each.folder.name[5:] in digits), key=lambda each: each.step)


def newest(run: str | Path) -> Checkpoint | None:
    """The newest checkpoint that is whole; None where there is none at all. Each damaged one is reported in one line.

    Raises:
        ValueError: where there are checkpoints and all are damaged.
    """
    complaint = ""
    for checkpoint in reversed(all_in(run)):
        complaint = damage(checkpoint)
        if not complaint:
            return checkpoint
        _log.warning("%s is damaged (%s): looking for the one before", checkpoint.folder, complaint)
    if complaint:
        raise ValueError(
            f"expected a whole checkpoint in {run}, got only damaged ones (the oldest: {complaint}): "
            f"put a copy in place, or remove the folders step-* to begin anew"
        )
    return None


def damage(checkpoint: Checkpoint) -> str:
    """What is wrong with a checkpoint's files; empty where all are as written. None is parsed before."""
    try:
        sums = json.loads((checkpoint.folder / _SUMS).read_text())
        if not {MODEL, OPTIMIZER, AVERAGE, _STATE} <= sums.keys():
            return f"{_SUMS} does not list all files"
        differing = [name for name, digest in sums.items() if _digest(checkpoint.folder / name) != digest]
    except FileNotFoundError as error:
        return f"no {Path(error.filename).name}"
    except (OSError, ValueError, AttributeError, RecursionError):
        return f"{_SUMS} is not what was written"
    return f"{', '.join(differing)} not as written" if differing else ""


def write(run: str | Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: dict[str, Any]) -> None:
    """Writes the checkpoint of ``step``.

    Args:
        run: the run's folder.
        step: steps taken.
        tensors: named tensors for each of the files ``MODEL``, ``OPTIMIZER`` and ``AVERAGE``.
        state: what else is needed to go on; JSON.

    Raises:
        OSError: where the disk is full or cannot be written to, naming the folder. Earlier checkpoints stay whole.
    """
    checkpoint = at(run, step)
    part = checkpoint.folder.with_name(f".part-{step}")
    try:
        _write(part, tensors, {"step": step, **state})
        shutil.rmtree(checkpoint.folder, ignore_errors=True)  # a damaged one, which this run went back behind
        part.rename(checkpoint.folder)
        _sync(checkpoint.folder.parent)
    except Exception as error:
        shutil.rmtree(part, ignore_errors=True)
        raise OSError(f"expected to write a checkpoint to {checkpoint.folder}, got {error}: is there room?") from error


def remove_old(run: str | Path, *, keep: int, best: int | None) -> None:
    """Removes all checkpoints but the ``keep`` newest and that of step ``best``, and what an interrupted write left."""
    for old in all_in(run)[:-keep]:
        if old.step != best:
            shutil.rmtree(old.folder)
    for part in Path(run).glob(".part-*"):
        shutil.rmtree(part, ignore_errors=True)


def read_state(checkpoint: Checkpoint) -> dict[str, Any]:
    """What :func:`write` was given as ``state``, and the step."""
    state: dict[str, Any] = json.loads((checkpoint.folder / _STATE).read_text())
    return state


def _write(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], state: dict[str, Any]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, named in tensors.items():
        save_file({key: tensor.cpu().contiguous() for key, tensor in named.items()}, folder / name)
    (folder / _STATE).write_text(json.dumps(state))
    sums = {name: _digest(folder / name) for name in (*tensors, _STATE)}
    (folder / _SUMS).write_text(json.dumps(sums))
    for name in (*sums, _SUMS, "."):
        _sync(folder / name)  # on the disk before the rename makes it the newest


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
