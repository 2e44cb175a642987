import logging
import math
import signal
import sqlite3
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from torch import nn

from companion.data import TensorBatches
from companion.training import Choice, DivergedError, Range, TrainConfig, fit, search
from companion.training import optuna_study as study

LINE = {"x": Range(-3, 3)}


class Memory(optuna.storages.InMemoryStorage):
    """A storage of this process alone, which needs no signs of life."""

    def record_heartbeat(self, trial_id):
        pass


@pytest.fixture
def memory(monkeypatch):
    """Storages that live in memory, one a name: Optuna's file takes a tenth of a second a trial."""
    storages = {}

    def opened(storage):
        return storages.setdefault(storage, Memory())

    monkeypatch.setattr(study, "_open", opened)
    return "here"


def square(parameters, report):
    return parameters["x"] ** 2


def tried(result, name="x"):
    return result.trials[name].tolist()


def test_a_grid_is_the_whole_product_once_and_a_second_call_adds_nothing(tmp_path):
    space = {"a": Range(0.1, 0.5, step=0.2), "b": Choice(["x", "y"])}
    calls = []

    def objective(parameters, report):
        calls.append(tuple(parameters.values()))
        return parameters["a"] + (parameters["b"] == "x")

    for _ in range(2):
        result = search(objective, space, storage=tmp_path / "new", method="grid")
        assert sorted(calls) == sorted(product([0.1, 0.3, 0.5], ["x", "y"]))
    assert result.best_parameters == {"a": 0.1, "b": "y"}
    assert result.best_value == 0.1
    assert list(result.trials[["a", "b"]].itertuples(index=False, name=None)) == calls
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["search.db"]


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_a_seed_decides_what_is_tried(memory, method):
    first, again, other = (
        search(square, LINE, storage=str(i), trials=13, method=method, seed=seed) for i, seed in enumerate([7, 7, 8])
    )
    assert tried(first) == tried(again)
    assert len(set(tried(first))) == 13
    assert not set(tried(first)) & set(tried(other))


def test_draws_fill_their_range(memory):
    space = {"log": Range(1e-4, 1, log=True), "whole": Range(1, 5, integer=True), "step": Range(0, 1, step=0.25)}
    trials = search(lambda p, report: 0.0, space, storage=memory, trials=199, method="random").trials
    assert trials["log"].between(1e-4, 1).all()
    assert (trials["log"] < 1e-2).mean() == pytest.approx(0.5, abs=0.13)  # 3.6 standard errors
    assert set(trials["whole"]) == {1, 2, 3, 4, 5}
    assert set(trials["step"]) == {0, 0.25, 0.5, 0.75, 1}


def test_tpe_finds_better_parameters_than_chance(memory):
    """A bowl in four dimensions: over seeds, the best of 40 trials is nearer to the bottom."""
    space = {name: Range(-1, 1) for name in "abcd"}

    def bowl(parameters, report):
        return sum((value - 0.3) ** 2 for value in parameters.values())

    def best(method, seed):
        storage = f"{method} {seed}"
        return search(bowl, space, storage=storage, trials=40, method=method, seed=seed).best_value

    chance, tpe = ([math.log(best(method, seed)) for seed in range(7)] for method in ("random", "tpe"))
    assert np.mean(tpe) < np.mean(chance) - 1  # nearer by a factor of e in squared distance


@pytest.mark.parametrize("method", ["random", "tpe", "grid"])
def test_a_search_that_was_stopped_runs_only_the_rest_and_finds_the_same(memory, method):
    space = {"x": Range(1, 17, integer=True)}
    options = {"method": method, "trials": None if method == "grid" else 17}
    whole = search(square, space, storage="whole", **options)
    calls = []

    def stops(parameters, report):
        calls.append(parameters["x"])
        if len(calls) in (4, 9):
            raise OSError("the power went")
        return square(parameters, report)

    for expected in (4, 9):
        with pytest.raises(OSError, match="power"):
            search(stops, space, storage="halves", **options)
        assert len(calls) == expected
    result = search(stops, space, storage="halves", **options)
    assert len(calls) == 17 + 2
    assert calls[4] == calls[3]  # what was interrupted comes first
    assert len(result.trials) == 17
    if method == "grid":
        assert sorted(tried(result)) == list(range(1, 18))
    else:
        assert tried(result) == tried(whole)
    assert result.best_parameters == whole.best_parameters
    more = search(square, space, storage="halves", **options | ({} if method == "grid" else {"trials": 19}))
    assert len(more.trials) == (17 if method == "grid" else 19)


