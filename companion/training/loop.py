"""The one training loop."""

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from companion import runtime
from companion.models.modes import evaluating
from companion.training import checkpoint
from companion.training.config import TrainConfig
from companion.training.distributed import Trainable, World, join, parallelise
from companion.training.ema import WeightAverage
from companion.training.folder import RunFolder
from companion.training.history import History, Row
from companion.training.interrupt import InterruptGuard
from companion.training.optimizers import make_optimizers
from companion.training.schedule import learning_rate
from companion.training.step import DivergedError, Stepper, count_targets
from companion.training.utilisation import dense_peak, step_flops

#: What may differ between a run and the one that goes on with it: none changes what is learnt, but for rounding.
_FREE = {
    "checkpoint_dir", "checkpoint_every", "keep_checkpoints", "compile", "device", "micro_batch_size", "parallel",
    "tensorboard",
}  # fmt: skip


class Batches(Protocol):
    """What :func:`fit` reads: ``TokenBatches`` and ``TensorBatches`` of :mod:`companion.data`, or your own."""

    def batch(self, step: int, batch_size: int, *, seed: int) -> tuple[Tensor, ...]:
        """The arguments of ``model.loss`` at ``step``: the same for the same arguments, whatever was asked before."""

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, ...]]:
        """The validation set, batch by batch; empty for none. A batch's last tensor holds the targets."""


def fit(model: nn.Module, data: Batches, config: TrainConfig, *, watch: Callable[[Row], None] | None = None) -> History:
    """Trains ``model`` in place on ``model.loss(*batch)``, a mean over the targets in the batch's last tensor.

    Where ``config.checkpoint_dir`` holds a run, goes on from its newest whole checkpoint; on the CPU in float32 the
    result is the same to the bit as without the stop. Ctrl-C ends the step at hand, writes a checkpoint, and is then
    passed on. Under ``torchrun`` each process trains on its share of every batch; a run may go on with another number
    of processes.

    Args:
        model: has a method ``loss`` that returns a scalar; it is moved to the device of ``config``.
        data: the batches.
        config: the rest.
        watch: is called after each step with the step's row of the history, in every process; what it raises ends the
            run there.

    Raises:
        TypeError: where the model has no ``loss``.
        ValueError: where the folder holds a run with another configuration, is in use, or has damaged checkpoints only.
        DivergedError: where a loss or gradient is not finite; says the step and the checkpoint that is left.
        OSError: where a checkpoint cannot be written.
        KeyboardInterrupt: after Ctrl-C.
    """
    world, device = join(config.parallel, runtime.pick_device(config.device))
    precision = runtime.pick_precision(config.precision, device)
    torch.manual_seed(config.seed + world.rank)
    trainable: nn.Module = Trainable(model.to(device))
    peak = dense_peak(device, precision.dtype)
    flops = (
        None if peak is None else step_flops(trainable, world.share(data.batch(0, config.batch_size, seed=config.seed)))
    )
    trainable = parallelise(trainable, config.parallel, device)
    if config.compile:
        trainable.compile()
    optimizers, average = make_optimizers(model, config), WeightAverage(model, config.ema_decay)
    scaler = torch.amp.GradScaler(device.type, enabled=precision.dtype is torch.float16)
    rows = config.micro_batch_size or config.batch_size
    stepper = Stepper(trainable, optimizers, precision, config.grad_clip, world, scaler, rows)
    learner = checkpoint.Learner(model, optimizers, average, world)
    run = _Run(config, data, device, stepper, learner, flops / peak if flops and peak else None, watch)
    with RunFolder(config, writes=world.rank == 0) as folder:
        return run.go(folder)


def validate(
    model: nn.Module, data: Batches, batch_size: int, *, precision: runtime.Precision | None = None
) -> float | None:
    """The mean of ``model.loss`` over the validation set, each target counting once; None where there is no such set.

    The model is used in evaluation mode, on the device where it is.
    """
    precision = precision or runtime.Precision(torch.float32, "default")
    return _validate(Trainable(model), data, batch_size, precision, World())


