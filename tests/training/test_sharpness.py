"""The sharpness against the whole Hessian, which is formed here and only here."""

import pytest
import torch
from torch import nn

from companion.models import GPT, MLP, GPTConfig, MLPConfig
from companion.training import sharpness


def whole_hessian(model, *batch):
    """The Hessian of the loss by all parameters, row by row."""
    names = list(dict(model.named_parameters()))
    shapes = [p.shape for p in model.parameters()]

    def loss(flat):
        parts = flat.split([shape.numel() for shape in shapes])
        state = {name: part.view(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}
        return torch.func.functional_call(Loss(model), {f"model.{name}": v for name, v in state.items()}, batch)

    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        flat = torch.cat([p.detach().flatten() for p in model.parameters()])
        return torch.autograd.functional.hessian(loss, flat)


class Loss(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *batch):
        return self.model.loss(*batch)


class Quadratic(nn.Module):
    """L = wᵀ A w / 2, whose Hessian is A everywhere."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = matrix
        self.w = nn.Parameter(torch.ones(len(matrix), dtype=matrix.dtype))

    def loss(self):
        return self.w @ self.matrix @ self.w / 2


def mlp(loss):
    model = MLP(MLPConfig(sizes=(7, 5, 3), activation="tanh", loss=loss)).double()
    x = torch.randn(11, 7, dtype=torch.float64)
    y = torch.randint(3, (11,)) if loss == "cross_entropy" else torch.randn(11, 3, dtype=torch.float64)
    return model, x, y


def gpt():
    model = GPT(GPTConfig(vocab_size=11, block_size=5, n_layer=1, n_head=2, n_embd=4)).double()
    return model, torch.randint(11, (3, 5)), torch.randint(11, (3, 5))


@pytest.mark.parametrize("make", [lambda: mlp("cross_entropy"), lambda: mlp("squared_error"), gpt])
def test_is_the_largest_eigenvalue_of_the_whole_hessian(make):
    model, *batch = make()
    found = sharpness(model, *batch, tolerance=1e-6, max_products=20_000)
    values, vectors = torch.linalg.eigh(whole_hessian(model, *batch))
    assert found.value == pytest.approx(values[-1].item(), rel=1e-9)
    flat = torch.cat([each.flatten() for each in found.direction])
    assert abs(flat @ vectors[:, -1]).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("eigenvalues", "largest"),
    [([5.0, 1.0, -2.0], 5.0), ([3.0, 1.0, -7.0], 3.0), ([-1.0, -2.0, -7.0], -1.0), ([0.0, 0.0, -7.0], 0.0)],
)
def test_a_larger_negative_eigenvalue_does_not_hide_the_largest(eigenvalues, largest):
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    model = Quadratic(turn @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ turn.T)
    assert sharpness(model, tolerance=1e-8).value == pytest.approx(largest, abs=1e-9)


def test_tolerance_bounds_the_error_and_a_direction_saves_products():
    matrix = torch.diag(torch.linspace(1, 2, 13, dtype=torch.float64))
    model = Quadratic(matrix)
    rough, fine = sharpness(model, tolerance=1e-2), sharpness(model, tolerance=1e-4)
    assert rough.products < fine.products
    assert abs(rough.value - 2) < 1e-2 * 2 > 100 * abs(fine.value - 2)
    again = sharpness(model, tolerance=1e-4, direction=fine.direction)
    assert again.products == 1


def test_leaves_the_model_alone(device):
    model, x, y = mlp("cross_entropy")
    model, x, y = model.to(device), x.to(device), y.to(device)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.loss(x, y).backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    found = sharpness(model, x, y)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(torch.equal(a, p.grad) for a, p in zip(gradients, model.parameters(), strict=True))
    assert [d.device.type for d in found.direction] == [device.type] * len(gradients)


def test_frozen_parameters_do_not_count():
    model, x, y = mlp("squared_error")
    for parameter in model.layers[0].parameters():
        parameter.requires_grad = False
    hidden = torch.tanh(model.layers[0](x))
    ones = torch.cat([hidden, torch.ones(11, 1, dtype=torch.float64)], dim=1)
    expected = torch.linalg.eigvalsh(ones.T @ ones / 11)[-1].item()  # linear in what is left
    assert sharpness(model, x, y, tolerance=1e-6).value == pytest.approx(expected, rel=1e-9)


def test_refuses_what_has_no_answer():
    model = Quadratic(torch.eye(3, dtype=torch.float64))
    with pytest.raises(ValueError, match="tolerance > 0, got 1 parameters and 0"):
        sharpness(model, tolerance=0)
    with pytest.raises(ValueError, match=r"shapes \[\(3,\)\], got \[\(2,\)\]"):
        sharpness(model, direction=[torch.ones(2)])
    with pytest.raises(ValueError, match="Hessian of 0"):
        sharpness(Quadratic(torch.zeros(3, 3)))
    opposite = Quadratic(torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64)))
    with pytest.raises(ValueError, match="max_products=50 more"):
        sharpness(opposite, max_products=50)
    model.w.requires_grad = False
    with pytest.raises(ValueError, match="got 0 parameters"):
        sharpness(model)
