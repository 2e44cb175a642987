r"""What no attack can do: bounds of a model's outputs over all inputs within a distance.

A certificate is a lower bound of the true accuracy under attack, as an attack gives an upper one. Both together say how
much is known.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from companion.checks import is_number
from companion.models import MLP

#: Functions that never fall: their bounds are the function of the bounds.
_MONOTONE = (nn.ReLU, nn.Sigmoid, nn.Tanh, nn.LeakyReLU, nn.Identity, nn.Flatten, nn.MaxPool2d, nn.AvgPool2d)
_ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "identity": nn.Identity}


def interval_bounds(
    model: nn.Module, low: Float[Tensor, "batch ..."], high: Float[Tensor, "batch ..."]
) -> tuple[Float[Tensor, "batch outputs"], Float[Tensor, "batch outputs"]]:
    r"""Lower and upper bounds of each output over all inputs between ``low`` and ``high``, layer by layer.

    .. math:: c' = W c + b, \quad r' = |W| r \qquad \text{for center } c \text{ and radius } r

    Each layer forgets how its inputs hang together, so that bounds widen with depth unless the model was trained to
    keep them narrow. They are differentiable: a loss of the worst case trains it.

    Args:
        model: an :class:`companion.models.MLP`, or an ``nn.Sequential`` of linear layers, convolutions, flattening,
            pooling and activations that never fall; in evaluation mode.
        low: smallest inputs.
        high: largest ones, of the same shape.

    Raises:
        ValueError: for a layer whose bounds are not known, or bounds that cross.

    Source:
        Gowal et al. 2018, *On the effectiveness of interval bound propagation*.
    """
    if low.shape != high.shape or bool((low > high).any()):
        raise ValueError("expected low <= high, of one shape")
    for layer in layers_of(model):
        low, high = _through(layer, low, high)
    return low, high


def certified(
    model: nn.Module,
    inputs: Float[Tensor, "batch ..."],
    targets: Int[Tensor, " batch"],
    *,
    epsilon: float,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Bool[Tensor, " batch"]:
    """Which examples no change of at most ``epsilon`` in each number can make the model err on.

    The last layer, where it is linear, is bounded as the difference between the right class and each other one, which
    is narrower than the bounds of both. False says that it is not known.

    Args:
        model: as for :func:`interval_bounds`.
        inputs: examples.
        targets: their classes.
        epsilon: the largest change of a number.
        bounds: between which inputs lie.

    Raises:
        ValueError: for an epsilon below 0, or a layer whose bounds are not known.
    """
    if not is_number(epsilon) or epsilon < 0:
        raise ValueError(f"expected epsilon to be a number of at least 0, got {epsilon!r}")
    with torch.no_grad():
        low, high = (inputs - epsilon).clamp(*bounds), (inputs + epsilon).clamp(*bounds)
        return (worst_margins(model, low, high, targets) > 0).all(dim=1)


def worst_margins(
    model: nn.Module, low: Float[Tensor, "batch ..."], high: Float[Tensor, "batch ..."], targets: Tensor
) -> Float[Tensor, "batch others"]:
    """The least that the right class's logit can be above each other one's, over all inputs between the bounds."""
    *before, last = layers_of(model)
    if not isinstance(last, nn.Linear):
        raise ValueError(f"expected the last layer to be linear, got {type(last).__name__}")
    for layer in before:
        low, high = _through(layer, low, high)
    classes = last.out_features
    others = torch.arange(classes, device=targets.device).expand(len(targets), classes)
    others = others[others != targets[:, None]].reshape(len(targets), classes - 1)
    weight = last.weight[targets][:, None] - last.weight[others]  # [batch, others, inputs]
    center, radius = (high + low) / 2, (high - low) / 2
    margin = torch.einsum("boi,bi->bo", weight, center) - torch.einsum("boi,bi->bo", weight.abs(), radius)
    return margin if last.bias is None else margin + last.bias[targets][:, None] - last.bias[others]


def layers_of(model: nn.Module) -> list[nn.Module]:
    """The layers of a model whose bounds are known, one after another."""
    if isinstance(model, MLP):
        if model.config.normalization != "none" or model.config.activation not in _ACTIVATIONS:
            raise ValueError(f"expected an MLP without normalization of {', '.join(_ACTIVATIONS)}, got {model.config}")
        between = _ACTIVATIONS[model.config.activation]
        return [part for layer in model.layers for part in (layer, between())][:-1]
    if isinstance(model, nn.Sequential):
        return list(_flat(model))
    raise ValueError(f"expected an MLP or an nn.Sequential, got {type(model).__name__}")


def _flat(model: nn.Sequential) -> Iterable[nn.Module]:
    for layer in model:
        if isinstance(layer, nn.Sequential):
            yield from _flat(layer)
        elif not (isinstance(layer, nn.Dropout) and not layer.training):
            yield layer


def _through(layer: nn.Module, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    if isinstance(layer, _MONOTONE):
        return layer(low), layer(high)
    center, radius = (high + low) / 2, (high - low) / 2
    if isinstance(layer, nn.Linear):
        middle, spread = layer(center), F.linear(radius, layer.weight.abs())
    elif isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros":
        middle = layer(center)
        spread = F.conv2d(radius, layer.weight.abs(), None, layer.stride, layer.padding, layer.dilation, layer.groups)
    else:
        raise ValueError(f"expected layers whose bounds are known, got {type(layer).__name__}")
    return middle - spread, middle + spread
