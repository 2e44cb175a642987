"""companion.models.mlp against torch.nn with the weights copied, autograd, gradcheck and a network worked on paper."""

import itertools
import math
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from companion.economics.compute import forward_flops, parameter_count
from companion.models.mlp import MLP, ActivationName, LossName, MLPConfig, NormalizationName

SIZES = (5, 7, 11, 3)  # primes, so that a swapped axis fails
BATCH = 13
MODULES = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU, "silu": nn.SiLU}
MODULES["identity"] = nn.Identity
NORMS = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
CASES = [
    pytest.param(activation, loss, output, id=f"{activation}-{loss}-{output}")
    for activation, (loss, output) in itertools.product(
        get_args(ActivationName),
        [("cross_entropy", "identity"), ("binary_cross_entropy", "identity")]
        + [("squared_error", output) for output in get_args(ActivationName)],
    )
]


def make(activation="relu", loss="cross_entropy", output="identity", sizes=SIZES, dtype=torch.float64, **more) -> MLP:
    torch.manual_seed(17)
    return MLP(MLPConfig(sizes, activation=activation, loss=loss, output=output, **more)).to(dtype)


def make_normalized(normalization: NormalizationName, dropout=0.0) -> MLP:
    """With gains, shifts and running statistics that are not 1 and 0."""
    model = make("gelu", normalization=normalization, dropout=dropout)
    with torch.no_grad():
        for norm in model.norms:
            for tensor in norm.state_dict().values():
                if tensor.is_floating_point():
                    tensor.copy_(0.5 + torch.rand_like(tensor))
    return model


def peer_of(model: MLP) -> nn.Sequential:
    """Linear, normalization, activation, dropout, with the model's weights and statistics."""
    config = model.config
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(config.sizes[:-1]):
        layers += [nn.Linear(fan_in, fan_out), NORMS[config.normalization](fan_out)]
        layers += [nn.GELU(), nn.Dropout(config.dropout)]
    peer = nn.Sequential(*layers, nn.Linear(*config.sizes[-2:])).double()
    for index, layer in enumerate(model.layers):
        peer[4 * index].load_state_dict(layer.state_dict())
    for index, norm in enumerate(model.norms):
        peer[4 * index + 1].load_state_dict(norm.state_dict())
    return peer


