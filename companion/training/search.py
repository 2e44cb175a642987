"""The search for good parameters: grid, random or TPE, with bad trials stopped early."""

import dataclasses
import importlib.util
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.axes import Axes
from torch import nn

from companion.checks import check_one_of
from companion.training.batches import Batches
from companion.training.config import TrainConfig
from companion.training.history import Row
from companion.training.loop import fit
from companion.training.space import Choice, Range
from companion.training.step import DivergedError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

Parameters = dict[str, Any]
Report = Callable[[int, float], None]
Builder = Callable[[Parameters], tuple[nn.Module, Batches, TrainConfig]]
Objective = Callable[[Parameters, Report], float]
Method = Literal["tpe", "random", "grid"]
PrunerName = Literal["median", "halving", "none"]


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found; ``str()`` is one line.

    The best loss is the least of many that chance made better or worse, so it promises too much (Cawley & Talbot 2010):
    report the loss of the best parameters on data that selected nothing.

    Attributes:
        best_parameters: those of the completed trial with the least loss.
        best_value: that loss.
        trials: a row a trial, indexed by its number: ``state`` (``complete``, ``pruned``, ``failed``), ``value`` (the
            loss; of a pruned trial the last that it reported), ``steps`` (the last step reported), ``seconds``, and a
            column a parameter.

    Example:
        >>> import tempfile
        >>> space, folder = {"x": Choice([0, 1, 2])}, tempfile.mkdtemp()
        >>> result = search(lambda p, report: (p["x"] - 1) ** 2, space, storage=folder, method="grid")
        >>> print(result)
        best loss 0 with x=1; trials: 3 complete
        >>> result.trials[["state", "value", "x"]]
                  state  value  x
        trial
        0      complete    1.0  0
        1      complete    0.0  1
        2      complete    1.0  2
    """

    best_parameters: Parameters
    best_value: float
    trials: pd.DataFrame

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws each completed trial's loss, and the best so far, on ``axes`` or on new ones."""
        axes = plt.subplots()[1] if axes is None else axes
        complete = self.trials.loc[self.trials["state"] == "complete", "value"]
        axes.plot(complete.index, complete, "o", alpha=0.6, markersize=4, label="a trial")
        axes.step(complete.index, complete.cummin(), where="post", label="the best so far")
        axes.set(xlabel="trial", ylabel="loss")
        axes.legend()
        return axes

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {state}" for state, n in self.trials["state"].value_counts().items())
        best = ", ".join(f"{name}={value!r}" for name, value in self.best_parameters.items())
        return f"best loss {self.best_value:.4g} with {best}; trials: {counts}"


def search(
    objective: Builder | Objective,
    space: Mapping[str, Range | Choice],
    *,
    storage: str | Path,
    trials: int | None = None,
    method: Method = "tpe",
    pruner: PrunerName = "median",
    name: str = "search",
    seed: int = 0,
) -> SearchResult:
    """Looks for the parameters with the least loss, by Optuna (Akiba et al. 2019).

    The search lies in ``storage`` under its ``name``. Called again, it goes on: finished trials count, and a trial that
    was interrupted is run again. Many processes, on many machines, may work on one search at once; as two may begin the
    last trial at the same moment, there can be a few too many. The trial of a process that dies is run again after a
    minute, three times at most. A trial that diverges or does not fit in memory is recorded as failed.

    The n-th trial's parameters are drawn by ``seed`` and n, whether the search was stopped in between or not.

    Args:
        objective: a builder, a function of the parameters that returns a new model, its batches with a validation set,
            and its configuration. Each trial is one ``fit`` from the same ``seed``; its loss is the validation loss of
            the weights that it ends with, each validation lets the pruner stop it, and it has a folder of its own in
            ``checkpoint_dir``. Or a function of the parameters and of ``report(step, loss)`` that returns the loss; the
            pruner may stop it at each report.
        space: what each parameter is chosen from.
        storage: a folder, for the SQLite file ``search.db``, which serves one machine; or a database for many, as
            SQLAlchemy's URL (``postgresql://…``, ``mysql://…``).
        trials: how many trials the search has in all; for a grid left out, as it has one for each combination.
        method: ``tpe``, the tree-structured Parzen estimator (Bergstra et al. 2011), which draws ten trials at random
            and then near the good ones; ``random`` (Bergstra & Bengio 2012); ``grid``, every combination once.
        pruner: ``median`` stops a trial that is worse than the median of those before at its step, once five are
            complete; ``halving`` lets the best quarter go on to four times the steps (successive halving, Li et al.
            2020); ``none``.
        name: of the search, in its storage.
        seed: of the parameters and of a builder's weights.

    Raises:
        ValueError: for arguments or a space that contradict each other or the stored search of this name; for a
            builder's data without a validation set, or its ``parallel``.
        TypeError: for a space of anything but ranges and choices, or where ``objective`` returns something else.
        DivergedError: where no trial was completed.
        ImportError: where Optuna is not installed.

    Example:
        >>> import tempfile
        >>> def loss(parameters, report):
        ...     report(1, 9.0)  # after a first step; the pruner may stop the trial here
        ...     return (parameters["lr"] - 0.01) ** 2 + (parameters["optimizer"] == "sgd")
        >>> space = {"lr": Range(1e-4, 1e-1, log=True), "optimizer": Choice(["adamw", "sgd"])}
        >>> result = search(loss, space, storage=tempfile.mkdtemp(), trials=6)
        >>> len(result.trials), result.best_value < 1
        (6, True)
    """
    trials = _checked_trials(space, trials, method, pruner)
    if importlib.util.find_spec("optuna") is None:
        raise ImportError('expected Optuna for a search, got none: run pip install "large-models-companion[search]"')
    from companion.training.optuna_study import run_study

    wants_report = len([p for p in inspect.signature(objective).parameters.values() if p.default is p.empty]) > 1

    def run(parameters: Parameters, report: Report, number: int) -> float:
        if wants_report:
            return cast(Objective, objective)(parameters, report)
        return _train(cast(Builder, objective), seed, parameters, report, number)

    found = run_study(run, space, trials, method=method, storage=storage, name=name, seed=seed, pruner=pruner)
    table = _table(found, list(space))
    losses = table.loc[table["state"] == "complete", "value"]
    if not len(losses):
        error = found[max(found)].user_attrs.get("error", "its process died")
        raise DivergedError(
            f"expected at least one completed trial, got {len(found)} that failed, the last one: {error}; narrow the "
            f"space, and take another name for the search"
        )
    return SearchResult(dict(found[losses.idxmin()].params), float(losses.min()), table)


