"""Attacks: exact for linear models, inside their ball, stronger with more steps; the gradient is autograd's."""

import pytest
import torch
from torch import nn

from companion.models import MLP, MLPConfig
from companion.trust import fgsm, pgd


def linear(seed=0, inputs=6, classes=2):
    torch.manual_seed(seed)
    return nn.Linear(inputs, classes)


def test_for_a_linear_model_of_two_classes_both_are_the_worst_corner():
    model, x = linear(), torch.rand(200, 6) * 0.4 + 0.3
    y = (model(x)[:, 1] > model(x)[:, 0]).long()
    weight = (model.weight[1] - model.weight[0]).detach()
    sign = (2 * y - 1)[:, None]
    corner = x - 0.1 * sign * weight.sign()
    assert torch.allclose(fgsm(model, x, y, epsilon=0.1), corner, atol=1e-6)
    found = pgd(model, x, y, epsilon=0.1, steps=20)
    margin = ((found @ weight) + model.bias[1] - model.bias[0]).detach() * sign[:, 0]
    best = ((corner @ weight) + model.bias[1] - model.bias[0]).detach() * sign[:, 0]
    assert torch.allclose(margin, best, atol=1e-5)


def test_in_the_euclidean_ball_a_linear_margin_falls_by_epsilon_times_the_length_of_the_weights():
    model, x = linear(), torch.rand(50, 6) * 0.4 + 0.3
    y = (model(x)[:, 1] > model(x)[:, 0]).long()
    weight = (model.weight[1] - model.weight[0]).detach()
    found = pgd(model, x, y, epsilon=0.2, norm="l2", steps=30)
    fall = ((x - found) @ weight) * (2 * y - 1)
    assert fall == pytest.approx(torch.full_like(fall, 0.2 * float(weight.norm())), rel=1e-3)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("attack_bounds", [(0.0, 1.0), (-1.0, 1.0)])
def test_changes_stay_in_the_ball_and_in_the_bounds(norm, attack_bounds):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 4)).eval()
    x = torch.rand(30, 1, 4, 4)
    y = torch.randint(4, (30,))
    found = pgd(model, x, y, epsilon=0.3, norm=norm, steps=7, restarts=2, bounds=attack_bounds)
    change = (found - x).flatten(1)
    size = change.abs().amax(dim=1) if norm == "linf" else change.norm(dim=1)
    assert float(size.max()) <= 0.3 + 1e-6
    assert attack_bounds[0] <= float(found.min()) <= float(found.max()) <= attack_bounds[1]
    assert torch.equal(found, pgd(model, x, y, epsilon=0.3, norm=norm, steps=7, restarts=2, bounds=attack_bounds))


def test_nothing_changes_at_zero_and_errors_stay_errors():
    model, x = linear(classes=3), torch.rand(40, 6)
    y = torch.randint(3, (40,))
    assert torch.equal(pgd(model, x, y, epsilon=0.0), x)
    wrong = model(x).argmax(dim=1) != y
    found = pgd(model, x, y, epsilon=0.05, restarts=3)
    assert bool((model(found).argmax(dim=1) != y)[wrong].all())


def test_weights_and_their_gradients_are_left_alone():
    model, x = linear(), torch.rand(5, 6)
    pgd(model, x, torch.zeros(5, dtype=torch.int64), epsilon=0.1)
    assert all(parameter.grad is None for parameter in model.parameters())
    with torch.no_grad():  # as an evaluation may call it
        fgsm(model, x, torch.zeros(5, dtype=torch.int64), epsilon=0.1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epsilon": -0.1}, "epsilon"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"epsilon": 0.1, "norm": "l1"}, "norm"),
        ({"epsilon": 0.1, "steps": 0}, "steps"),
        ({"epsilon": 0.1, "bounds": (1, 0)}, "low < high"),
        ({"epsilon": 0.1, "bounds": (0, 0.5)}, "say bounds="),
    ],
)
def test_refusals(settings, said):
    with pytest.raises(ValueError, match=said):
        pgd(linear(), torch.rand(50, 6), torch.zeros(50, dtype=torch.int64), **settings)


def test_an_mlp_that_learned_the_digits_is_broken():
    from sklearn.datasets import load_digits as raw

    data = raw()
    x = torch.tensor(data.data / 16, dtype=torch.float32)
    y = torch.tensor(data.target)
    torch.manual_seed(0)
    model = MLP(MLPConfig(sizes=(64, 32, 10)))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(200):
        rows = torch.randint(1_400, (64,), generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        model.loss(x[rows], y[rows]).backward()
        optimizer.step()
    model.eval()
    test, truth = x[1_400:], y[1_400:]

    def right(inputs):
        return float((model(inputs).argmax(dim=1) == truth).float().mean())

    clean, one, many = (
        right(test),
        right(fgsm(model, test, truth, epsilon=0.15)),
        right(pgd(model, test, truth, epsilon=0.15)),
    )
    assert clean > 0.85
    assert many <= one < clean - 0.3
