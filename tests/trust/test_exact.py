"""The exact answer: the closed form of a linear model, brute force in two dimensions, between bounds and attacks."""

import pytest
import torch
from torch import nn

from companion.models import MLP, MLPConfig
from companion.trust import certified, pgd, worst_case


def relu_network(*sizes, seed=0):
    torch.manual_seed(seed)
    return MLP(MLPConfig(sizes=sizes)).eval()


def test_of_a_linear_model_it_is_the_closed_form():
    torch.manual_seed(0)
    model, epsilon = nn.Sequential(nn.Linear(7, 3)), 0.1
    x = torch.rand(40, 7)
    target = model(x).argmax(1)
    weight, bias = model[0].weight.double(), model[0].bias.double()
    low, high = (x - epsilon).clamp(0, 1).double(), (x + epsilon).clamp(0, 1).double()
    answers = []
    for lowest, highest, right in zip(low, high, target, strict=True):
        apart = weight[right] - weight
        least = torch.where(apart > 0, lowest, highest).mul(apart).sum(1) + bias[right] - bias
        answers.append(bool((least[torch.arange(3) != right] > 0).all()))
    assert 5 < sum(answers) < 35
    found = [worst_case(model, a, int(b), epsilon=epsilon).robust for a, b in zip(x, target, strict=True)]
    assert found == answers


def test_in_two_dimensions_it_is_what_a_grid_finds():
    model, epsilon = relu_network(2, 7, 5, 3, seed=3), 0.15
    model.layers[-1].bias.data -= model(torch.rand(200, 2)).mean(0)  # so that all classes occur
    x = torch.rand(30, 2, generator=torch.Generator().manual_seed(1))
    target = model(x).argmax(1)
    steps = torch.linspace(-epsilon, epsilon, 201)
    grid = torch.cartesian_prod(steps, steps)
    answers = []
    for one, right in zip(x, target, strict=True):
        with torch.no_grad():
            answers.append(bool((model((one + grid).clamp(0, 1)).argmax(1) == right).all()))
    assert 5 < sum(answers) < 28
    found = [worst_case(model, a, int(b), epsilon=epsilon).robust for a, b in zip(x, target, strict=True)]
    assert found == answers


def test_it_lies_between_certificate_and_attack():
    model, epsilon = relu_network(11, 13, 5), 0.12
    x = torch.rand(40, 11, generator=torch.Generator().manual_seed(2))
    target = model(x).argmax(1)
    proved = certified(model, x, target, epsilon=epsilon)
    left = model(pgd(model, x, target, epsilon=epsilon)).argmax(1) == target
    found = [worst_case(model, a, int(b), epsilon=epsilon) for a, b in zip(x, target, strict=True)]
    robust = torch.tensor([bool(each.robust) for each in found])
    assert bool((proved <= robust).all())
    assert bool((robust <= left).all())
    assert int(proved.sum()) < int(robust.sum()) < 40
    for each, one, right in zip(found, x, target, strict=True):
        if each.robust is False:
            assert float((each.example - one).abs().max()) <= epsilon + 1e-6
            assert int(model(each.example[None]).argmax()) != right


def test_an_input_that_is_wrong_already_is_not_robust():
    model = relu_network(3, 5, 2)
    x = torch.rand(3)
    wrong = 1 - int(model(x[None]).argmax())
    assert worst_case(model, x, wrong, epsilon=0.0).robust is False


def test_where_time_runs_out_it_is_not_known():
    model = relu_network(60, 80, 80, 10)
    x = torch.full((60,), 0.5)
    target = int(model(x[None]).argmax())
    assert worst_case(model, x, target, epsilon=0.04, seconds=1e-6).robust is None


@pytest.mark.parametrize(
    ("model", "epsilon", "message"),
    [
        (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), 0.1, "ReLUs between"),
        (nn.Sequential(nn.Linear(3, 4), nn.ReLU()), 0.1, "last layer to be linear"),
        (nn.Sequential(nn.Linear(3, 2)), -0.1, "epsilon"),
    ],
)
def test_it_refuses_what_it_cannot_decide(model, epsilon, message):
    with pytest.raises(ValueError, match=message):
        worst_case(model, torch.rand(3), 0, epsilon=epsilon)
