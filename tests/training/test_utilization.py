import pytest
import torch
from torch import nn

import reference
from companion.data import TensorBatches
from companion.models import MLP, MLPConfig
from companion.training import TrainConfig, fit
from companion.training.distributed import Trainable
from companion.training.utilization import step_flops


def test_utilization_is_operations_over_time_over_peak(monkeypatch):
    """On a CPU that is said to have a peak of 1 GFLOP/s."""
    monkeypatch.setattr("companion.runtime.dense_peak", lambda device, dtype: 1e9)
    x = torch.randn(64, 7)
    model = MLP(MLPConfig(sizes=(7, 13, 3)))
    history = fit(
        model,
        TensorBatches((x, x[:, :3].argmax(dim=1))),
        TrainConfig(steps=4, batch_size=32, precision="fp32", device="cpu"),
    )
    flops = 3 * 2 * 32 * (7 * 13 + 13 * 3)
    for row in history.rows:
        assert row["mfu"] == pytest.approx(flops / 1e9 * row["targets_per_second"] / 32)


class Causal(nn.Module):
    """One attention, no other product."""

    def __init__(self, causal):
        super().__init__()
        self.weight, self.causal = nn.Parameter(torch.ones(())), causal

    def loss(self, q):
        return nn.functional.scaled_dot_product_attention(q * self.weight, q, q, is_causal=self.causal).mean()


def test_causal_attention_counts_below_the_diagonal():
    q = torch.randn(2, 3, 11, 5)
    pairs = {True: 11 * 12 / 2, False: 11 * 11}
    for causal, count in pairs.items():
        assert step_flops(Trainable(Causal(causal)), [q]) == 3 * 2 * (2 * 3) * count * (5 + 5)


# A critic's gradient penalty is a gradient within the loss, which torch's counter does not follow.
@pytest.mark.parametrize("family", [family for family in reference.FAMILIES if family != "gan"])
def test_every_familys_step_is_counted(family):
    """A forward pass is in the step, whose loss may do more, such as a second network's or a contrast's products."""
    case = reference.make(family)
    assert step_flops(Trainable(case.model), case.batch) > 0


def test_a_convolution_is_counted():
    model = nn.Conv2d(2, 3, 3)
    model.loss = lambda x: model(x).mean()
    assert step_flops(Trainable(model), [torch.randn(5, 2, 7, 7)]) == 3 * 2 * 5 * 25 * 2 * 3 * 9


@pytest.mark.slow  # a C++ compiler is at work
@pytest.mark.usefixtures("annotations_unchecked")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of each other
def test_a_compiled_run_learns_what_the_plain_one_does():
    x = torch.randn(64, 7)
    data = TensorBatches((x, x[:, :3].argmax(dim=1)), (x, x[:, :3].argmax(dim=1)))
    losses = {}
    for compiled in (False, True):
        torch.manual_seed(5)
        model = MLP(MLPConfig(sizes=(7, 13, 3)))
        config = TrainConfig(steps=5, batch_size=32, precision="fp32", device="cpu", compile=compiled)
        losses[compiled] = [row["loss"] for row in fit(model, data, config).rows]
    assert losses[True] == pytest.approx(losses[False], rel=1e-5)
