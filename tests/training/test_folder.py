"""What a run leaves beside its checkpoints, and what a history shows."""

import json
import sys

import matplotlib.pyplot as plt
import pytest
import torch

from companion.data import TensorBatches
from companion.models import MLP, MLPConfig
from companion.training import History, TrainConfig, fit


@pytest.fixture
def data():
    x = torch.randn(61, 7)
    return TensorBatches((x, x[:, :3].argmax(dim=1)), (x[:11], x[:11, :3].argmax(dim=1)))


def run(data, folder, **options):
    config = {"steps": 6, "batch_size": 23, "precision": "fp32", "device": "cpu", "eval_every": 3, **options}
    return fit(MLP(MLPConfig(sizes=(7, 13, 3))), data, TrainConfig(checkpoint_dir=folder, **config))


def test_a_folder_says_how_and_where_it_was_made(tmp_path, data):
    run(data, tmp_path, lr=0.125)
    assert json.loads((tmp_path / "config.json").read_text())["lr"] == 0.125
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert environment["torch"] == torch.__version__.partition("+")[0] or environment["torch"] == torch.__version__
    assert environment["python"] == sys.version.split()[0]


def test_a_refused_run_leaves_the_folder_as_it_was(tmp_path, data):
    run(data, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(ValueError, match=r"which has lr=0.001, got lr=0.5: use the same"):
        run(data, tmp_path, lr=0.5)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_tensorboard_reads_what_was_recorded(tmp_path, data, monkeypatch):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    history = run(data, tmp_path, tensorboard=True)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    losses = [(event.step, pytest.approx(event.value)) for event in events.Scalars("loss")]
    assert [(row["step"], row["loss"]) for row in history.rows] == losses
    assert [event.step for event in events.Scalars("validation_loss")] == [3, 6]


def test_a_missing_tensorboard_is_named(tmp_path, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        run(data, tmp_path, tensorboard=True)


def test_rates_and_memory_are_recorded(tmp_path, data):
    frame = run(data, tmp_path).frame
    assert (frame["targets_per_second"] > 0).all()
    assert (frame["memory"] > 50e6).all()  # torch alone takes more
    assert frame["mfu"].isna().all()  # there is no peak to go by on a CPU


def test_the_plot_shows_both_losses(tmp_path, data):
    history = run(data, tmp_path)
    training, validation = history.plot().lines
    assert list(training.get_ydata()) == [row["loss"] for row in history.rows]
    assert list(validation.get_xdata()) == [3, 6]
    plt.close("all")


def test_a_history_without_steps_says_so():
    assert str(History()) == "no step recorded"
    assert History().best_step is None
