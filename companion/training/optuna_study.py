"""A search's trials on Optuna: who runs which, what is stored, what is run again.

Apart from :mod:`companion.training.search`, since Optuna need not be installed: only a search imports this module.
"""

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sqlalchemy
import torch
from optuna.samplers import BaseSampler, GridSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState

from companion.training.space import Choice, Range
from companion.training.step import DivergedError

Space = Mapping[str, Range | Choice]
Run = Callable[[dict[str, Any], Callable[[int, float], None], int], float]

_PRUNERS: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
    "median": optuna.pruners.MedianPruner,
    "halving": optuna.pruners.SuccessiveHalvingPruner,
    "none": optuna.pruners.NopPruner,
}
_SAMPLERS: dict[str, Callable[..., BaseSampler]] = {"tpe": TPESampler, "random": RandomSampler}

_log = logging.getLogger(__name__)
_HEARTBEAT, _GRACE = 10, 60  # seconds between signs of life; without one for so long, a trial's process counts as dead
_RETRIES = 3  # of a trial whose process dies: what kills each process that tries it must come to an end
_POLL = 0.2  # seconds
_LOST = (DivergedError, torch.OutOfMemoryError)  # what parameters can be blamed for: the search goes on


def run_study(
    run: Run, space: Space, trials: int, *, method: str, storage: str | Path, name: str, seed: int, pruner: str
) -> list[FrozenTrial]:
    """Runs what is missing of a search and returns its finished trials, oldest first."""
    with _quiet():
        database = _open(storage)
        study = optuna.create_study(
            storage=database,
            study_name=name,
            sampler=_grid(space) if method == "grid" else _Numbered(_SAMPLERS[method], seed),
            pruner=_PRUNERS[pruner](),
            load_if_exists=True,
        )
        _check_same(study, space, storage)
        objective = _objective(run, space, database)
        while (missing := trials - len(_places(_finished(study), method))) > 0:
            if len(_places(_at_work(study), method)) < missing:
                study.optimize(objective, n_trials=1, catch=_LOST)
            else:  # others are at the last ones: only if one of them dies is there anything left to do
                time.sleep(_POLL)
                fail_stale_trials(study)
        return _finished(study)


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that ended, but for those that were begun anew."""
    trials = study.get_trials(deepcopy=False)
    begun_anew = {number for trial in trials for number in RetryHeartbeatStaleTrialCallback.retry_history(trial)}
    return [trial for trial in trials if trial.state.is_finished() and trial.number not in begun_anew]


def _original(trial: FrozenTrial) -> int:
    """The number of a trial, or of the first one that it takes the place of."""
    number = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
    return trial.number if number is None else number


def _at_work(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that some process is running; one that died before its first sign of life drew no parameters."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    lately = datetime.now() - timedelta(seconds=_GRACE)
    return [trial for trial in running if trial.params or (trial.datetime_start or lately) > lately]


class _Numbered(BaseSampler):
    """Draws the n-th trial's parameters by a generator seeded with (seed, n).

    A sampler of Optuna's with a seed would draw the first trials' again after a restart, and in each process.
    """

    def __init__(self, kind: Callable[..., BaseSampler], seed: int) -> None:
        self._kind, self._seed = kind, seed

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        others = study.get_trials(deepcopy=False)
        again = sum(_original(other) < other.number <= trial.number for other in others)  # these draw nothing
        state = np.random.SeedSequence([self._seed, trial.number - again]).generate_state(1)
        self._sampler = self._kind(seed=int(state[0]))
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, Any]) -> dict[str, Any]:
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        self._sampler.after_trial(study, trial, state, values)


def _grid(space: Space) -> GridSampler:
    # Its seed is fixed: it decides which number means which cell, and all processes must agree on that.
    return GridSampler({name: list(domain.values) for name, domain in space.items()}, seed=0)


def _places(trials: list[FrozenTrial], method: str) -> set[Any]:
    """What the trials stand for: cells of a grid, where two processes may have run the same, or themselves."""
    return {tuple(sorted(trial.params.items())) if method == "grid" else trial.number for trial in trials}


def _objective(run: Run, space: Space, database: RDBStorage) -> Callable[[Trial], float]:
    def objective(trial: Trial) -> float:
        def report(step: int, loss: float) -> None:
            trial.report(loss, step)
            if trial.should_prune():
                raise optuna.TrialPruned(f"loss {loss:g} after step {step}")

        # Optuna's first sign of life comes from a thread, sometime; who dies before would be waited for without end.
        database.record_heartbeat(trial._trial_id)
        stored = trial.study.get_trials(deepcopy=False)[trial.number]
        try:
            parameters = {name: _suggest(trial, name, domain) for name, domain in space.items()}
            loss = run(parameters, report, _original(stored))
            if loss is None:
                raise TypeError("expected an objective that returns its loss, got None")
            if not math.isfinite(loss):
                raise DivergedError(f"expected a finite loss, got {loss}")
            return float(loss)
        except optuna.TrialPruned:
            raise
        except _LOST as error:
            _log.warning("trial %d failed with %s: %s", trial.number, parameters, error)
            trial.set_user_attr("error", str(error))
            raise
        except (Exception, KeyboardInterrupt):  # whoever goes on with the search runs the same parameters again
            RetryHeartbeatStaleTrialCallback()(trial.study, trial.study.get_trials()[trial.number])
            raise

    return objective


def _suggest(trial: Trial, name: str, domain: Range | Choice) -> Any:
    if isinstance(domain, Choice):
        return trial.suggest_categorical(name, domain.values)
    if domain.integer:
        low, high, step = int(domain.low), int(domain.high), int(domain.step or 1)
        return trial.suggest_int(name, low, high, step=step, log=domain.log)
    return trial.suggest_float(name, domain.low, domain.high, step=domain.step, log=domain.log)


def _check_same(study: optuna.Study, space: Space, storage: str | Path) -> None:
    """Refuses a study of another space."""
    mine = {name: repr(space[name]) for name in sorted(space)}
    theirs = study.user_attrs.get("space")
    if theirs is None:
        study.set_user_attr("space", mine)
    elif theirs != mine:
        differing = {name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name)}
        raise ValueError(
            f"expected to go on with the search {study.study_name!r} in {storage}, whose space has "
            f"{_named(theirs, differing)}, got {_named(mine, differing)}: use the same space, or another name"
        )


def _named(space: dict[str, str], names: set[str]) -> str:
    return ", ".join(f"{name}: {space.get(name, 'nothing')}" for name in sorted(names))


def _open(storage: str | Path) -> RDBStorage:
    """The storage of a URL, or of an SQLite file in a folder."""
    url, engine = str(storage), {}
    if "://" not in url:
        folder = Path(storage).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{folder / 'search.db'}"
        # No connection is kept, so that none stays open; whoever finds the file in use waits for half a minute.
        engine = {"poolclass": sqlalchemy.NullPool, "connect_args": {"timeout": 30}}
    retry = RetryHeartbeatStaleTrialCallback(max_retry=_RETRIES)
    for attempt in range(5):
        try:
            return RDBStorage(
                url,
                engine_kwargs=engine,
                heartbeat_interval=_HEARTBEAT,
                grace_period=_GRACE,
                heartbeat_stale_trial_callback=retry,
            )
        except sqlalchemy.exc.DBAPIError:  # processes that start at once make the tables at once, and all but one fail
            if attempt == 4:
                raise
            time.sleep(1)
    raise AssertionError


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna without its log, a line a trial, and without warnings that heartbeats are experimental."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