WORKER = """
import os, signal, sys, time
from pathlib import Path
from companion.training import Range, search

folder = Path(sys.argv[1])

def objective(parameters, report):
    with (folder / "child").open("a") as file:
        print(parameters["x"], file=file)
    if len((folder / "child").read_text().splitlines()) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    while not (folder / "parent").exists():
        time.sleep(0.01)
    return parameters["x"] ** 2

search(objective, {"x": Range(-3, 3)}, storage=folder, trials=6, method="random")
"""


def test_two_processes_share_a_search_and_one_runs_what_the_other_died_of(tmp_path, monkeypatch):
    child = subprocess.Popen([sys.executable, "-W", "ignore", "-c", WORKER, str(tmp_path)], cwd=Path.cwd())
    mine = []

    def objective(parameters, report):
        mine.append(parameters["x"])
        (tmp_path / "parent").touch()
        while len(theirs := (tmp_path / "child").read_text().split()) < 2:
            time.sleep(0.01)
        assert float(theirs[0]) not in mine
        if child.returncode is None:
            child.wait()
            with sqlite3.connect(tmp_path / "search.db") as database:  # as if its last sign of life was a minute ago
                database.execute("UPDATE trial_heartbeats SET heartbeat = datetime(heartbeat, '-61 seconds')")
            database.close()
        return square(parameters, report)

    while not (tmp_path / "child").exists():
        assert child.poll() is None
        time.sleep(0.01)
    result = search(objective, LINE, storage=tmp_path, trials=6, method="random")
    assert child.returncode == -signal.SIGKILL
    finished, killed = map(float, (tmp_path / "child").read_text().split())
    assert sorted(tried(result)) == sorted([finished, *mine])
    assert mine.count(killed) == 1
    assert len(mine) == 5
    monkeypatch.setattr(study, "_open", lambda storage: Memory())
    whole = search(square, LINE, storage=tmp_path, trials=6, method="random")
    assert set(tried(result)) == set(tried(whole))


def test_a_trial_whose_process_died_before_its_first_sign_of_life_is_not_waited_for(memory, monkeypatch):
    left = optuna.create_study(storage=study._open(memory), study_name="search")
    left.ask()
    monkeypatch.setattr(study, "_GRACE", 0)
    assert search(square, LINE, storage=memory, trials=3, method="random").trials.index.tolist() == [1, 2, 3]


def test_a_trial_gives_a_sign_of_life_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(optuna.storages._heartbeat.HeartbeatThread, "_record_heartbeat", lambda *_: None)

    def objective(parameters, report):
        with sqlite3.connect(tmp_path / "search.db") as database:
            found = database.execute("SELECT trial_id FROM trial_heartbeats").fetchall()
        database.close()
        return float(len(found))

    assert search(objective, LINE, storage=tmp_path, trials=1).best_value == 1


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def loss(self, x, y):
        return ((self.linear(x) - y) ** 2).mean()

    def n_targets(self, x, y):
        return y.numel()


class Counted(TensorBatches):
    """Batches that count the training steps."""

    steps = 0

    def batch(self, step, batch_size, *, seed):
        type(self).steps += 1
        return super().batch(step, batch_size, seed=seed)


def line_data():
    x = torch.randn(41, 3, generator=torch.Generator().manual_seed(2))
    y = x @ torch.tensor([[1.0], [2.0], [-3.0]]) + 4
    return Counted((x[7:], y[7:]), (x[:7], y[:7]))


def config(**options):
    common = {"steps": 20, "batch_size": 5, "precision": "fp32", "device": "cpu", "eval_every": 5}
    return TrainConfig(**common | options)