def batch(loss: LossName, dtype=torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(19)
    x = torch.randn(BATCH, SIZES[0], generator=generator, dtype=dtype)
    if loss == "cross_entropy":
        return x, torch.randint(SIZES[-1], (BATCH,), generator=generator)
    return x, torch.rand(BATCH, SIZES[-1], generator=generator, dtype=dtype)


def reference_loss(loss: LossName, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if loss == "cross_entropy":
        return F.nll_loss(out.log_softmax(dim=1), y)
    if loss == "squared_error":
        return SIZES[-1] * F.mse_loss(out, y) / 2
    return SIZES[-1] * F.binary_cross_entropy(out.sigmoid(), y)


@pytest.mark.parametrize(("activation", "loss", "output"), CASES)
def test_forward_loss_and_gradients_equal_torch_nn(activation, loss, output):
    model = make(activation, loss, output)
    act, last = MODULES[activation], MODULES[output]
    widths = itertools.pairwise(SIZES)
    first, second, third = (nn.Linear(fan_in, fan_out).double() for fan_in, fan_out in widths)
    peer = nn.Sequential(first, act(), second, act(), third, last())
    with torch.no_grad():
        for ours, theirs in zip(model.parameters(), peer.parameters(), strict=True):
            theirs.copy_(ours)
    x, y = batch(loss)

    torch.testing.assert_close(model(x), peer(x), rtol=0, atol=1e-14)
    expected = reference_loss(loss, peer(x), y)
    torch.testing.assert_close(model.loss(x, y), expected, rtol=0, atol=1e-13)
    expected.backward()
    found = model.gradients(x, y)
    assert list(found) == [name for name, _ in model.named_parameters()]
    for ours, theirs in zip(found.values(), peer.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("normalization", get_args(NormalizationName))
def test_normalization_and_dropout_equal_torch_nn(normalization, dropout, training):
    model = make_normalized(normalization, dropout).train(training)
    peer = peer_of(model).train(training)
    x, _ = batch("cross_entropy")
    for _ in range(3):  # running statistics move from one to the next
        torch.manual_seed(23)
        expected = peer(x)
        torch.manual_seed(23)
        torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-14)
    for index, norm in enumerate(model.norms):
        for name, tensor in peer[4 * index + 1].state_dict().items():
            torch.testing.assert_close(norm.state_dict()[name], tensor, rtol=0, atol=1e-14)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_hand_gradients_through_normalization_equal_autograd(normalization, training):
    model, again = make_normalized(normalization).train(training), make_normalized(normalization).train(training)
    x, y = batch("cross_entropy")
    model.loss(x, y).backward()
    found = again.gradients(x, y)
    assert list(found) == [name for name, _ in model.named_parameters()]
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, model.get_parameter(name).grad, rtol=0, atol=1e-12)
    for name, buffer in model.named_buffers():  # running statistics: gradients moves them as loss does
        assert torch.equal(again.get_buffer(name), buffer)


def test_hand_gradients_refuse_another_dropout_mask():
    model = make(dropout=0.3)
    x, y = batch("cross_entropy")
    with pytest.raises(ValueError, match="no dropout in training mode, got dropout=0.3.*call eval"):
        model.gradients(x, y)
    model.eval().loss(x, y).backward()
    for name, gradient in model.gradients(x, y).items():
        torch.testing.assert_close(gradient, model.get_parameter(name).grad, rtol=0, atol=1e-12)


def test_options_do_not_change_the_initial_weights():
    plain = dict(make().named_parameters())
    model = make(normalization="layer", dropout=0.3)
    assert all(torch.equal(model.get_parameter(name), value) for name, value in plain.items())
    assert list(plain) == [f"layers.{index}.{kind}" for index in range(3) for kind in ("weight", "bias")]


@pytest.mark.parametrize("normalization", get_args(NormalizationName))
def test_counts(normalization):
    config = MLPConfig(SIZES, normalization=normalization)
    assert parameter_count(config) == sum(p.numel() for p in MLP(config).parameters())
    assert forward_flops(config, batch=BATCH) == 2 * BATCH * (5 * 7 + 7 * 11 + 11 * 3)


@pytest.mark.parametrize(("activation", "loss", "output"), CASES)
def test_hand_gradients_equal_autograd(activation, loss, output):
    model = make(activation, loss, output)
    x, y = batch(loss)
    model.loss(x, y).backward()
    for name, gradient in model.gradients(x, y).items():
        torch.testing.assert_close(gradient, model.get_parameter(name).grad, rtol=0, atol=1e-12)
        assert not gradient.requires_grad
        assert gradient.abs().max() > 0  # a comparison of zeros would prove nothing


@pytest.mark.parametrize("loss", get_args(LossName))
def test_gradcheck(loss):
    model = make("tanh", loss)
    x, y = batch(loss)
    names, values = zip(*model.named_parameters(), strict=True)

    def of_parameters(*parameters):
        return torch.func.functional_call(_Loss(model), dict(zip(prefixed, parameters, strict=True)), (x, y))

    prefixed = [f"model.{name}" for name in names]
    assert torch.autograd.gradcheck(of_parameters, values)


class _Loss(nn.Module):
    """functional_call calls forward; this makes the loss the forward."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x, y):
        return self.model.loss(x, y)


def test_a_network_worked_on_paper():
    """3-2-1, ReLU then sigmoid, x = (1, 0, 1), y = 0.9: z = (0.9, 0.2), then 0.6·0.9 − 0.5·0.2 + 0.1 = 0.54."""
    model = make(loss="squared_error", output="sigmoid", sizes=(3, 2, 1))
    weights = ([[0.5, -0.2, 0.3], [0.4, 0.1, -0.1]], [0.1, -0.1], [[0.6, -0.5]], [0.1])
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), weights, strict=True):
            parameter.copy_(torch.tensor(value, dtype=torch.float64))
    x = torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64)
    y = torch.tensor([[0.9]], dtype=torch.float64)

    y_hat = 1 / (1 + math.exp(-0.54))
    delta = (y_hat - 0.9) * y_hat * (1 - y_hat)
    assert model(x).item() == pytest.approx(y_hat, abs=1e-15)
    assert model.loss(x, y).item() == pytest.approx((y_hat - 0.9) ** 2 / 2, abs=1e-15)
    expected = ([[0.6, 0, 0.6], [-0.5, 0, -0.5]], [0.6, -0.5], [[0.9, 0.2]], [1.0])
    for gradient, multiple in zip(model.gradients(x, y).values(), expected, strict=True):
        torch.testing.assert_close(gradient, delta * torch.tensor(multiple, dtype=torch.float64), rtol=0, atol=1e-15)


def test_relu_kink_follows_autograd():
    model = make(loss="squared_error", sizes=(2, 3, 1))
    with torch.no_grad():
        model.layers[0].weight.zero_()
        model.layers[0].bias.zero_()  # every z of the hidden layer is exactly 0
    x, y = torch.ones(1, 2).double(), torch.ones(1, 1).double()
    model.loss(x, y).backward()
    gradient = model.gradients(x, y)["layers.0.weight"]
    assert torch.equal(gradient, model.layers[0].weight.grad)
    assert torch.equal(gradient, torch.zeros(3, 2).double())


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_huge_logits_stay_finite(loss):
    model = make(loss=loss)
    x, y = batch(loss)
    assert model.loss(1e6 * x, y).isfinite()
    assert all(gradient.isfinite().all() for gradient in model.gradients(1e6 * x, y).values())


@pytest.mark.parametrize("loss", get_args(LossName))
def test_loss_runs_under_autocast(loss):
    model = make(loss=loss, dtype=torch.float32)
    x, y = batch(loss, torch.float32)
    expected = model.loss(x, y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model.loss(x, y)
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0)


def test_gradient_steps_lower_the_loss():
    model = make()
    x, y = batch("cross_entropy")
    before = model.loss(x, y).item()
    for _ in range(50):
        for name, gradient in model.gradients(x, y).items():
            model.get_parameter(name).data.sub_(0.5 * gradient)
    assert model.loss(x, y).item() < before / 2


def test_no_hidden_layer_is_a_linear_classifier():
    model = make(sizes=(SIZES[0], SIZES[-1]))
    x, y = batch("cross_entropy")
    residual = model(x).softmax(dim=1) - F.one_hot(y, SIZES[-1])
    torch.testing.assert_close(model.gradients(x, y)["layers.0.weight"], residual.T @ x / BATCH)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (5,)}, "at least two layers of at least one unit, got"),
        ({"sizes": (5, 0, 3)}, "at least two layers of at least one unit, got"),
        ({"activation": "softplus"}, "expected activation to be one of .* got 'softplus'"),
        ({"output": "softmax"}, "expected output to be one of .* got 'softmax'"),
        ({"loss": "mse"}, "expected loss to be one of .* got 'mse'"),
        ({"normalization": "group"}, "expected normalization to be one of .* got 'group'"),
        ({"dropout": 1.0}, "expected dropout in .*, got 1.0"),
        ({"output": "sigmoid"}, "expected output='identity' with loss='cross_entropy', .* drop output"),
        ({"sizes": (5, 1)}, "two outputs with loss='cross_entropy', .* choose loss='binary_cross_entropy'"),
    ],
)
def test_config_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        MLPConfig(**({"sizes": SIZES} | options))


@pytest.mark.parametrize("method", ["loss", "gradients"])
@pytest.mark.parametrize(
    ("loss", "change", "message"),
    [
        ("cross_entropy", lambda x, y: (x[0], y), r"x of shape \[batch, 5\] .* got \[5\] .*; flatten"),
        ("cross_entropy", lambda x, y: (x[:, :4], y), r"x of shape \[batch, 5\] .* got \[13, 4\]"),
        ("cross_entropy", lambda x, y: (x[:0], y[:0]), r"at least one element, got \[0, 5\]"),
        ("cross_entropy", lambda x, y: (x.float(), y), r"dtype torch.float64, got .* torch.float32; .* with x.to"),
        ("cross_entropy", lambda x, y: (x, y[:-1]), r"y of shape \[13\] .* got \[12\] .* takes: reshape or convert it"),
        ("cross_entropy", lambda x, y: (x, y.double()), r"dtype torch.int64, got \[13\] and torch.float64"),
        ("cross_entropy", lambda x, y: (x, y + 1), "expected y from 0 to 2, got 1 to 3; .* number the classes from 0"),
        ("cross_entropy", lambda x, y: (x, y - 1), "expected y from 0 to 2, got -1 to 1"),
        ("squared_error", lambda x, y: (x, y[:, 0]), r"y of shape \[13, 3\] .* got \[13\] .* never broadcast"),
        ("binary_cross_entropy", lambda x, y: (x, y.float()), r"torch.float64, got \[13, 3\] and torch.float32"),
        ("binary_cross_entropy", lambda x, y: (x, y + 1), "expected y from 0 to 1, got .* scale the targets"),
        ("binary_cross_entropy", lambda x, y: (x, y * torch.nan), "expected y from 0 to 1, got nan to nan"),
    ],
)
def test_bad_batches_are_refused(method, loss, change, message):
    model = make(loss=loss)
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(*change(*batch(loss)))


@pytest.mark.parametrize("method", ["loss", "gradients"])
def test_batch_normalization_refuses_one_row_in_training(method):
    model, (x, y) = make(normalization="batch"), batch("cross_entropy")
    with pytest.raises(ValueError, match="at least two rows for normalization='batch' in training mode, got one"):
        getattr(model, method)(x[:1], y[:1])
    assert getattr(model.eval(), method)(x[:1], y[:1])
