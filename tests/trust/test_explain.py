"""Explanations: captum's values, axioms, planted truth, and the real model's own logits at the last depth."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from companion.models import GPT, MLP, GPTConfig, MLPConfig
from companion.trust import (
    exact_shapley,
    integrated_gradients,
    logit_lens,
    masking_value,
    probe,
    residual_stream,
    sampled_shapley,
    sanity_check,
    score_against_truth,
)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return MLP(MLPConfig(sizes=(6, 12, 3), activation="tanh")).double().eval()


def test_integrated_gradients_are_captum_s(net):
    from captum.attr import IntegratedGradients

    x = torch.randn(7, 6, dtype=torch.float64)
    base = torch.randn(1, 6, dtype=torch.float64)
    theirs = IntegratedGradients(net).attribute(x, base.expand_as(x), target=1, n_steps=50)
    ours = integrated_gradients(lambda x: net(x)[:, 1], x, base)
    assert torch.allclose(ours, theirs, atol=1e-10)
    assert torch.allclose(ours.sum(dim=1), (net(x) - net(base))[:, 1], atol=1e-9)


def test_shapley_values_are_captum_s_and_add_up(net):
    from captum.attr import ShapleyValues

    x, base = torch.randn(6, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
    score = lambda rows: net(torch.tensor(rows))[:, 2].detach().numpy()  # noqa: E731
    value = masking_value(score, x.numpy(), base.numpy()[None])
    exact = exact_shapley(value, 6)
    ends = value(np.array([[False] * 6, [True] * 6]))
    assert exact.sum() == pytest.approx(ends[1] - ends[0], abs=1e-9)
    theirs = ShapleyValues(net).attribute(x[None], base[None], target=2)  # exact: all orders
    assert exact == pytest.approx(theirs[0].numpy(), abs=1e-5)  # in float32
    sampled = sampled_shapley(value, 6, orders=2_000)
    assert np.abs(sampled.values - exact).max() < 5 * sampled.standard_errors.max()
    assert sampled.values.sum() == pytest.approx(ends[1] - ends[0], abs=1e-9)


def test_axioms_of_a_small_game():
    weights = np.array([3.0, 0.0, 2.0, 2.0])
    additive = exact_shapley(lambda s: s @ weights, 4)
    assert additive == pytest.approx(weights)  # dummy, symmetry, linearity
    pair = exact_shapley(lambda s: 6.0 * (s[:, 0] & s[:, 2]), 4)
    assert pair == pytest.approx([3, 0, 3, 0])


def test_sampling_errors_fall_like_the_root():
    game = lambda s: (s @ np.arange(8.0)) ** 3  # noqa: E731 - of a square, a pair of orders makes no error
    exact = exact_shapley(game, 8)
    orders = [20, 80, 320, 1_280]
    errors = [
        np.sqrt(np.mean([(sampled_shapley(game, 8, orders=m, seed=k).values - exact) ** 2 for k in range(40)]))
        for m in orders
    ]
    assert np.polyfit(np.log(orders), np.log(errors), 1)[0] == pytest.approx(-0.5, abs=0.08)
    one = sampled_shapley(game, 8, orders=400, seed=0)
    spread = np.std([sampled_shapley(game, 8, orders=400, seed=k).values for k in range(100)], axis=0)
    assert one.standard_errors == pytest.approx(spread, rel=0.35)


@pytest.mark.parametrize("tied", [True, False])
def test_the_lens_ends_at_the_model(tied):
    torch.manual_seed(0)
    model = GPT(GPTConfig(17, 12, n_layer=3, n_head=2, n_embd=16, tied=tied)).eval()
    tokens = torch.randint(17, (2, 9))
    lens = logit_lens(model, tokens)
    assert lens.shape == (4, 2, 9, 17)
    assert torch.equal(lens[-1], model(tokens))
    stream = residual_stream(model, tokens)
    assert torch.equal(stream[0], model.wte(tokens) + model.wpe.weight[:9])
    assert not any(block._forward_hooks for block in model.h)


def test_a_probe_finds_what_is_there_and_its_control_what_is_not():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=400)
    features = rng.normal(size=(400, 10))
    features[:, 3] += 2.5 * labels
    found = probe(features, labels)
    assert found.accuracy.estimate > 0.85
    assert found.control < 0.6
    assert found.selectivity > 0.25
    nothing = probe(rng.normal(size=(400, 10)), labels)
    assert nothing.accuracy.low < 0.55


def test_a_probe_that_memorizes_groups_is_seen_through():
    """Features tell the word only; labels are the words' own: the control does as well."""
    rng = np.random.default_rng(0)
    words = np.repeat(np.arange(20), 20)
    features = np.eye(20)[words] + rng.normal(0, 0.05, (400, 20))
    labels = rng.integers(2, size=20)[words]
    split = probe(features, labels, groups=words)
    assert split.accuracy.estimate < 0.75  # new words: nothing is known of them
    assert split.control > 0.95  # seen words: everything is


def test_scores_against_a_truth():
    truth = np.tile([1, 1, 0, 0, 0], (50, 1))
    assert score_against_truth(truth * 2.0 - 0.5 * (1 - truth), truth).estimate == 1
    assert score_against_truth(np.ones((50, 5)), truth).estimate == 0.5
    noise = np.random.default_rng(0).normal(size=(2_000, 5))
    assert score_against_truth(noise, np.tile([1, 1, 0, 0, 0], (2_000, 1))).estimate == pytest.approx(0.5, abs=0.03)


def test_a_sanity_check_tells_explanations_from_edges(net):
    x = torch.randn(20, 6, dtype=torch.float64)

    def gradients(model):
        return integrated_gradients(lambda x: model(x)[:, 0], x).numpy()

    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    of_model = sanity_check(net, gradients, ["layers.1", "layers.0"])
    of_input = sanity_check(net, lambda model: x.numpy(), ["layers.1", "layers.0"])
    assert of_input == pytest.approx([1, 1])
    assert abs(of_model[-1]) < 0.6
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: exact_shapley(lambda s: s.sum(axis=1), 30), "sampled_shapley"),
        (lambda: exact_shapley(lambda s: np.full(len(s), np.nan), 3), "finite"),
        (lambda: sampled_shapley(lambda s: s.sum(axis=1), 3, orders=1), "orders"),
        (lambda: masking_value(lambda r: r, np.ones(3), np.ones((2, 4))), "background"),
        (lambda: integrated_gradients(lambda x: x, torch.ones(2, 3)), "one number an example"),
        (lambda: score_against_truth([[1.0, 2.0]], [[1, 1]]), "some features matter"),
        (lambda: score_against_truth([[1.0, 2.0]], [[1, 0, 1]]), "examples, features"),
        (lambda: probe(np.ones((10, 2)), [0] * 9 + [1]), "of 5 examples each"),
        (lambda: sanity_check(nn.ReLU(), lambda m: [[1.0]], ["nothing"]), "'nothing'"),
    ],
)
def test_refusals(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_the_gradient_of_log_is_integrated_to_many_digits():
    x = torch.tensor([[math.e]], dtype=torch.float64)
    found = integrated_gradients(lambda x: torch.log(x[:, 0]), x, 1.0, steps=20)
    assert float(found) == pytest.approx(1.0, abs=1e-12)
