"""One step: micro-batches, half precision, guards, the mean of the weights."""

import logging
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from companion import runtime
from companion.data import TensorBatches
from companion.models import MLP, MLPConfig
from companion.training import DivergedError, TrainConfig, fit
from companion.training.distributed import World
from companion.training.step import Stepper


def mlp():
    torch.manual_seed(5)
    return MLP(MLPConfig(sizes=(7, 13, 3)))


@pytest.fixture
def data():
    x = torch.randn(61, 7)
    return TensorBatches((x, x[:, :3].argmax(dim=1)), (x[:11], x[:11, :3].argmax(dim=1)))


def config(**options):
    return TrainConfig(**{"steps": 17, "batch_size": 23, "lr": 1e-2, "precision": "fp32", "device": "cpu", **options})


def losses(history):
    return [row["loss"] for row in history.rows]


class Masked(nn.Module):
    """Scores only the targets that are not marked: micro-batches differ in how many they hold."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(7, 3)

    def loss(self, x, y):
        return F.cross_entropy(self.layer(x), y, ignore_index=-100)

    def n_targets(self, x, y):
        return int((y != -100).sum())


@pytest.mark.parametrize("rows", [1, 5, 23])
def test_micro_batches_add_up_to_the_batch(data, rows):
    whole, parts = mlp(), mlp()
    expected = fit(whole, data, config())
    found = fit(parts, data, config(micro_batch_size=rows))
    assert losses(found) == pytest.approx(losses(expected), rel=1e-5)
    for p, q in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(p, q, atol=1e-5, rtol=1e-4)


def test_each_target_counts_once_in_micro_batches(data):
    x, y = data.train
    y = torch.where(torch.arange(len(y)) % 3 == 0, -100, y)
    torch.manual_seed(5)
    whole = Masked()
    parts = Masked()
    parts.load_state_dict(whole.state_dict())
    expected = fit(whole, TensorBatches((x, y)), config(optimizer="sgd"))
    found = fit(parts, TensorBatches((x, y)), config(optimizer="sgd", micro_batch_size=4))
    assert losses(found) == pytest.approx(losses(expected), rel=1e-5)
    torch.testing.assert_close(whole.layer.weight, parts.layer.weight)


class Small(MLP):
    """A model on a device with room for a few rows."""

    def __init__(self, config, room):
        super().__init__(config)
        self.room, self.asked = room, []

    def loss(self, x, y):
        self.asked.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory (simulated)")
        return super().loss(x, y)


@pytest.mark.parametrize("room", [23, 7, 1])
def test_out_of_memory_halves_the_micro_batch_and_keeps_the_batch(data, caplog, room):
    expected = fit(mlp(), data, config())
    torch.manual_seed(5)
    model = Small(MLPConfig(sizes=(7, 13, 3)), room)
    with caplog.at_level(logging.WARNING):
        found = fit(model, data, config())
    assert losses(found) == pytest.approx(losses(expected), rel=1e-5)
    sizes = {23: [], 7: [12, 6], 1: [12, 6, 3, 2, 1]}[room]
    wanted = [f"out of memory: going on with micro_batch_size={rows}; the batch stays 23" for rows in sizes]
    assert [record.getMessage() for record in caplog.records] == wanted


def test_what_does_not_fit_at_all_is_passed_on(data):
    model = Small(MLPConfig(sizes=(7, 13, 3)), room=0)
    with pytest.raises(torch.OutOfMemoryError):
        fit(model, data, config())


def test_another_error_is_not_taken_for_out_of_memory(data):
    class Broken(MLP):
        def loss(self, x, y):
            raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        fit(Broken(MLPConfig(sizes=(7, 13, 3))), data, config())


class Spoiled(MLP):
    """From its fourth step on a gradient or the loss is not finite."""

    def __init__(self, config, where):
        super().__init__(config)
        self.where, self.calls = where, 0

    def loss(self, x, y):
        self.calls += self.training
        loss = super().loss(x, y)
        if self.calls < 4:
            return loss
        if self.where == "loss":
            return loss * math.nan
        weight = self.layers[1].weight.sum()
        return loss + torch.sqrt(weight - weight.detach())  # 0, with an infinite gradient


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            "loss",
            r"got loss nan .* \(that of layers.0.weight first\) in step 4; the weights are those before it",
        ),
        ("gradient", r"got loss [0-9.]+ and gradient norm (inf|nan) \(that of layers.1.weight first\) in step 4"),
    ],
)
def test_what_is_not_finite_stops_with_step_parameter_and_checkpoint(data, tmp_path, where, message):
    model = Spoiled(MLPConfig(sizes=(7, 13, 3)), where)
    run = config(checkpoint_dir=tmp_path, checkpoint_every=2)
    with pytest.raises(DivergedError, match=message) as caught:
        fit(model, data, run)
    assert str(tmp_path / "step-00000002") in str(caught.value)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in model.parameters())


def stepper(model, scale):
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=10_000)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, fused=True)
    precision = runtime.pick_precision("fp16", torch.device("cpu"))
    return Stepper(model, model, [optimizer], precision, math.inf, World(), scaler, None)


class Tiny(nn.Module):
    """Its gradients are smaller than float16's smallest number."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 1, bias=False)
        nn.init.zeros_(self.layer.weight)

    def forward(self, x, y):
        return (self.layer(x) * 1e-4).mean() * 1e-5 + 0 * y.sum()


