"""What a training run recorded."""

import math
from dataclasses import dataclass, field
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

Row = dict[str, float | None]

_COLUMNS = [
    "step", "loss", "lr", "grad_norm", "seconds", "targets_per_second", "memory", "mfu", "validation_loss",
]  # fmt: skip


@dataclass(frozen=True)
class Best:
    """The least validation loss, and the first step that had it."""

    loss: float
    step: int


@dataclass(frozen=True)
class Progress:
    """How far a run has come, beside what its learner holds.

    Attributes:
        step: steps taken.
        rows: of the history; the first process has them, and only as many as the log still holds.
        best: the best validation so far.
        scaler: the state of the gradients' scaling.
    """

    step: int = 0
    rows: list[Row] = field(default_factory=list)
    best: Best | None = None
    scaler: dict[str, Any] = field(default_factory=dict)


@dataclass
class History:
    """One row a step; ``str()`` is one line on the last.

    A row holds ``step`` (from 1), ``loss``, ``lr``, ``grad_norm`` before clipping, ``seconds`` since the start,
    ``targets_per_second`` (tokens of a language model, rows of a classifier), ``memory`` (the most that the process has
    held, in bytes), ``mfu``, and ``validation_loss`` where it was measured. Losses are in the unit of ``model.loss``:
    nats a token for a GPT. ``mfu`` is model FLOPs utilization (Chowdhery et al. 2022, appendix B): the model's own
    operations as a proportion of the device's dense peak, causal attention counted below the diagonal only; it is
    measured on GPUs whose peak is known.

    Attributes:
        rows: the rows.
        stopped_early: whether ``patience`` ended the run.
        earlier_best: the best validation as the run's checkpoint has it, should the row of that step be lost.

    Example:
        >>> import torch
        >>> from companion.data import TensorBatches
        >>> from companion.models import MLP, MLPConfig
        >>> x = torch.linspace(-1, 1, 100)[:, None]
        >>> data = TensorBatches((x, 2 * x), (x, 2 * x))
        >>> model = MLP(MLPConfig(sizes=(1, 1), loss="squared_error"))
        >>> from companion.training import TrainConfig, fit
        >>> history = fit(model, data, TrainConfig(steps=40, batch_size=50, eval_every=20, lr=0.1))
        >>> history.validation.index.tolist(), history.best_step
        ([20, 40], 40)
    """

    rows: list[Row] = field(default_factory=list)
    stopped_early: bool = False
    earlier_best: Best | None = None

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a table, indexed by step."""
        return pd.DataFrame(self.rows, columns=_COLUMNS).astype({"step": int}).set_index("step")

    @property
    def validation(self) -> "pd.Series[float]":
        """The validation losses, indexed by step."""
        return self.frame["validation_loss"].dropna()

    @property
    def best(self) -> Best | None:
        """The least validation loss and the first step that had it; None where none was measured, or all are NaN."""
        measured = [] if self.earlier_best is None else [self.earlier_best]
        for row in self.rows:
            if (loss := row.get("validation_loss")) is not None:
                measured.append(Best(loss, int(row["step"] or 0)))
        numbers = (best for best in measured if not math.isnan(best.loss))  # which is neither below nor above another
        return min(numbers, key=lambda best: (best.loss, best.step), default=None)

    @property
    def best_step(self) -> int | None:
        """The first step with the least validation loss; None where none was measured."""
        return None if self.best is None else self.best.step

    @property
    def seconds(self) -> float:
        """How long the steps took, stops between them left out."""
        return (self.rows[-1]["seconds"] or 0.0) if self.rows else 0.0

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws training and validation loss over the steps, on ``axes`` or on new ones."""
        axes = plt.subplots()[1] if axes is None else axes
        axes.plot(self.frame.index, self.frame["loss"], alpha=0.6, linewidth=1, label="training")
        if len(self.validation):
            axes.plot(self.validation.index, self.validation, marker="o", markersize=3, label="validation")
        axes.set(xlabel="step", ylabel="loss")
        axes.legend()
        return axes

    def __str__(self) -> str:
        if not self.rows:
            return "no step recorded"
        last = self.rows[-1]
        validation = last.get("validation_loss")
        measured = "" if validation is None else f", validation loss {validation:.4f}"
        best = "no validation loss was a number" if self.best is None else f"step {self.best.step} was best"
        early = f", stopped early: {best}" if self.stopped_early else ""
        return f"step {last['step']}: loss {last['loss']:.4f}{measured}, {self.seconds:.1f} s{early}"
