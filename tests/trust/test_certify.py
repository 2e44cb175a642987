"""Certificates: exact for one layer, never wrong for many, differentiable, and smoothing held to its limits."""

import math

import pytest
import torch
from scipy.stats import norm
from torch import nn

from companion.models import MLP, MLPConfig
from companion.trust import certified, interval_bounds, pgd, sandwich, smooth_certify, smooth_predict, worst_margins


def networks():
    torch.manual_seed(0)
    return {
        "relu": MLP(MLPConfig(sizes=(8, 16, 16, 4))),
        "tanh": MLP(MLPConfig(sizes=(8, 16, 4), activation="tanh")),
        "conv": nn.Sequential(
            nn.Conv2d(2, 3, 2, padding=1, stride=2), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(3, 4)
        ),
        "nested": nn.Sequential(nn.Linear(8, 12), nn.LeakyReLU(), nn.Dropout(), nn.Sequential(nn.Linear(12, 4))),
    }


@pytest.mark.parametrize("name", networks())
def test_no_input_between_leaves_the_bounds(name):
    model, shape = networks()[name].eval(), (2, 2, 2) if name == "conv" else (8,)
    low = torch.rand(1, *shape)
    high = low + torch.rand(1, *shape) * 0.3
    least, most = interval_bounds(model, low, high)
    x = low + (high - low) * torch.rand(5_000, *shape)
    corners = low + (high - low) * torch.randint(2, (5_000, *shape))
    with torch.no_grad():
        out = model(torch.cat([x, corners]))
    assert bool((out >= least - 1e-5).all())
    assert bool((out <= most + 1e-5).all())
    margins = worst_margins(model, low, high, torch.tensor([2]))
    assert bool((out[:, [2]] - out[:, [0, 1, 3]] >= margins - 1e-5).all())


def test_of_one_linear_layer_the_bounds_are_reached():
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Linear(5, 3))
    low, high = torch.zeros(1, 5), torch.ones(1, 5)
    least, most = interval_bounds(layer, low, high)
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 5)
    out = layer(corners)
    assert torch.allclose(out.amin(dim=0), least[0], atol=1e-6)
    assert torch.allclose(out.amax(dim=0), most[0], atol=1e-6)
    margin = worst_margins(layer, low, high, torch.tensor([1]))
    assert torch.allclose((out[:, [1]] - out[:, [0, 2]]).amin(dim=0), margin[0], atol=1e-6)


def test_the_bounds_have_gradients():
    model = MLP(MLPConfig(sizes=(4, 6, 3))).double()

    def margins(low, high):
        return worst_margins(model, low, high, torch.tensor([0, 1]))

    low = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    high = (low.detach() + 0.1 + torch.rand(2, 4, dtype=torch.float64)).requires_grad_(True)
    assert torch.autograd.gradcheck(margins, (low, high))


def test_certified_is_never_broken_and_the_sandwich_says_so():
    torch.manual_seed(0)
    model = MLP(MLPConfig(sizes=(8, 16, 3))).eval()
    x = torch.rand(200, 8)
    y = model(x).argmax(dim=1)
    table = sandwich(model, x, y, [0.0, 0.02, 0.2], steps=10)
    assert table.loc[0.0, "certified"] == table.loc[0.0, "attacked"] == 1
    assert (table.certified <= table.attacked).all()
    assert table.certified.is_monotonic_decreasing
    assert table.certified.iloc[1] > 0.3 > table.certified.iloc[2]
    sure = certified(model, x, y, epsilon=0.02)
    found = pgd(model, x, y, epsilon=0.02, restarts=3)
    assert bool((model(found).argmax(dim=1) == y)[sure].all())
    assert ((table.certified_low <= table.certified) & (table.certified <= table.certified_high)).all()


def test_what_has_no_bounds_is_refused():
    x = torch.rand(2, 4)
    with pytest.raises(ValueError, match="GELU"):
        interval_bounds(nn.Sequential(nn.Linear(4, 4), nn.GELU()), x, x)
    with pytest.raises(ValueError, match="gelu"):
        interval_bounds(MLP(MLPConfig(sizes=(4, 4, 2), activation="gelu")), x, x)
    with pytest.raises(ValueError, match="GRU"):
        interval_bounds(nn.GRU(4, 1), x, x)
    with pytest.raises(ValueError, match="low <= high"):
        interval_bounds(nn.Sequential(nn.Linear(4, 2)), x + 1, x)
    with pytest.raises(ValueError, match="last layer"):
        certified(nn.Sequential(nn.Linear(4, 2), nn.ReLU()), x, torch.tensor([0, 1]), epsilon=0.1)
    with pytest.raises(ValueError, match="epsilon"):
        certified(nn.Sequential(nn.Linear(4, 2)), x, torch.tensor([0, 1]), epsilon=-1)
    with pytest.raises(ValueError, match="Dropout"):  # in training mode it is no function
        interval_bounds(nn.Sequential(nn.Linear(4, 2), nn.Dropout()), x, x)


def halfspace(x):
    return (x[:, 0] > 0).long()


@pytest.mark.parametrize("distance", [0.1, 0.5, 1.0])
def test_the_radius_of_a_half_space_is_the_distance_to_it(distance):
    x = torch.tensor([distance, 3.0])
    found = smooth_certify(halfspace, x, sigma=0.5, n=100_000)
    assert found.label == 1
    assert 0.93 * distance < found.radius < distance  # a lower bound, and a close one


def test_radii_are_too_large_no_more_often_than_alpha():
    x = torch.tensor([0.4])
    radii = [smooth_certify(halfspace, x, sigma=0.5, n=500, alpha=0.05, seed=seed).radius for seed in range(600)]
    assert sum(radius > 0.4 for radius in radii) / 600 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


def test_no_radius_exceeds_what_all_draws_agreeing_prove():
    sure = smooth_certify(lambda x: torch.zeros(len(x), dtype=torch.int64), torch.zeros(2), sigma=1.0, n=100_000)
    assert sure.radius == pytest.approx(3.81, abs=0.005)  # Cohen et al. 2019
    assert sure.radius == pytest.approx(norm.ppf(0.001 ** (1 / 100_000)))


def test_where_two_classes_are_level_nothing_is_said():
    x = torch.zeros(1)
    assert smooth_certify(halfspace, x, sigma=1.0, n=1_000).label is None
    assert smooth_predict(halfspace, x, sigma=1.0) is None
    assert smooth_predict(halfspace, x + 1, sigma=1.0) == 1


def test_smoothing_refusals():
    for settings in ({"sigma": 0}, {"sigma": 1, "n": 0}, {"sigma": 1, "alpha": 0}):
        with pytest.raises(ValueError, match="expected"):
            smooth_certify(halfspace, torch.zeros(1), **settings)