@pytest.mark.parametrize("pruner", ["median", "halving", "none"])
def test_pruning_stops_bad_trials_and_saves_their_steps(memory, monkeypatch, pruner):
    monkeypatch.setattr(Counted, "steps", 0)

    def build(parameters):
        return Line(), line_data(), config(lr=parameters["lr"], schedule="constant")

    space = {"lr": Range(1e-5, 1.0, log=True)}
    result = search(build, space, storage=memory, trials=17, method="random", pruner=pruner)
    complete, pruned = (result.trials[result.trials["state"] == state] for state in ("complete", "pruned"))
    assert set(complete["steps"]) == {20}
    assert result.trials["steps"].sum() == Counted.steps
    assert result.best_value == complete["value"].min()
    assert result.best_parameters == {"lr": complete.loc[complete["value"].idxmin(), "lr"]}
    if pruner == "none":
        assert not len(pruned)
    else:
        assert Counted.steps < 0.8 * 17 * 20
        assert pruned["steps"].max() < 20
        assert pruned["value"].min() > result.best_value


def test_a_builders_trial_is_one_fit_from_the_same_weights(memory, tmp_path):
    starts = []

    def build(parameters):
        model = Line()
        starts.append(model.linear.weight.detach().clone())
        return model, line_data(), config(lr=parameters["lr"], checkpoint_dir=tmp_path)

    result = search(build, {"lr": Choice([0.1, 0.01])}, storage=memory, method="grid", seed=5)
    assert torch.equal(*starts)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trial-00000", "trial-00001"]
    torch.manual_seed(5)
    model, data, _ = build({"lr": 0.1})
    alone = fit(model, data, config(lr=0.1)).validation.iloc[-1]
    assert result.trials.set_index("lr").loc[0.1, "value"] == alone


def test_an_interrupted_fit_goes_on_from_its_checkpoint(memory, tmp_path):
    steps = []

    class Stops(TensorBatches):
        def batch(self, step, batch_size, *, seed):
            steps.append(step)
            if len(steps) == 13:
                raise OSError("the power went")
            return super().batch(step, batch_size, seed=seed)

    def build(parameters):
        data, run = line_data(), config(lr=parameters["lr"], checkpoint_dir=tmp_path, checkpoint_every=5)
        return Line(), Stops(data.train, data.validation_set), run

    with pytest.raises(OSError, match="power"):
        search(build, {"lr": Choice([0.1])}, storage=memory, method="grid")
    result = search(build, {"lr": Choice([0.1])}, storage=memory, method="grid")
    assert steps == [*range(13), *range(10, 20)]
    assert result.trials["steps"].tolist() == [20]


@pytest.mark.parametrize(
    "failure", [DivergedError("expected a finite loss"), torch.OutOfMemoryError("too large"), math.nan, math.inf]
)
def test_a_failing_trial_is_recorded_and_the_search_goes_on(memory, caplog, failure):
    def objective(parameters, report):
        if parameters["x"] > 0:
            if isinstance(failure, Exception):
                raise failure
            return failure
        return square(parameters, report)

    result = search(objective, LINE, storage=memory, trials=11, method="random")
    failed = result.trials["state"] == "failed"
    assert failed.tolist() == [x > 0 for x in tried(result)]
    assert 0 < failed.sum() < 11
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        f"trial {i} failed with {{'x'" for i in np.flatnonzero(failed)
    ]
    assert result.best_parameters["x"] == result.trials.loc[~failed, "x"].max()
    with pytest.raises(DivergedError, match="at least one completed trial, got 5 that failed, the last one: "):
        search(objective, {"x": Range(1, 2)}, storage=memory, trials=5, name="all fail")


def never(parameters, report):
    pytest.fail("a trial was run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": {}}, "expected a space of at least one parameter, got none"),
        ({"space": {"x": [1, 2]}}, r"expected a Range or a Choice for 'x', got \[1, 2\]"),
        ({"method": "annealing"}, r"expected method to be one of tpe, random, grid; got 'annealing'"),
        ({"pruner": "garden"}, "expected pruner to be one of .*; got 'garden'"),
        ({"trials": 0}, "expected trials to be at least 1 with method='tpe', got 0"),
        ({"trials": None}, "expected trials to be at least 1 with method='tpe', got None: say how many"),
        ({"method": "grid"}, "expected a range with a step in a grid, got Range"),
        ({"method": "grid", "space": {"x": Choice(["ab"])}}, "which has 1, got 3: leave it out"),
    ],
)
def test_a_search_that_cannot_be_is_refused(tmp_path, change, message):
    arguments = {"space": LINE, "trials": 3, "storage": tmp_path / "new", **change}
    with pytest.raises((ValueError, TypeError), match=message):
        search(never, arguments.pop("space"), **arguments)
    assert not (tmp_path / "new").exists()


