"""Checkpoints that are damaged, kept, shared or in use."""

import json
import logging
import math
import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from lines import BestAt, Line, config, line_data

from companion.data import TensorBatches
from companion.training import History, checkpoint, fit, random_state
from companion.training.history import Best


@pytest.fixture
def data():
    return line_data()


def steps_in(folder):
    return [found.step for found in checkpoint.all_in(folder)]


def damage_file(path, how):
    if how == "flipped":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()


FILES = ["model.safetensors", "optimizer.safetensors", "average.safetensors", "state.json", "checksums.json"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["flipped", "truncated", "missing"])
def test_a_damaged_checkpoint_is_reported_and_the_one_before_is_used(tmp_path, data, caplog, name, how):
    whole = Line()
    fit(whole, data, config(tmp_path, checkpoint_every=20))
    damage_file(tmp_path / "step-00000023" / name, how)
    with caplog.at_level(logging.WARNING):
        resumed = Line()
        history = fit(resumed, data, config(tmp_path, checkpoint_every=20))
    assert torch.equal(whole.weight, resumed.weight)
    assert len(history.rows) == 23
    [message] = [record.getMessage() for record in caplog.records]
    assert "step-00000023 is damaged" in message
    assert checkpoint.damage(checkpoint.all_in(tmp_path)[-1]) == ""  # it was written again


def test_only_damaged_checkpoints_are_refused(tmp_path, data):
    fit(Line(), data, config(tmp_path))
    damage_file(tmp_path / "step-00000023" / "model.safetensors", "missing")
    with pytest.raises(ValueError, match=r"got only damaged ones \(the oldest: no model.safetensors\)"):
        fit(Line(), data, config(tmp_path))


class Bomb:
    """A pickle that does harm where it is read."""

    def __reduce__(self):
        return (pytest.fail, ("the pickle was read",))


def test_a_pickle_is_refused_unread(tmp_path, data):
    fit(Line(), data, config(tmp_path))
    torch.save({"weight": Bomb()}, tmp_path / "step-00000023" / "model.safetensors")
    with pytest.raises(ValueError, match="model.safetensors not as written"):
        fit(Line(), data, config(tmp_path))


def test_the_best_is_kept_beside_the_newest(tmp_path, data):
    history = fit(BestAt(10), data, config(tmp_path, eval_every=5, checkpoint_every=1, keep_checkpoints=2))
    assert history.best_step == 10
    assert steps_in(tmp_path) == [10, 22, 23]


def test_patience_stops_and_gives_the_best_weights_back(tmp_path, data):
    run = config(tmp_path, steps=60, eval_every=2, patience=3)
    model = BestAt(10)
    history = fit(model, data, run)
    assert history.stopped_early
    assert history.best_step == 10
    assert len(history.rows) == 16  # three validations after step 10
    assert model.steps.item() == 10
    assert "stopped early: step 10 was best" in str(history)
    again = BestAt(10)
    assert fit(again, data, run).rows == history.rows
    assert torch.equal(again.weight, model.weight)


class WithoutANumber(BestAt):
    """Its validation loss is NaN until a step."""

    def __init__(self, until):
        super().__init__(10)
        self.until = until

    def loss(self, x, y):
        return super().loss(x, y) * (1 if self.training or self.steps > self.until else float("nan"))


def test_a_validation_loss_that_is_no_number_is_never_the_best(tmp_path, data):
    run = config(tmp_path / "some", steps=60, eval_every=2, patience=3)
    history = fit(WithoutANumber(until=5), data, run)
    assert math.isnan(history.rows[1]["validation_loss"])
    assert (history.best_step, len(history.rows)) == (10, 16)
    assert History(history.rows, earlier_best=Best(float("nan"), 1)).best_step == 10
    history = fit(WithoutANumber(until=60), data, config(tmp_path / "none", steps=60, eval_every=2, patience=3))
    assert (history.best, len(history.rows)) == (None, 6)  # three validations
    assert "stopped early: no validation loss was a number" in str(history)


def test_the_log_holds_every_step_once(tmp_path, data):
    """A run that stopped between two checkpoints wrote rows that the resumed one must not repeat."""
    history = fit(Line(), data, config(tmp_path, checkpoint_every=20))
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == history.rows
    damage_file(tmp_path / "step-00000023" / "state.json", "missing")
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 24, "lo')  # the power went
    again = fit(Line(), data, config(tmp_path, checkpoint_every=20))
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 24)) == [row["step"] for row in again.rows]


def test_a_second_run_in_the_folder_is_refused(tmp_path, data):
    class Second(TensorBatches):
        def batch(self, step, batch_size, *, seed):
            if step == 3:
                with pytest.raises(ValueError, match="expected no other run in .*, got one at work"):
                    fit(Line(), data, config(tmp_path))
            return super().batch(step, batch_size, seed=seed)

    history = fit(Line(), Second(data.train, data.validation_set), config(tmp_path))
    assert len(history.rows) == 23


def test_all_generators_go_on_where_they_were(tmp_path):
    def draw():
        return [torch.rand(1).item(), random.gauss(0, 1), np.random.normal(), np.random.rand()]  # noqa: NPY002

    draw()  # leaves half a pair of normal numbers behind in both libraries
    states = random_state.capture()
    expected = [draw(), draw()]
    random_state.restore(states)
    assert [draw(), draw()] == expected


@pytest.mark.parametrize("left", [".part-7", ".part-23"])  # of an earlier step, and of the one that is written again
def test_what_an_interrupted_write_left_is_removed(tmp_path, data, left):
    (tmp_path / left).mkdir()
    (tmp_path / left / "some").touch()
    fit(Line(), data, config(tmp_path))
    assert not list(tmp_path.glob(".part-*"))
    assert steps_in(tmp_path) == [23]


def test_all_is_on_the_disk_before_a_checkpoint_has_its_name_and_no_file_stays_open(tmp_path, monkeypatch):
    steps, descriptors, sync, rename = [], [], os.fsync, Path.rename

    def synced(descriptor):
        steps.append(os.fstat(descriptor).st_ino)
        descriptors.append(descriptor)
        sync(descriptor)

    def renamed(part, target):
        steps.append("renamed")
        return rename(part, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    checkpoint.write(tmp_path, 7, {name: {"weight": torch.ones(3)} for name in FILES[:3]}, {})
    folder = tmp_path / "step-00000007"
    written = {path.stat().st_ino for path in (folder, *(folder / name for name in FILES))}
    assert set(steps[:6]) == written
    assert steps[6:] == ["renamed", tmp_path.stat().st_ino]
    for descriptor in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
