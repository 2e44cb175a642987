"""ConvNet against loops in numpy, ResNet against functions of torch written out, both against published counts."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from companion.data import digits
from companion.economics.compute import forward_flops, parameter_count
from companion.models import ConvNet, ConvNetConfig, ResNet, ResNetConfig
from companion.models.resnet import ResidualBlock

PLAIN = ConvNetConfig((7, 11), channels=2, stages=((3, 5), (2,)), hidden=(13,), n_classes=17)
CIFAR_20 = ResNetConfig((3, 3, 3), (16, 32, 64), stem="cifar", shortcut="padding", n_classes=10)
SMALL = ResNetConfig((2, 1, 1), (3, 5, 7), stem="cifar", channels=2, n_classes=11)


def convolve(a, weight, bias):
    """Formula of the module, one pixel after the other."""
    (channels, _, k, _), (height, width), p = weight.shape, a.shape[1:], weight.shape[2] // 2
    z = np.zeros((channels, height, width))
    for o in range(channels):
        for y in range(height):
            for x in range(width):
                z[o, y, x] = bias[o]
                for u in range(max(0, p - y), min(k, height + p - y)):
                    for v in range(max(0, p - x), min(k, width + p - x)):
                        z[o, y, x] += weight[o, :, u, v] @ a[:, y + u - p, x + v - p]
    return z


def pool(a):
    channels, height, width = a.shape
    out = np.zeros((channels, height // 2, width // 2))
    for c in range(channels):
        for y in range(height // 2):
            for x in range(width // 2):
                out[c, y, x] = max(a[c, 2 * y + u, 2 * x + v] for u in (0, 1) for v in (0, 1))
    return out


def plain_by_loops(parameters, images):
    """The logits of a ConvNet of the shape PLAIN from its parameters in order."""
    w1, b1, w2, b2, w3, b3, w4, b4, w5, b5 = parameters
    logits = []
    for a in images:
        a = pool(np.maximum(convolve(np.maximum(convolve(a, w1, b1), 0), w2, b2), 0))
        a = pool(np.maximum(convolve(a, w3, b3), 0))
        logits.append(w5 @ np.maximum(w4 @ a.flatten() + b4, 0) + b5)
    return np.stack(logits)


def test_convnet_equals_loops_in_numpy():
    model = ConvNet(PLAIN).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    images = torch.randn(2, 2, 7, 11).double()
    parameters = [p.detach().numpy() for p in model.parameters()]
    np.testing.assert_allclose(model(images).detach(), plain_by_loops(parameters, images.numpy()), rtol=0, atol=1e-12)

    into = torch.randn(2, 17).double()
    (model(images) * into).sum().backward()
    step = 1e-6
    for index, parameter in enumerate(model.parameters()):
        direction = np.random.default_rng(index).normal(size=parameters[index].shape)
        sides = []
        for sign in (step, -step):
            moved = [*parameters[:index], parameters[index] + sign * direction, *parameters[index + 1 :]]
            sides.append((plain_by_loops(moved, images.numpy()) * into.numpy()).sum())
        slope = (parameter.grad.numpy() * direction).sum()
        assert (sides[0] - sides[1]) / (2 * step) == pytest.approx(slope, rel=1e-6, abs=1e-6)


def batch_norm(x, weights, name, training):
    """Normalizes, and moves the running statistics in ``weights`` as torch does."""
    if training:
        mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
        count = x.numel() / x.shape[1]
        for kind, new in (("mean", mean), ("var", var * count / (count - 1))):
            weights[f"{name}.running_{kind}"] = 0.9 * weights[f"{name}.running_{kind}"] + 0.1 * new.detach()
    else:
        mean, var = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
    scale = weights[f"{name}.weight"] / (var + 1e-5).sqrt()
    return (x - mean[:, None, None]) * scale[:, None, None] + weights[f"{name}.bias"][:, None, None]


def resnet_by_functions(config, weights, x, training):
    stride = 2 if config.stem == "imagenet" else 1
    kernel = weights["stem.0.weight"]
    x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[2] // 2)
    x = batch_norm(x, weights, "stem.1", training).relu()
    if config.stem == "imagenet":
        x = F.max_pool2d(x, 3, stride=2, padding=1)
    index = 0
    for stage, count in enumerate(config.blocks):
        for block in range(count):
            name, stride = f"stages.{index}", 1 + (stage > 0 and block == 0)
            h = F.conv2d(x, weights[f"{name}.conv1.weight"], stride=stride, padding=1)
            h = batch_norm(h, weights, f"{name}.bn1", training).relu()
            h = batch_norm(F.conv2d(h, weights[f"{name}.conv2.weight"], padding=1), weights, f"{name}.bn2", training)
            if stride == 2 and config.shortcut == "projection":
                x = F.conv2d(x, weights[f"{name}.shortcut.0.weight"], stride=2)
                x = batch_norm(x, weights, f"{name}.shortcut.1", training)
            elif stride == 2:
                smaller = torch.zeros_like(h)
                smaller[:, : x.shape[1]] = x[:, :, 0::2, 0::2]
                x = smaller
            x = (h + x).relu()
            index += 1
    return F.linear(F.adaptive_avg_pool2d(x, 1).flatten(1), weights["head.weight"], weights["head.bias"])


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
@pytest.mark.parametrize("shortcut", ["projection", "padding"])
def test_resnet_equals_functions_in_training_and_evaluation(stem, shortcut):
    config = ResNetConfig((2, 1, 2), (3, 5, 7), stem=stem, shortcut=shortcut, channels=2, n_classes=11)
    model = ResNet(config).double()
    for name, parameter in model.named_parameters():
        if "head" not in name and parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.5)  # batch-norm starts with 1 and 0
    weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    for training in (True, False):
        model.train(training)
        for parameter in model.parameters():
            parameter.grad = None
        learned = {name: weights[name].detach().requires_grad_() for name, _ in model.named_parameters()}
        weights |= learned
        images = torch.randn(3, 2, 37, 29).double()
        ours, theirs = model(images), resnet_by_functions(config, weights, images, training)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
        into = torch.randn_like(ours)
        (ours * into).sum().backward()
        (theirs * into).sum().backward()
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(parameter.grad, learned[name].grad, rtol=1e-9, atol=1e-10, msg=name)
        for name, buffer in model.named_buffers():
            if "running" in name:
                torch.testing.assert_close(buffer, weights[name], rtol=0, atol=1e-12, msg=name)


STAGES = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
VGG_16 = ConvNetConfig((224, 224), 3, STAGES, hidden=(4_096, 4_096), n_classes=1_000)


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (VGG_16, 138_357_544),  # this and the next two as torchvision publishes them
        (ResNetConfig(), 11_689_512),
        (ResNetConfig(blocks=(3, 4, 6, 3)), 21_797_672),
        (ResNetConfig(shortcut="padding"), 11_515_688),
        (ResNetConfig(blocks=(3, 4, 6, 3), shortcut="padding"), 21_623_848),
        (CIFAR_20, 269_722),
        (ResNetConfig((3, 3, 3), (16, 32, 64), stem="cifar", n_classes=10), 272_474),
    ],
)
def test_published_parameter_counts(config, count):
    with torch.device("meta"):
        model = ConvNet(config) if isinstance(config, ConvNetConfig) else ResNet(config)
    assert sum(p.numel() for p in model.parameters()) == count == parameter_count(config)


@pytest.mark.parametrize(
    ("layers", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7), (1202, 19.4)]
)
def test_cifar_counts_of_table_6(layers, millions):
    """Depth 6n + 2; He et al. 2016."""
    n = (layers - 2) // 6
    count = parameter_count(ResNetConfig((n,) * 3, (16, 32, 64), stem="cifar", shortcut="padding", n_classes=10))
    digits = 2 if layers < 110 else 1
    assert round(count / 1e6, digits) == millions


def test_published_operations():
    """He et al. 2016, table 1, counts a multiplication with its addition as one: 1.8 and 3.6 billion."""
    assert round(forward_flops(ResNetConfig(), batch=1, height=224, width=224) / 2e9, 1) == 1.8
    deeper = forward_flops(ResNetConfig(blocks=(3, 4, 6, 3)), batch=1, height=224, width=224)
    assert 3.6e9 < deeper / 2 < 3.7e9  # the paper writes 3.6, rounded down


@pytest.mark.parametrize("family", ["plain", "residual"])
def test_shifted_images_have_shifted_features(family):
    """Two windows of one image, 4 and 12 pixels apart: away from the border their features agree."""
    config = ConvNetConfig((60, 64), 2, ((3,), (5,)))
    features = ConvNet(config).features if family == "plain" else ResNet(SMALL).stages
    features.eval()
    channels = 2 if family == "plain" else 3
    image = torch.randn(1, channels, 68, 76)
    first, second = features(image[:, :, 4:64, :64]), features(image[:, :, 8:68, 12:76])
    assert first.shape[2:] == (15, 16)
    inside = slice(4, -4)  # of 14 and 13 places: what padding reaches is left out
    torch.testing.assert_close(first[:, :, 1:, 3:][:, :, inside, inside], second[:, :, :-1, :-3][:, :, inside, inside])
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("model", [ConvNet(PLAIN), ResNet(SMALL)], ids=["plain", "residual"])
def test_permuted_images_have_permuted_logits(model, training):
    model.train(training)
    images, order = torch.randn(5, 2, 7, 11), torch.randperm(5)
    torch.testing.assert_close(model(images[order]), model(images)[order])


def test_a_block_that_adds_nothing_is_the_identity():
    block = ResidualBlock(5, 5, 1, "projection")
    torch.nn.init.zeros_(block.bn2.weight)
    x = torch.rand(3, 5, 7, 11)
    assert torch.equal(block(x), x)
    assert not torch.equal(block(-x), -x)  # the last ReLU


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (31, 2)])
def test_resnet_takes_any_size(size):
    assert ResNet(SMALL)(torch.randn(2, 2, *size)).shape == (2, 11)


@pytest.mark.parametrize(
    "model",
    [ConvNet(ConvNetConfig()), ResNet(ResNetConfig((1, 1), (16, 32), stem="cifar", channels=1, n_classes=10))],
    ids=["plain", "residual"],
)
def test_learns_a_batch_of_digits_by_heart(model):
    images, labels = (tensor[:64] for tensor in digits())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    assert model.loss(images, labels) < 5
    for _ in range(25):
        optimizer.zero_grad()
        model.loss(images, labels).backward()
        optimizer.step()
    assert model.loss(images, labels) < 0.05


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConvNetConfig((3, 8)), r"at least 4 pixels .* got image_size=\(3, 8\): take larger images, or fewer"),
        (lambda: ConvNetConfig((8,)), r"image_size to be \(height, width\), got \(8,\)"),
        (lambda: ConvNetConfig((8, 0)), r"image_size to be a tuple of 1 or more positive integers, got \(8, 0\)"),
        (lambda: ConvNetConfig(stages=((3,), ())), r"one convolution or more each, got \(\(3,\), \(\)\)"),
        (lambda: ConvNetConfig(stages=()), r"one convolution or more each, got \(\)"),
        (lambda: ConvNetConfig(kernel=4), "odd kernel, .* got kernel=4"),
        (lambda: ConvNetConfig(hidden=(0,)), r"hidden to be a tuple of 0 or more positive integers, got \(0,\)"),
        (lambda: ConvNetConfig(n_classes=0), "n_classes to be a positive integer, got 0"),
        (lambda: ResNetConfig(blocks=(2, 2)), r"one length, got \(2, 2\) and \(64, 128, 256, 512\)"),
        (lambda: ResNetConfig(blocks=[2, 2]), r"blocks to be a tuple .* got \[2, 2\]"),
        (lambda: ResNetConfig(stem="mnist"), "stem to be one of .* got 'mnist'"),
        (lambda: ResNetConfig((1, 1), (5, 3), shortcut="padding"), r"do not shrink .* got widths=\(5, 3\): choose"),
    ],
)
def test_bad_configs_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[0], y), r"images of shape \[batch, 2, .* got \[2, 7, 11\]"),
        (lambda x, y: (x[:, :1], y), r"got \[5, 1, 7, 11\]"),
        (lambda x, y: (x[:0], y[:0]), r"at least one element, got \[0, 2, 7, 11\]"),
        (lambda x, y: (x.double(), y), "dtype torch.float32, got .* torch.float64"),
        (lambda x, y: (x.byte(), y), r"torch.uint8; bytes become numbers by images.to\(torch.float32\) / 255"),
        (lambda x, y: (x, y[:-1]), r"labels of shape \[5\] .* got \[4\]"),
        (lambda x, y: (x, y[:, None]), r"labels of shape \[5\] .* got \[5, 1\]"),
        (lambda x, y: (x, y.float()), "dtype torch.int64, got .* torch.float32; give one class number an image"),
        (lambda x, y: (x, y - 1), "labels from 0 to 1., got -1 to 3; the model has n_classes=1., counting from 0"),
        (lambda x, y: (x, y + 100), "labels from 0 to 1., got 100 to 104"),
    ],
)
@pytest.mark.parametrize("model", [ConvNet(PLAIN), ResNet(SMALL)], ids=["plain", "residual"])
def test_bad_batches_are_refused(model, change, message):
    with pytest.raises(ValueError, match=message):
        model.loss(*change(torch.rand(5, 2, 7, 11), torch.arange(5)))


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError, match=r"images of shape \[batch, 2, 7, 11\] .* got \[3, 2, 11, 7\] .* another config"
    ):
        ConvNet(PLAIN)(torch.rand(3, 2, 11, 7))
    with pytest.raises(ValueError, match="more than 1 value per channel when training"):
        ResNet(SMALL)(torch.rand(1, 2, 3, 3))