def test_another_space_is_refused(memory):
    search(square, LINE, storage=memory, trials=1)
    with pytest.raises(ValueError, match=r"space has x: Range\(low=-3, .*got x: Choice.*, y: Range.*or another name"):
        search(never, {"x": Choice([1]), "y": Range(0, 1)}, storage=memory, trials=3)
    with pytest.raises(ValueError, match="whose space has x: .*, got x: nothing"):
        search(never, {"y": Range(0, 1)}, storage=memory, trials=3)
    assert len(search(square, {"y": Range(0, 1), "x": LINE["x"]}, storage=memory, trials=1, name="other").trials) == 1


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        (lambda: Range(2, 1), "low not above high, got .*low=2, high=1"),
        (lambda: Range(0, math.inf), "expected finite numbers"),
        (lambda: Range(math.nan, 1), "expected finite numbers"),
        (lambda: Range(0, 1, log=True), "expected low above 0 and no step with log=True"),
        (lambda: Range(1, 9, log=True, step=2), "expected low above 0 and no step with log=True"),
        (lambda: Range(0, 1, step=0), "expected a step above 0"),
        (lambda: Range(0, 1, step=0.3), "whole number of steps above low"),
        (lambda: Range(0.5, 2, integer=True), "expected whole numbers with integer=True"),
        (lambda: Range(0, 3, integer=True, step=1.5), "expected whole numbers with integer=True"),
        (lambda: Choice([]), "expected a list of at least one value"),
        (lambda: Choice("adam"), "expected a list of at least one value, got 'adam'"),
        (lambda: Choice([1, 2, 1]), r"expected each value once, got \[1, 2, 1\]"),
        (lambda: Choice([(64, 64)]), r"expected texts, .*got \(64, 64\): name the values by texts"),
    ],
)
def test_a_domain_that_cannot_be_is_refused(domain, message):
    with pytest.raises(ValueError, match=message):
        domain()


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (lambda: 0.5, TypeError, r"returns \(model, data, config\), got float"),
        (lambda: (Line(), line_data(), config(parallel="ddp")), ValueError, "expected parallel='none' in a search"),
        (
            lambda: (Line(), TensorBatches(line_data().train), config()),
            ValueError,
            "expected data with a validation set",
        ),
    ],
)
def test_a_builder_of_something_else_is_refused(memory, made, error, message):
    with pytest.raises(error, match=message):
        search(lambda parameters: made(), LINE, storage=memory, trials=1)


def test_an_objective_without_a_loss_is_refused(memory):
    with pytest.raises(TypeError, match="expected an objective that returns its loss, got None"):
        search(lambda parameters, report: None, LINE, storage=memory, trials=1)


def test_absent_optuna_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r'run pip install "large-models-companion\[search\]"'):
        search(never, LINE, storage=tmp_path, trials=3)


def test_optuna_is_silent_only_within(memory, capfd):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    logging.getLogger("optuna").handlers[0].stream = sys.stderr
    search(square, LINE, storage=memory, trials=2)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    with pytest.raises(OSError, match="power"):
        search(lambda p, report: (_ for _ in ()).throw(OSError("power")), LINE, storage=memory, trials=3)
    assert optuna.logging.get_verbosity() == optuna.logging.INFO


def test_a_result_shows_the_best_so_far(memory):
    result = search(square, LINE, storage=memory, trials=7, method="random")
    points, best = result.plot().get_lines()
    losses = [x**2 for x in tried(result)]
    assert points.get_ydata().tolist() == losses
    assert best.get_ydata().tolist() == np.minimum.accumulate(losses).tolist()
    assert str(result).startswith(f"best loss {min(losses):.4g} with x={result.best_parameters['x']!r}; trials: 7 comp")