def test_scaling_saves_gradients_that_float16_would_lose():
    x, y = torch.ones(3, 5), torch.zeros(3)
    moved = {}
    for scale in (1.0, 2.0**14):
        model = Tiny()
        stepper(model, scale).step((x, y), 1.0)
        moved[scale] = model.layer.weight.detach().clone()
    assert torch.equal(moved[1.0], torch.zeros(1, 5))
    torch.testing.assert_close(moved[2.0**14], torch.full((1, 5), -1e-9), rtol=0.01, atol=0)


def test_a_float16_step_that_overflows_is_left_out():
    class Huge(Tiny):
        def forward(self, x, y):
            return (self.layer(x) * 1e3).mean() + 0 * y.sum()

    model = Huge()
    steps = stepper(model, 2.0**16)
    _, norm = steps.step((torch.ones(3, 5), torch.zeros(3)), 1.0)
    assert not math.isfinite(norm)
    assert torch.equal(model.layer.weight, torch.zeros(1, 5))
    assert steps.scaler.get_scale() == 2.0**15


def test_fp16_learns(data):
    history = fit(mlp(), data, config(precision="fp16", steps=60))
    assert losses(history)[-1] < losses(history)[0] / 2


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "sgd"])
def test_follows_torch_optimizers(data, optimizer):
    model, reference = mlp(), mlp()
    fit(model, data, config(optimizer=optimizer, schedule="constant", grad_clip=math.inf, weight_decay=0.02))
    groups = [
        {"params": [p for p in reference.parameters() if p.ndim >= 2], "weight_decay": 0.02},
        {"params": [p for p in reference.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    make = {
        "adam": lambda: torch.optim.Adam(groups, lr=1e-2, betas=(0.9, 0.95)),
        "momentum": lambda: torch.optim.SGD(groups, lr=1e-2, momentum=0.9),
        "sgd": lambda: torch.optim.SGD(groups, lr=1e-2),
    }
    theirs = make[optimizer]()
    for step in range(17):
        reference.loss(*data.batch(step, 23, seed=0)).backward()
        theirs.step()
        theirs.zero_grad()
    for p, q in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(p, q)


@pytest.mark.parametrize("ema_decay", [0.05, 0.5, 0.9])  # the last stays above t / (t + 10) for all 17 steps
def test_the_mean_of_the_weights_is_what_the_formula_says(data, ema_decay):
    class Follows(MLP):
        """Notes the weights before each step."""

        def __init__(self, config):
            super().__init__(config)
            self.weights = []

        def loss(self, x, y):
            if self.training:
                self.weights.append(self.layers[0].weight.detach().clone())
            return super().loss(x, y)

    torch.manual_seed(5)
    model, plain = Follows(MLPConfig(sizes=(7, 13, 3))), mlp()
    fit(model, data, config(ema_decay=ema_decay))
    fit(plain, data, config())
    mean = model.weights[0]
    for step, weights in enumerate([*model.weights[1:], plain.layers[0].weight.detach()], start=1):
        decay = min(ema_decay, step / (step + 10))
        mean = decay * mean + (1 - decay) * weights
    torch.testing.assert_close(model.layers[0].weight, mean)


def test_validation_uses_the_mean_and_resuming_keeps_it(data, tmp_path):
    options = {"ema_decay": 0.9, "eval_every": 5, "checkpoint_every": 1}
    whole = mlp()
    expected = fit(whole, data, config(**options, checkpoint_dir=tmp_path / "whole"))
    assert expected.validation.iloc[-1] == pytest.approx(whole.loss(*data.validation_set).item(), rel=1e-6)

    class Stops(TensorBatches):
        def batch(self, step, batch_size, *, seed):
            if step == 8:
                raise OSError("the power went")
            return super().batch(step, batch_size, seed=seed)

    run = config(**options, checkpoint_dir=tmp_path / "halves")
    with pytest.raises(OSError, match="power"):
        fit(mlp(), Stops(data.train, data.validation_set), run)
    resumed = mlp()
    assert fit(resumed, data, run).validation.equals(expected.validation)
    assert all(torch.equal(p, q) for p, q in zip(whole.parameters(), resumed.parameters(), strict=True))
