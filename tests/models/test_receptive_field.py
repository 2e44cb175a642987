"""Receptive fields against convolved kernels, an impulse pushed through the layers, and published sizes."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from companion.models import Window, effective_receptive_field, theoretical_receptive_field

VGG_16 = [window for n in (2, 2, 3, 3, 3) for window in [Window(3)] * n + [Window(2, 2)]]


def alexnet():
    return [Window(11, 4), Window(3, 2), Window(5), Window(3, 2), *[Window(3)] * 3, Window(3, 2)]


def resnet_50():
    """The stride in the first 1×1 convolution of a stage, as He et al. 2016 have it."""
    stages = [block for n, stride in ((3, 1), (4, 2), (6, 2), (3, 2)) for block in [stride, *[1] * (n - 1)]]
    return [Window(7, 2), Window(3, 2), *(w for stride in stages for w in (Window(1, stride), Window(3), Window(1)))]


def test_sizes_are_those_of_the_table_of_araujo_et_al():
    # github.com/google-research/receptive_field, README: alexnet_v2, vgg_16, resnet_v1_50
    assert [theoretical_receptive_field(net()).size for net in (alexnet, lambda: VGG_16, resnet_50)] == [195, 212, 483]
    assert {theoretical_receptive_field(net()).stride for net in (alexnet, lambda: VGG_16, resnet_50)} == {32}


def random_windows(seed):
    draw = np.random.default_rng(seed)
    return [Window(*map(int, draw.integers([1, 1, 1], [6, 3, 4]))) for _ in range(4)]


@pytest.mark.parametrize("seed", range(5))
def test_spread_and_size_are_those_of_layers_whose_squared_gradient_is_uniform(seed):
    """Weights of 1 on channels of their own: the number of paths from an input, as the theory counts them."""
    windows = random_windows(seed)
    reach = theoretical_receptive_field(windows)
    x = torch.zeros(1, 1, reach.size, dtype=torch.float64, requires_grad=True)
    y = x
    for w in windows:
        y = nn.functional.conv1d(
            y, torch.ones(1, 1, w.kernel, dtype=torch.float64), stride=w.stride, dilation=w.dilation
        )
    assert y.shape[-1] == 1  # one more input on neither side
    (paths,) = torch.autograd.grad(y.sum(), x)
    share, place = (paths[0, 0] / paths.sum()).numpy(), np.arange(reach.size)
    assert share[0] > 0 < share[-1]
    assert np.sqrt(share @ (place - share @ place) ** 2) == pytest.approx(reach.spread)


def stack(depth, channels, seed, *, relu):
    torch.manual_seed(seed)
    widths = [1, *[channels] * depth]
    layers = []
    for n_in, n_out in pairwise(widths):
        layers.append(nn.Conv2d(n_in, n_out, 3, padding=1, bias=False))
        nn.init.kaiming_normal_(layers[-1].weight)
        layers += [nn.ReLU()] if relu else []
    return nn.Sequential(*layers)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("depth", [3, 11])
def test_random_weights_spread_like_the_root_of_two_thirds_of_the_depth(depth, relu):
    size = 2 * depth + 5
    spreads = [
        np.mean(effective_receptive_field(stack(depth, 13, seed, relu=relu), torch.randn(2, 1, size, size)).spread)
        for seed in range(12)
    ]
    assert np.mean(spreads) == pytest.approx(np.sqrt(2 * depth / 3), rel=0.06)
    assert theoretical_receptive_field([Window(3)] * depth).spread == pytest.approx(np.sqrt(2 * depth / 3))


def test_of_one_layer_it_is_the_squared_weights():
    layer = nn.Conv2d(2, 3, (3, 5), padding=(1, 2))
    share = effective_receptive_field(layer, torch.randn(5_000, 2, 7, 11), seed=1).share
    expected = layer.weight.detach().double().square().sum((0, 1))
    assert torch.allclose(share[2:5, 3:8], expected / expected.sum(), atol=0.01)
    assert share[2:5, 3:8].sum() == pytest.approx(1)


def test_center_follows_a_shift_and_axes_are_not_swapped():
    layer = nn.Conv2d(1, 1, (3, 5), padding=(1, 2), bias=False)
    with torch.no_grad():
        layer.weight.zero_()[0, 0, 2, 4] = 0.7  # reads one below and two to the right
    field = effective_receptive_field(layer, torch.rand(2, 1, 11, 13))
    assert field.center == (6.0, 8.0)
    assert field.spread == (0.0, 0.0)


def test_parameters_keep_their_gradients():
    net = stack(2, 3, 0, relu=True)
    effective_receptive_field(net, torch.randn(2, 1, 7, 7))
    assert all(parameter.grad is None for parameter in net.parameters())


def test_what_has_no_field_is_refused():
    with pytest.raises(ValueError, match="expected an output of 4 axes and 2 examples.*before the head"):
        effective_receptive_field(nn.Flatten(), torch.rand(2, 1, 5, 5))
    with pytest.raises(ValueError, match="neither 0 nor infinite.*all units of a layer off"):
        effective_receptive_field(nn.ReLU(), -torch.rand(2, 1, 5, 5))
    with pytest.raises(ValueError, match="kernel"):
        Window(0)
