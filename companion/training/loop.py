"""The one training loop."""

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from companion import runtime
from companion.models.modes import evaluating
from companion.training import checkpoint, interrupt
from companion.training.config import TrainConfig
from companion.training.distributed import Trainable, World, join, parallelise
from companion.training.ema import WeightAverage
from companion.training.folder import NoFolder, RunFolder
from companion.training.history import History, Row
from companion.training.interrupt import InterruptGuard
from companion.training.optimizers import make_optimizers
from companion.training.parts import count, counts, parts, to_device, validation_batches
from companion.training.schedule import learning_rate
from companion.training.step import DivergedError, Stepper
from companion.training.utilization import step_flops


class Batches(Protocol):
    """What :func:`fit` reads: ``TokenBatches`` and ``TensorBatches`` of :mod:`companion.data`, or your own."""

    def batch(self, step: int, batch_size: int, *, seed: int) -> tuple[Tensor, ...]:
        """The arguments of ``model.loss`` at ``step``: the same for the same arguments, whatever was asked before."""

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, ...]]:
        """The validation set, batch by batch; empty for none."""


def fit(model: nn.Module, data: Batches, config: TrainConfig, *, watch: Callable[[Row], None] | None = None) -> History:
    """Trains ``model`` in place on ``model.loss(*batch)``, a mean over as many targets as ``model.n_targets(*batch)``.

    Only a batch that is divided, among processes or into micro-batches, and validation in several batches need
    ``n_targets``: the gradient is then that of the whole batch, but for what is drawn at random, such as dropout. A
    model whose loss or normalization joins the examples of a batch is not divided (:mod:`companion.training.parts`).

    Where ``config.checkpoint_dir`` holds a run, goes on from its newest whole checkpoint; on the CPU in float32 the
    result is the same to the bit as without the stop. Ctrl-C and SIGTERM, which a machine sends that is about to be
    taken away, end the step at hand and write a checkpoint; then Ctrl-C is passed on, and SIGTERM ends the process with
    status 143. A second one acts at once. Under ``torchrun`` each process trains on its share of every batch; a run may
    go on with another number of processes.

    With more ``steps`` than before, a run goes on from its last checkpoint along the new schedule: ``constant`` and
    ``step`` are those of one long run. ``cosine``, and ``wsd`` where it had begun to fall, jump up again to where the
    longer schedule is, and the loss with them for a while.

    Args:
        model: has a method ``loss`` that returns a scalar; it is moved to the device of ``config``.
        data: the batches.
        config: the rest.
        watch: is called after each step with the step's row of the history, in every process; what it raises ends the
            run there.

    Raises:
        TypeError: where the model has no ``loss``, or no ``n_targets`` though it is needed.
        ValueError: where a batch cannot be divided as asked, or the folder holds a run of another configuration, model
            or data or of more steps, which are named, is in use, or has damaged checkpoints only. Nothing has changed
            then.
        DivergedError: where a loss or gradient is not finite; says the step and the checkpoint that is left.
        OSError: where a checkpoint cannot be written.
        KeyboardInterrupt: after Ctrl-C.
        SystemExit: of 143 after SIGTERM.
    """
    world, device = join(config.parallel, runtime.pick_device(config.device))
    precision = runtime.pick_precision(config.precision, device)
    torch.manual_seed(config.seed + world.rank)
    model.to(device)
    peak = runtime.dense_peak(device, precision.dtype)
    flops = None
    if peak is not None:
        batch = data.batch(0, config.batch_size, seed=config.seed)
        flops = step_flops(Trainable(model), batch) / world.size
    trainable = parallelise(Trainable(model, processes=world.size), config.parallel, device)
    if config.compile:
        trainable.compile()
    optimizers, average = make_optimizers(model, config), WeightAverage(model, config.ema_decay)
    scaler = torch.amp.GradScaler(device.type, enabled=precision.dtype is torch.float16)
    rows = config.micro_batch_size
    stepper = Stepper(model, trainable, optimizers, precision, config.grad_clip, world, scaler, rows)
    learner = checkpoint.Learner(model, optimizers, average, world)
    run = _Run(config, data, device, stepper, learner, flops / peak if flops and peak else None, watch)
    path = config.checkpoint_dir
    with NoFolder() if path is None else RunFolder(Path(path), config, learner) as folder:
        return run.go(folder)