def _checked_trials(space: Mapping[str, Range | Choice], trials: int | None, method: str, pruner: str) -> int:
    """How many trials the search has."""
    if not space:
        raise ValueError("expected a space of at least one parameter, got none: {'lr': Range(1e-4, 1e-1, log=True)}")
    for parameter, domain in space.items():
        if not isinstance(domain, Range | Choice):
            raise TypeError(f"expected a Range or a Choice for {parameter!r}, got {domain!r}: Choice([…]) takes a list")
    for argument, value, known in (("method", method, Method), ("pruner", pruner, PrunerName)):
        check_one_of(argument, value, get_args(known))
    if method == "grid":
        cells = math.prod(len(domain.values) for domain in space.values())
        if trials is not None:
            raise ValueError(f"expected no trials with method='grid', which has {cells}, got {trials}: leave it out")
        return cells
    if trials is None or trials < 1:
        raise ValueError(f"expected trials to be at least 1 with method={method!r}, got {trials}: say how many")
    return trials


def _train(build: Builder, seed: int, parameters: Parameters, report: Report, number: int) -> float:
    """One ``fit`` of what a builder makes; returns the validation loss of the weights that the model ends with."""
    torch.manual_seed(seed)
    made = build(parameters)
    if not (isinstance(made, tuple) and len(made) == 3):
        raise TypeError(f"expected a builder that returns (model, data, config), got {type(made).__name__}")
    model, data, config = made
    if config.parallel != "none":
        raise ValueError(
            f"expected parallel='none' in a search, got {config.parallel!r}: start the search in several processes, "
            f"and each has trials of its own"
        )
    if config.checkpoint_dir is not None:
        config = dataclasses.replace(config, checkpoint_dir=Path(config.checkpoint_dir) / f"trial-{number:05d}")

    def watch(row: Row) -> None:
        step, loss = row["step"], row.get("validation_loss")
        if step is not None and loss is not None:
            report(int(step), loss)

    history = fit(model, data, config, watch=watch)
    if not len(history.validation):
        raise ValueError("expected data with a validation set, by which trials are compared, got none")
    return float(history.validation.min() if history.stopped_early else history.validation.iloc[-1])


def _table(trials: "Mapping[int, FrozenTrial]", names: list[str]) -> pd.DataFrame:
    states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    rows = {
        number: (states[trial.state.name], trial.value, trial.last_step, trial.duration, *map(trial.params.get, names))
        for number, trial in trials.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["state", "value", "steps", "seconds", *names])
    table["seconds"] = table["seconds"].dt.total_seconds()
    return table.rename_axis("trial").astype({"value": float, "steps": "Int64"})
