import numpy as np
import pytest
import torch

from companion.data import TensorBatches, TokenBatches
from companion.economics.compute import parameter_count, training_flops
from companion.models import GAN, GPT, MLP, GANConfig, GPTConfig, MLPConfig
from companion.training import TrainConfig, estimate_cost, fit
from companion.training.cost import _step_memory
from companion.training.distributed import Trainable
from companion.training.utilization import step_flops

GPT_CONFIG = GPTConfig(vocab_size=211, block_size=37, n_layer=2, n_head=5, n_embd=35)


def config(**options):
    return TrainConfig(**{"steps": 5, "batch_size": 7, "precision": "fp32", "device": "cpu", **options})


@pytest.fixture
def data():
    return TokenBatches(np.random.default_rng(0).integers(0, 211, 5_003).astype(np.uint16), block_size=37)


def test_operations_are_those_of_the_formula(data):
    """Two ways that share nothing: a count on tensors without content, and the formula from the config."""
    batch = data.batch(0, 7, seed=0)
    counted = step_flops(Trainable(GPT(GPT_CONFIG)), batch)
    assert counted == pytest.approx(training_flops(GPT_CONFIG, batch=7, time=37, causal=True), rel=0.01)
    assert counted < training_flops(GPT_CONFIG, batch=7, time=37)


def test_an_estimate_leaves_no_trace(data):
    model = GPT(GPT_CONFIG)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.get_rng_state()
    predicted = estimate_cost(model, data, config())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert predicted.parameters == parameter_count(GPT_CONFIG)
    history = fit(model, data, config())
    assert "expected of the steps alone" in predicted.against(history)
    assert "operations" in str(predicted)


def memory(sizes, batch, **options):
    """Memory of a step beyond what is kept, for an MLP with ReLU."""
    model = MLP(MLPConfig(sizes=sizes))
    x, y = torch.randn(batch, sizes[0]), torch.randint(sizes[-1], (batch,))
    return _step_memory(model, [x, y], config(optimizer="sgd", **options), torch.device("cpu"))


def test_memory_is_that_of_the_tensors_that_live_at_once():
    """A wide hidden layer: of each row z, ReLU(z), and while it is made the gradient of one."""
    hidden, batch = 1_009, 997
    numbers = memory((2, hidden, 2), batch) / 4
    assert 3 * hidden * batch <= numbers <= 3.2 * hidden * batch


def test_memory_grows_in_a_line_with_the_batch_and_falls_with_half_precision():
    sizes = (31, 499, 499, 3)
    small, large = memory(sizes, 1_000), memory(sizes, 2_000)
    weights = 4 * sum(p.numel() for p in MLP(MLPConfig(sizes=sizes)).parameters())
    assert large - weights == pytest.approx(2 * (small - weights), rel=0.15)
    assert memory(sizes, 2_000, precision="bf16") < 0.75 * large


def test_what_the_optimizer_keeps_is_counted(data):
    model = MLP(MLPConfig(sizes=(5, 7, 3)))
    batch = [torch.randn(2, 5), torch.zeros(2, dtype=torch.long)]
    kept = {
        optimizer: _step_memory(model, batch, config(optimizer=optimizer), torch.device("cpu"))
        for optimizer in ("sgd", "momentum", "adamw")
    }
    weights = 4 * sum(p.numel() for p in model.parameters())
    assert kept["momentum"] - kept["sgd"] == weights
    assert kept["adamw"] - kept["sgd"] == 2 * weights
    ema = _step_memory(model, batch, config(optimizer="sgd", ema_decay=0.9), torch.device("cpu"))
    assert ema - kept["sgd"] == weights


def test_a_gradient_within_a_loss_is_estimated():
    model = GAN(GANConfig(shape=(5,), hidden=(7, 11), noise=3, loss="wgan_gp"))
    data, run = TensorBatches((torch.randn(97, 5),)), config(steps=4)
    expected = estimate_cost(model, data, run)
    assert expected.flops == 4 * step_flops(Trainable(model), data.batch(0, 7, seed=0))
    assert expected.memory > 4 * expected.parameters * 4  # weights, gradients and two moments, of four bytes each
    assert expected.seconds > 0


def test_a_model_without_a_loss_is_refused():
    data = TensorBatches((torch.zeros(9, 3),))
    with pytest.raises(TypeError, match=r"method loss\(\*batch\), got Linear"):
        estimate_cost(torch.nn.Linear(3, 1), data, config())