def validate(
    model: nn.Module, data: Batches, batch_size: int, *, precision: runtime.Precision | None = None
) -> float | None:
    """The mean of ``model.loss`` over the validation set, each target counting once; None where there is no such set.

    The model is used in evaluation mode, on the device where it is. Where its loss depends on which examples come
    together, ``batch_size`` must take the whole set.

    Raises:
        TypeError: where there are several batches and the model has no ``n_targets``.
        ValueError: where there are several batches and the loss depends on which examples come together.
    """
    precision = precision or runtime.Precision(torch.float32, "default")
    return _validate(model, Trainable(model), data, batch_size, precision, World())


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
    taken: int = 0  # steps

    def go(self, folder: NoFolder | RunFolder) -> History:
        """All steps that are left."""
        with evaluating(self.learner.model):  # what would be refused in the midst of the run is refused now
            next(validation_batches(self.learner.model, self.data.validation(self._validation_rows)), None)
        config, progress = self.config, folder.resume(self.data)
        self.taken, self.history = progress.step, History(progress.rows, earlier_best=progress.best)
        if progress.scaler:  # a new run has none, which a scaler in use refuses
            self.stepper.scaler.load_state_dict(progress.scaler)
        self.started = time.perf_counter() - self.history.seconds
        self.learner.model.train()
        with InterruptGuard() as guard, _progress_bar(self.taken, config.steps, self.learner.world) as bar:
            while self.taken < config.steps and not self._patience_is_over():
                row, asked = self._step(self.taken, folder, guard)
                self.taken += 1
                self.history.rows.append(row)
                folder.record(row)
                bar.set_postfix_str(f"loss {row['loss']:.3f}", refresh=False)
                bar.update()
                if any(asked) or self._checkpoint_is_due():
                    folder.save(self.taken, self.history.best, self.stepper.scaler.state_dict())
                if self.watch is not None:
                    self.watch(row)
                if any(asked):
                    interrupt.stop(asked, self.taken, folder.last())
        self._finish(folder)
        return self.history

    def _step(self, step: int, folder: NoFolder | RunFolder, guard: InterruptGuard) -> tuple[Row, list[float]]:
        """One step; returns what it recorded, and how many processes each signal asked to stop."""
        config, world = self.config, self.learner.world
        before = time.perf_counter()
        whole = self.data.batch(step, config.batch_size, seed=config.seed)
        n_targets = count(self.learner.model, whole) if counts(self.learner.model) else len(whole[0])
        lr = learning_rate(config, step)
        try:
            loss, norm = self.stepper.step(whole, lr)
        except DivergedError as error:
            last = folder.last()
            kept = "there is no checkpoint" if last is None else f"the last checkpoint is {last}"
            raise DivergedError(
                f"{error} in step {step + 1}; the weights are those before it, and {kept}: lower lr ({lr:g}), lengthen "
                f"warm-up, or look at the batch"
            ) from error
        self.learner.average.update(step + 1)
        loss, n_all, *asked = world.total([loss, float(n_targets), *guard.asked], self.device)
        if n_all != n_targets * world.size:
            raise ValueError(
                f"expected the same batch in every process, got {n_targets} targets in one and {n_all:g} in all "
                f"{world.size}: draw batches from step and seed alone"
            )
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
        return row, asked

    def _validation_loss(self) -> float | None:
        stepper, model, world = self.stepper, self.learner.model, self.learner.world
        with self.learner.average.used():
            return _validate(model, stepper.trainable, self.data, self._validation_rows, stepper.precision, world)

    @property
    def _validation_rows(self) -> int:
        """A batch that has been seen to fit in memory."""
        rows = self.stepper.rows or self.config.batch_size
        return min(rows * self.learner.world.size, self.config.batch_size)

    def _checkpoint_is_due(self) -> bool:
        is_last = self.taken == self.config.steps or self._patience_is_over()
        return is_last or self.history.best_step == self.taken or _falls_on(self.taken, self.config.checkpoint_every)

    def _patience_is_over(self) -> bool:
        best, limit = self.history.best_step, self.config.patience * self.config.eval_every
        self.history.stopped_early = bool(limit and best is not None and self.taken - best >= limit)
        return self.history.stopped_early

    def _finish(self, folder: NoFolder | RunFolder) -> None:
        """Gives the model the weights that it is meant to end with."""
        if self._patience_is_over() and self.history.best_step is not None:
            folder.restore(self.history.best_step)
        self.learner.average.swap()
        self.learner.model.eval()


def _validate(
    model: nn.Module,
    trainable: nn.Module,
    data: Batches,
    batch_size: int,
    precision: runtime.Precision,
    world: World,
) -> float | None:
    device = next(trainable.parameters()).device
    total, n_all = 0.0, 0
    with evaluating(trainable), torch.no_grad():
        for batch in validation_batches(model, data.validation(batch_size)):
            n = count(model, batch) if counts(model) else 1
            for piece, weight in parts(model, batch, world, None) if n else ():
                with precision.autocast(device):
                    total += n * weight * float(trainable(*to_device(piece, device)))
            n_all += n
    [total] = world.total([total], device)
    return total / n_all if n_all else None


def _falls_on(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _progress_bar(taken: int, steps: int, world: World) -> "tqdm[Any]":
    """A bar where someone looks, in a terminal or in JupyterLab; nothing under nbconvert, pytest or a pipe."""
    someone_looks = sys.stderr.isatty() or "JPY_SESSION_NAME" in os.environ  # set by Jupyter's server, not by nbconvert
    disable = not someone_looks or world.rank > 0
    return tqdm(total=steps, initial=taken, unit="step", leave=False, disable=disable)
