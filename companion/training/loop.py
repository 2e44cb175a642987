"""The one training loop."""

import dataclasses
import math
import os
import sys
import time
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from companion import runtime
from companion.models.gpt import IGNORED
from companion.training import checkpoint
from companion.training.config import TrainConfig, learning_rate
from companion.training.history import History, Row
from companion.training.interrupt import InterruptGuard
from companion.training.optimizers import make_optimizers, step_all

#: What may differ between a run and the one that goes on with it: none of these changes what is learnt.
_FREE = {"checkpoint_dir", "checkpoint_every", "keep_checkpoints", "eval_every", "device"}


class Batches(Protocol):
    """What :func:`fit` reads: ``TokenBatches`` and ``TensorBatches`` of :mod:`companion.data`, or your own."""

    def batch(self, step: int, batch_size: int, *, seed: int) -> tuple[Tensor, ...]:
        """The arguments of ``model.loss`` at ``step``: the same for the same arguments, whatever was asked before."""

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, ...]]:
        """The validation set, batch by batch; empty for none. A batch's last tensor holds the targets."""


def fit(model: nn.Module, data: Batches, config: TrainConfig) -> History:
    """Trains ``model`` in place on ``model.loss(*batch)``.

    Where ``config.checkpoint_dir`` holds a run, goes on from its newest checkpoint; on the CPU in float32 the result is
    the same to the bit as without the stop. Ctrl-C ends the step at hand, writes a checkpoint, and is then passed on.

    Args:
        model: has a method ``loss`` that returns a scalar; it is moved to the device of ``config``.
        data: the batches.
        config: the rest.

    Raises:
        TypeError: where the model has no ``loss``.
        ValueError: where the folder holds a run with another configuration, or a loss is not finite.
        FileNotFoundError: where the newest checkpoint lacks a file.
        KeyboardInterrupt: after Ctrl-C.
    """
    device = runtime.pick_device(config.device)
    precision = runtime.pick_precision(config.precision, device)
    model.to(device)
    optimizers = make_optimizers(model, config)
    torch.manual_seed(config.seed)
    history = _resume(model, optimizers, config)
    taken = len(history.rows)
    started = time.perf_counter() - history.seconds
    model.train()
    with InterruptGuard() as guard, _progress_bar(taken, config.steps) as bar:
        for step in range(taken, config.steps):
            lr = learning_rate(config, step)
            items = data.batch(step, config.batch_size, seed=config.seed)
            batch = [tensor.to(device, non_blocking=True) for tensor in items]
            loss, norm = _step(model, optimizers, batch, lr, precision, config.grad_clip)
            row: Row = {"step": step + 1, "loss": loss, "lr": lr, "grad_norm": norm}
            last = step + 1 == config.steps
            if last or _falls_on(step + 1, config.eval_every):
                row["validation_loss"] = validate(model, data, config.batch_size, precision=precision)
            row["seconds"] = time.perf_counter() - started
            history.rows.append(row)
            bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
            bar.update()
            due = last or guard.asked or _falls_on(step + 1, config.checkpoint_every)
            if config.checkpoint_dir is not None and due:
                state = {"config": _comparable(config), "history": history.rows}
                checkpoint.save(config.checkpoint_dir, step + 1, model, optimizers, state, keep=config.keep_checkpoints)
            if guard.asked:
                raise KeyboardInterrupt(f"stopped after step {step + 1}")
    model.eval()
    return history


def validate(
    model: nn.Module, data: Batches, batch_size: int, *, precision: runtime.Precision | None = None
) -> float | None:
    """The mean of ``model.loss`` over the validation set, each target counting once; None where there is no such set.

    The model is used in evaluation mode, on the device where it is.
    """
    device = next(model.parameters()).device
    precision = precision or runtime.Precision(torch.float32, "default")
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for batch in data.validation(batch_size):
            n = int((batch[-1] != IGNORED).sum())
            with precision.autocast(device):
                loss = _loss(model, [tensor.to(device) for tensor in batch])
            total, count = total + float(loss) * n, count + n
    model.train(was_training)
    return total / count if count else None


def _loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
    loss = getattr(model, "loss", None)
    if not callable(loss):
        raise TypeError(f"expected a model with a method loss(*batch), got {type(model).__name__}, which has none")
    value: Tensor = loss(*batch)
    return value


def _step(
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    batch: list[Tensor],
    lr: float,
    precision: runtime.Precision,
    grad_clip: float,
) -> tuple[float, float]:
    """One optimizer step; returns the loss and the gradient's norm before clipping."""
    with precision.autocast(batch[0].device):
        loss = _loss(model, batch)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
    if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
        model.zero_grad(set_to_none=True)
        raise ValueError(
            f"expected a finite loss and gradient, got loss {loss.item()} and gradient norm {norm.item()}: "
            f"the weights are those before this step; lower lr ({lr:g}), lengthen warm-up, or look at the batch"
        )
    step_all(optimizers, lr)
    return loss.item(), norm.item()


def _falls_on(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _comparable(config: TrainConfig) -> dict[str, Any]:
    """The part of a configuration that decides what is learnt, as JSON gives it back."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
        if name not in _FREE
    }


def _resume(model: nn.Module, optimizers: list[torch.optim.Optimizer], config: TrainConfig) -> History:
    found = None if config.checkpoint_dir is None else checkpoint.newest(config.checkpoint_dir)
    if found is None:
        return History()
    state = checkpoint.read_state(found)
    mine = _comparable(config)
    differing = [f"{name}={state['config'].get(name)!r}" for name in mine if state["config"].get(name) != mine[name]]
    if differing:
        raise ValueError(
            f"expected to go on with the run in {config.checkpoint_dir}, which has {', '.join(differing)}, "
            f"got another configuration: use the same one, or another checkpoint_dir"
        )
    checkpoint.restore(found, model, optimizers)  # last, so that a refused run leaves the model as it was
    return History(state["history"])


def _progress_bar(taken: int, steps: int) -> "tqdm[Any]":
    """A bar where someone looks, in a terminal or in JupyterLab; nothing under nbconvert, pytest or a pipe."""
    someone_looks = sys.stderr.isatty() or "JPY_SESSION_NAME" in os.environ  # set by Jupyter's server, not by nbconvert
    return tqdm(total=steps, initial=taken, unit="step", leave=False, disable=not someone_looks)
