"""The steps of a run, and what comes between two of them: the log, checkpoints, validation, signals, patience."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm

from companion import runtime
from companion.training import interrupt
from companion.training.batches import Batches
from companion.training.config import TrainConfig
from companion.training.distributed import World
from companion.training.folder import RunFolder
from companion.training.history import History, Row
from companion.training.interrupt import InterruptGuard
from companion.training.no_folder import NoFolder
from companion.training.parts import Batch, count, counts
from companion.training.saving import Learner
from companion.training.schedule import learning_rate
from companion.training.step import DivergedError, Stepper
from companion.training.validation import mean_loss


@dataclass
class Run:
    """A run that has begun, or that goes on.

    Attributes:
        config: what it was told.
        data: the batches.
        device: of the model.
        stepper: takes the steps.
        learner: what it learns.
        folder: what it keeps.
        history: of the steps so far.
        taken: how many these are.
        seconds_at_peak: what a step would take if the device did nothing but the model's operations; None if unknown.
        watch: is called with the row of each step.
    """

    config: TrainConfig
    data: Batches
    device: torch.device
    stepper: Stepper
    learner: Learner
    folder: NoFolder | RunFolder
    history: History
    taken: int
    seconds_at_peak: float | None
    watch: Callable[[Row], None] | None

    def go(self) -> History:
        """Takes all steps that are left, and gives the model the weights that it is meant to end with."""
        self.best = self.history.best  # kept here: to look through all rows in each step would take longer and longer
        self.started = time.perf_counter() - self.history.seconds
        self.learner.model.train()
        with InterruptGuard() as guard, _progress_bar(self.taken, self.config.steps, self.learner.world) as bar:
            while self.taken < self.config.steps and not self._patience_is_over():
                row, asked = self._step(guard)
                self._record(row)
                bar.set_postfix_str(f"loss {row['loss']:.3f}", refresh=False)
                bar.update()
                if any(asked) or self._checkpoint_is_due():
                    self.folder.save(self.taken, self.best, self.stepper.scaler.state_dict())
                if self.watch is not None:
                    self.watch(row)
                if any(asked):
                    interrupt.stop(asked, self.taken, self.folder.last())
        self.history.stopped_early = self._patience_is_over()
        if self.history.stopped_early and self.best is not None:
            self.folder.restore(self.best.step)
        self.learner.average.swap()
        self.learner.model.eval()
        return self.history

    def _step(self, guard: InterruptGuard) -> tuple[Row, list[float]]:
        """One step; returns what it recorded, and how many processes each signal asked to stop."""
        config, before = self.config, time.perf_counter()
        batch = self.data.batch(self.taken, config.batch_size, seed=config.seed)
        n_targets = count(self.learner.model, batch) if counts(self.learner.model) else len(batch[0])
        lr = learning_rate(config, self.taken)
        loss, norm = self._learn(batch, lr)
        loss, *asked = self._over_processes(n_targets, [loss, *guard.asked])
        seconds = time.perf_counter() - before
        row: Row = {
            "step": self.taken + 1,
            "loss": loss,
            "lr": lr,
            "grad_norm": norm,
            "targets_per_second": n_targets / seconds,
            "memory": runtime.peak_memory(self.device),
        }
        if self.seconds_at_peak is not None:
            row["mfu"] = self.seconds_at_peak / seconds
        if self.taken + 1 == config.steps or _falls_on(self.taken + 1, config.eval_every):
            row["validation_loss"] = self._validation_loss()
        row["seconds"] = time.perf_counter() - self.started
        return row, asked

    def _learn(self, batch: Batch, lr: float) -> tuple[float, float]:
        try:
            loss, norm = self.stepper.step(batch, lr)
        except DivergedError as error:
            last = self.folder.last()
            kept = "there is no checkpoint" if last is None else f"the last checkpoint is {last}"
            raise DivergedError(
                f"{error} in step {self.taken + 1}; the weights are those before it, and {kept}: lower lr ({lr:g}), "
                f"lengthen warm-up, or look at the batch"
            ) from error
        self.learner.average.update(self.taken + 1)
        return loss, norm

    def _over_processes(self, n_targets: int, values: list[float]) -> list[float]:
        """The sums of ``values`` over all processes, which must have had the same batch."""
        size = self.learner.world.size
        n_all, *sums = self.learner.world.total([float(n_targets), *values], self.device)
        if n_all != n_targets * size:
            raise ValueError(
                f"expected the same batch in every process, got {n_targets} targets in one and {n_all:g} in all "
                f"{size}: draw batches from step and seed alone"
            )
        return sums

    def _validation_loss(self) -> float | None:
        stepper, model, world = self.stepper, self.learner.model, self.learner.world
        rows = validation_rows(self.config, stepper.rows, world)
        with self.learner.average.used():
            return mean_loss(model, stepper.trainable, self.data, rows, stepper.precision, world)

    def _record(self, row: Row) -> None:
        self.taken += 1
        self.history.rows.append(row)
        self.best = History([row], earlier_best=self.best).best
        self.folder.record(row)

    def _checkpoint_is_due(self) -> bool:
        is_last = self.taken == self.config.steps or self._patience_is_over()
        is_best = self.best is not None and self.best.step == self.taken
        return is_last or is_best or _falls_on(self.taken, self.config.checkpoint_every)

    def _patience_is_over(self) -> bool:
        limit = self.config.patience * self.config.eval_every
        best_step = 0 if self.best is None else self.best.step
        return bool(limit) and self.taken - best_step >= limit


def validation_rows(config: TrainConfig, micro_batch: int | None, world: World) -> int:
    """How many validation examples are taken at once: a batch that has been seen to fit in memory."""
    return min((micro_batch or config.batch_size) * world.size, config.batch_size)


def _falls_on(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _progress_bar(taken: int, steps: int, world: World) -> "tqdm[Any]":
    """A bar where someone looks, in a terminal or in JupyterLab; nothing under nbconvert, pytest or a pipe."""
    someone_looks = sys.stderr.isatty() or "JPY_SESSION_NAME" in os.environ  # set by Jupyter's server, not by nbconvert
    disable = not someone_looks or world.rank > 0
    return tqdm(total=steps, initial=taken, unit="step", leave=False, disable=disable)
