import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import reference
from companion.data import TensorBatches
from companion.models import GAN, MLP, GANConfig, MLPConfig
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
    flops = 2 * 32 * (2 * 7 * 13 + 3 * 13 * 3)  # nobody asks for the gradient of x
    for row in history.rows:
        assert row["mfu"] == pytest.approx(flops / 1e9 * row["targets_per_second"] / 32)


class Causal(nn.Module):
    """One attention, no other product; those of ``learned`` among q, k, v ask for their gradients."""

    def __init__(self, causal, learned):
        super().__init__()
        self.weight, self.causal, self.learned = nn.Parameter(torch.ones(())), causal, learned

    def loss(self, q, k, v):
        q, k, v = (x * self.weight if name in self.learned else x for name, x in zip("qkv", (q, k, v), strict=True))
        return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal).mean()


@pytest.mark.parametrize(
    ("learned", "with_scores", "with_values"),  # products as wide as q and k, and as v, of both passes
    [("qkv", 3, 3), ("q", 2, 2), ("k", 2, 2), ("v", 1, 2), ("qk", 3, 2)],
)
def test_causal_attention_counts_below_the_diagonal(learned, with_scores, with_values):
    batch = [torch.randn(2, 3, 11, width) for width in (5, 5, 7)]
    for causal, pairs in {True: 11 * 12 // 2, False: 11 * 11}.items():
        expected = 2 * (2 * 3) * pairs * (with_scores * 5 + with_values * 7)
        assert step_flops(Trainable(Causal(causal, learned)), batch) == expected


@pytest.mark.parametrize("family", reference.FAMILIES)
def test_every_familys_step_is_counted(family):
    """As torch's own counter does on a step that is computed; what fused kernels hide there stands elsewhere."""
    case = reference.make(family)
    counted = step_flops(Trainable(case.model), case.batch)
    assert counted > 0
    if family in {"gan", "sequence_classifier", "gpt", "llama", "transformer"}:  # not followed, fused, causal
        return
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        case.model.loss(*case.batch).backward()
    assert counted == counter.get_total_flops()


def test_a_gradient_within_a_loss_is_counted():
    """Products a sample, by hand, of Gulrajani's loss. Its penalty has the critic's gradient in the forward pass."""
    generator, critic = [3 * 7, 7 * 11, 11 * 5], [5 * 11, 11 * 7, 7 * 1]
    model = GAN(GANConfig(shape=(5,), hidden=(7, 11), noise=3, loss="wgan_gp"))
    learned = 3 * sum(generator) - generator[0]  # the gradient of the noise is not needed
    scored = 2 * (3 * sum(critic) - critic[0])  # real ones, and generated ones as constants
    # Forward, and the gradient of the points. Backward through that: every weight, and what came from the layer above;
    # then below, through the first two layers: their weights, and the inputs of the second.
    penalty = 2 * sum(critic) + sum(critic) + critic[0] + critic[1] + critic[0] + 2 * critic[1]
    judged = 2 * sum(critic)  # the critic's weights are constants to the generator
    assert step_flops(Trainable(model), [torch.randn(13, 5)]) == 2 * 13 * (learned + scored + penalty + judged)


def test_what_is_frozen_is_not_counted():
    model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
    model.loss = lambda x: model(x).mean()
    assert step_flops(Trainable(model), [torch.randn(11, 5)]) == 2 * 11 * (2 * 5 * 7 + 3 * 7 * 3)
    model[0].requires_grad_(False)
    assert step_flops(Trainable(model), [torch.randn(11, 5)]) == 2 * 11 * (5 * 7 + 2 * 7 * 3)


def test_a_convolution_is_counted():
    model = nn.Conv2d(2, 3, 3)
    model.loss = lambda x: model(x).mean()
    assert step_flops(Trainable(model), [torch.randn(5, 2, 7, 7)]) == 2 * 2 * 5 * 25 * 2 * 3 * 9


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