@dataclasses.dataclass
class _Run:
    config: TrainConfig
    data: Batches
    device: torch.device
    stepper: Stepper
    learner: checkpoint.Learner
    seconds_at_peak: float | None  # what a step would take if the device did nothing but the model's operations
    watch: Callable[[Row], None] | None
    history: History = dataclasses.field(default_factory=History)

    def go(self, folder: RunFolder) -> History:
        """All steps that are left."""
        config, taken = self.config, self._resume(folder)
        self.started = time.perf_counter() - self.history.seconds
        self.learner.model.train()
        with InterruptGuard() as guard, _progress_bar(taken, config.steps, self.learner.world) as bar:
            for step in range(taken, config.steps):
                if self._patience_is_over():
                    break
                row, stop = self._step(step, guard)
                self.history.rows.append(row)
                folder.record(row)
                bar.set_postfix_str(f"loss {row['loss']:.3f}", refresh=False)
                bar.update()
                self._checkpoint(folder, step + 1, stop=stop)
                if self.watch is not None:
                    self.watch(row)
                if stop:
                    raise KeyboardInterrupt(f"stopped after step {step + 1}")
        self._finish()
        return self.history

    def _step(self, step: int, guard: InterruptGuard) -> tuple[Row, bool]:
        """One step; returns what it recorded, and whether some process was asked to stop."""
        config, world = self.config, self.learner.world
        before = time.perf_counter()
        whole = self.data.batch(step, config.batch_size, seed=config.seed)
        share = [tensor.to(self.device, non_blocking=True) for tensor in world.share(whole)]
        n_targets, lr = count_targets(whole), learning_rate(config, step)
        try:
            loss, norm = self.stepper.step(share, n_targets, lr)
        except DivergedError as error:
            left = checkpoint.all_in(config.checkpoint_dir)[-1:] if config.checkpoint_dir is not None else []
            kept = f"the last checkpoint is {left[0].folder}" if left else "there is no checkpoint"
            raise DivergedError(
                f"{error} in step {step + 1}; the weights are those before it, and {kept}: lower lr ({lr:g}), lengthen "
                f"warm-up, or look at the batch"
            ) from error
        self.learner.average.update(step + 1)
        loss, asked = world.total([loss, float(guard.asked)], self.device)
        now = time.perf_counter()
        row: Row = {
            "step": step + 1,
            "loss": loss,
            "lr": lr,
            "grad_norm": norm,
            "targets_per_second": n_targets / (now - before),
            "memory": runtime.peak_memory(self.device),
        }
        if self.seconds_at_peak is not None:
            row["mfu"] = self.seconds_at_peak / (now - before)
        if step + 1 == config.steps or _falls_on(step + 1, config.eval_every):
            row["validation_loss"] = self._validation_loss()
        row["seconds"] = time.perf_counter() - self.started
        return row, asked > 0

    def _validation_loss(self) -> float | None:
        stepper, world = self.stepper, self.learner.world
        rows = min(stepper.rows * world.size, self.config.batch_size)  # what has been seen to fit in memory
        with self.learner.average.used():
            return _validate(stepper.trainable, self.data, rows, stepper.precision, world)

    def _checkpoint(self, folder: RunFolder, step: int, *, stop: bool) -> None:
        config = self.config
        is_last = stop or step == config.steps or self._patience_is_over()
        due = is_last or self.history.best_step == step or _falls_on(step, config.checkpoint_every)
        if config.checkpoint_dir is None or not due:
            return
        folder.flush()
        state = {"config": _comparable(config), "scaler": self.stepper.scaler.state_dict()}
        checkpoint.save(config.checkpoint_dir, step, self.learner, state)
        if self.learner.world.rank == 0:
            checkpoint.remove_old(config.checkpoint_dir, keep=config.keep_checkpoints, best=self.history.best_step)

    def _resume(self, folder: RunFolder) -> int:
        """Puts the run where it stopped; returns the steps taken."""
        run, world = self.config.checkpoint_dir, self.learner.world
        found = None if run is None else checkpoint.newest(run)
        taken = 0 if found is None else found.step
        if found is not None:
            state = checkpoint.read_state(found)
            _check_same(state["config"], self.config)
            checkpoint.restore(found, self.learner)  # last, so that a refused run leaves the model as it was
            self.stepper.scaler.load_state_dict(state["scaler"])
        self.history.rows = world.gather(folder.begin(taken))[0]  # the first process has them
        return taken

    def _patience_is_over(self) -> bool:
        best, last = self.history.best_step, len(self.history.rows)
        limit = self.config.patience * self.config.eval_every
        self.history.stopped_early = bool(limit and best is not None and last - best >= limit)
        return self.history.stopped_early

    def _finish(self) -> None:
        """Gives the model the weights that it is meant to end with."""
        config = self.config
        if self._patience_is_over() and config.checkpoint_dir is not None:
            best = next(c for c in checkpoint.all_in(config.checkpoint_dir) if c.step == self.history.best_step)
            checkpoint.restore(best, self.learner)
        self.learner.average.swap()
        self.learner.model.eval()


def _validate(
    trainable: nn.Module, data: Batches, batch_size: int, precision: runtime.Precision, world: World
) -> float | None:
    device = next(trainable.parameters()).device
    total, count = 0.0, 0
    with evaluating(trainable), torch.no_grad():
        for batch in data.validation(batch_size):
            share = world.share(batch)
            n = count_targets(share)
            if not n:  # fewer rows than processes: this one computes the first row again, since all must take part
                share = [tensor[:1] for tensor in batch]
            with precision.autocast(device):
                loss = trainable(*[tensor.to(device) for tensor in share])
            total, count = total + float(loss) * n, count + n
    total, count = world.total([total, count], device)  # type: ignore[assignment]
    return total / count if count else None


def _falls_on(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _comparable(config: TrainConfig) -> dict[str, Any]:
    """The part of a configuration that decides what is learnt, as JSON gives it back."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
        if name not in _FREE
    }


def _check_same(theirs: dict[str, Any], config: TrainConfig) -> None:
    mine = _comparable(config)
    differing = [f"{name}={theirs.get(name)!r}" for name in mine if theirs.get(name) != mine[name]]
    if differing:
        raise ValueError(
            f"expected to go on with the run in {config.checkpoint_dir}, which has {', '.join(differing)}, "
            f"got another configuration: use the same one, or another checkpoint_dir"
        )


def _progress_bar(taken: int, steps: int, world: World) -> "tqdm[Any]":
    """A bar where someone looks, in a terminal or in JupyterLab; nothing under nbconvert, pytest or a pipe."""
    someone_looks = sys.stderr.isatty() or "JPY_SESSION_NAME" in os.environ  # set by Jupyter's server, not by nbconvert
    disable = not someone_looks or world.rank > 0
    return tqdm(total=steps, initial=taken, unit="step", leave=False, disable=disable)
