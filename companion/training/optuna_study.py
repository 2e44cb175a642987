"""A search's trials on Optuna. Apart from :mod:`companion.training.search`, since Optuna need not be installed."""

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sqlalchemy
import torch
from optuna.samplers import BaseSampler, PartialFixedSampler, RandomSampler, TPESampler
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
_HEARTBEAT, _GRACE = 10, 60  # seconds between signs of life; without one for so long, a trial's process counts as dead
_LOST = (DivergedError, torch.OutOfMemoryError)  # what parameters can be blamed for: the search goes on
_log = logging.getLogger(__name__)


def run_study(
    run: Run, space: Space, trials: int, *, method: str, storage: str | Path, name: str, seed: int, pruner: str
) -> dict[int, FrozenTrial]:
    """Runs what is missing of a search; its finished trials by their numbers."""
    with _quiet():
        database = _open(storage)
        study = optuna.create_study(storage=database, study_name=name, pruner=_PRUNERS[pruner](), load_if_exists=True)
        _check_same(study, space, storage)
        objective = partial(_objective, run, space, _samplers(method, space, seed), database)
        while True:
            newest = _newest(study)
            finished = {number: trial for number, trial in enumerate(newest) if trial.state.is_finished()}
            if (missing := trials - len(finished)) <= 0:
                return finished
            if sum(map(_at_work, newest)) < missing:
                study.optimize(objective, n_trials=1, catch=_LOST)
            else:  # others are at the last ones: only if one of them dies is there anything left to do
                time.sleep(0.2)
                fail_stale_trials(study)


def _newest(study: optuna.Study) -> list[FrozenTrial]:
    """A search's n-th trial, for every n: one that is begun anew takes the place of the one whose process died."""
    newest = {}
    for trial in study.get_trials(deepcopy=False):
        newest[[*RetryHeartbeatStaleTrialCallback.retry_history(trial), trial.number][0]] = trial
    return list(newest.values())


def _at_work(trial: FrozenTrial) -> bool:
    """Whether some process runs the trial; one that died before its first sign of life drew no parameters."""
    young = trial.datetime_start is not None and trial.datetime_start > datetime.now() - timedelta(seconds=_GRACE)
    return trial.state == TrialState.RUNNING and (bool(trial.params) or young)


def _samplers(method: str, space: Space, seed: int) -> Callable[[int], BaseSampler]:
    """What draws the n-th trial's parameters: with one seed, each process would draw the same."""
    if method == "grid":
        cells = [dict(zip(space, cell, strict=True)) for cell in product(*(domain.values for domain in space.values()))]
        return lambda n: PartialFixedSampler(cells[n % len(cells)], RandomSampler())
    kind = {"tpe": TPESampler, "random": RandomSampler}[method]
    return lambda n: kind(seed=int(np.random.SeedSequence([seed, n]).generate_state(1)[0]))


def _objective(
    run: Run, space: Space, samplers: Callable[[int], BaseSampler], database: RDBStorage, trial: Trial
) -> float:
    def report(step: int, loss: float) -> None:
        trial.report(loss, step)
        if trial.should_prune():
            raise optuna.TrialPruned(f"loss {loss:g} after step {step}")

    # Optuna's first sign of life comes from a thread, sometime; who dies before would be waited for without end.
    study_id = database.get_study_id_from_name(trial.study.study_name)
    database.record_heartbeat(database.get_trial_id_from_study_id_trial_number(study_id, trial.number))
    number = [newest.number for newest in _newest(trial.study)].index(trial.number)
    trial.study.sampler = samplers(number)  # Optuna asks for it at the first suggestion
    try:
        parameters = {name: _suggest(trial, name, domain) for name, domain in space.items()}
        loss = run(parameters, report, number)
        if loss is None:
            raise TypeError("expected an objective that returns its loss, got None")
        if not math.isfinite(loss):
            raise DivergedError(f"expected a finite loss, got {loss}")
        return float(loss)
    except optuna.TrialPruned:
        raise
    except _LOST as error:
        _log.warning("trial %d failed with %s: %s", number, parameters, error)
        trial.set_user_attr("error", str(error))
        raise
    except (Exception, KeyboardInterrupt):  # whoever goes on with the search runs the same parameters again
        RetryHeartbeatStaleTrialCallback()(trial.study, trial.study.get_trials()[trial.number])
        raise


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
    theirs = study.user_attrs.get("space", mine)
    differing = sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name))
    if differing:
        had, got = (", ".join(f"{name}: {one.get(name, 'nothing')}" for name in differing) for one in (theirs, mine))
        raise ValueError(
            f"expected to go on with the search {study.study_name!r} in {storage}, whose space has {had}, got {got}: "
            f"use the same space, or another name"
        )
    study.set_user_attr("space", mine)


def _open(storage: str | Path) -> RDBStorage:
    """The storage of a URL, or of an SQLite file in a folder."""
    url, engine = str(storage), {}
    if "://" not in url:
        folder = Path(storage).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{folder / 'search.db'}"
        # No connection is kept, so that none stays open; whoever finds the file in use waits for half a minute.
        engine = {"poolclass": sqlalchemy.NullPool, "connect_args": {"timeout": 30}}
    options: dict[str, Any] = {
        "heartbeat_interval": _HEARTBEAT,
        "grace_period": _GRACE,
        # What kills each process that tries it must come to an end.
        "heartbeat_stale_trial_callback": RetryHeartbeatStaleTrialCallback(max_retry=3),
    }
    for _ in range(4):  # processes that start at once make the tables at once, and all but one fail
        with suppress(sqlalchemy.exc.DBAPIError):
            return RDBStorage(url, engine, **options)
        time.sleep(1)
    return RDBStorage(url, engine, **options)


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
