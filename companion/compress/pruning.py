"""Weights and heads set to zero: the smallest, two of each four in a row, whole heads.

A zero takes as much memory as any number, and multiplying by it takes as long: pruning alone makes nothing smaller or
faster. It pays where something uses the pattern. GPUs from NVIDIA's Ampere on multiply matrices with two zeros in each
four twice as fast at best (Mishra et al. 2021, arXiv:2104.08378); files compress.

Axes: out, in (of a linear layer).
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from companion.checks import is_number
from companion.models import GPT
from companion.models.checks import check_tensor


def magnitude_mask(weight: Float[Tensor, "out in"], sparsity: float) -> Bool[Tensor, "out in"]:
    """False at the proportion ``sparsity`` of weights that are nearest to 0 (rounded to a whole number of them).

    Raises:
        ValueError: for a sparsity outside [0, 1), or a weight of another rank.

    Example:
        >>> magnitude_mask(torch.tensor([[0.1, -3.0], [0.2, 1.0]]), 0.5)
        tensor([[False,  True],
                [False,  True]])
    """
    check_tensor("weight", weight, "out", "in")
    _check_sparsity(sparsity)
    return _all_but_smallest(weight.detach().abs().flatten(), sparsity).view(weight.shape)


def mask_2_4(weight: Float[Tensor, "out in"]) -> Bool[Tensor, "out in"]:
    """True at the two largest, in size, of each four neighbors in a row (Mishra et al. 2021, section 3).

    Raises:
        ValueError: where a row is no multiple of four long.

    Example:
        >>> mask_2_4(torch.tensor([[0.1, -3.0, 0.2, 1.0]]))
        tensor([[False,  True, False,  True]])
    """
    check_tensor("weight", weight, "out", "in")
    if weight.shape[1] % 4:
        raise ValueError(f"expected a multiple of 4 inputs, of which 2 of each 4 stay, got {weight.shape[1]}")
    fours = weight.detach().abs().unflatten(1, (-1, 4))
    kept = fours.topk(2, dim=-1).indices  # two of them where several are equal, too
    return torch.zeros_like(fours, dtype=torch.bool).scatter_(-1, kept, True).flatten(1)


def prune_magnitude(
    model: nn.Module, sparsity: float, *, across_layers: bool = False, but: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    """Sets the smallest weights of a model's linear layers to 0, in place (Han et al. 2015, arXiv:1506.02626).

    Args:
        model: any model; embeddings, an output layer tied to them, and biases stay.
        sparsity: proportion of weights to set to 0, from 0 to below 1.
        across_layers: whether the smallest are sought in all layers together; else each layer loses as many.
        but: beginnings of the names of layers to leave alone.

    Returns:
        The masks, False where a weight was set to 0, by the paths of the layers. Training afterwards moves zeros too,
        unless it multiplies by the masks after each step.

    Raises:
        ValueError: for a sparsity outside [0, 1), or a model without linear layers.

    Example:
        >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
        >>> masks = prune_magnitude(model, 0.75)
        >>> [int((layer.weight == 0).sum()) for layer in (model[0], model[2])]
        [96, 48]
    """
    _check_sparsity(sparsity)
    layers = dict(_layers(model, but))
    if across_layers:
        sizes = torch.cat([layer.weight.detach().abs().flatten() for layer in layers.values()])
        parts = _all_but_smallest(sizes, sparsity).split([layer.weight.numel() for layer in layers.values()])
        flat = zip(layers.items(), parts, strict=True)
        masks = {path: part.view(layer.weight.shape) for (path, layer), part in flat}
    else:
        masks = {path: magnitude_mask(layer.weight, sparsity) for path, layer in layers.items()}
    return _apply(layers, masks)


def prune_2_4(model: nn.Module, *, but: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Sets two of each four weights in a row of a model's linear layers to 0, in place; as :func:`prune_magnitude`.

    Raises:
        ValueError: for a layer whose inputs are no multiple of 4, or a model without linear layers.

    Example:
        >>> model = nn.Linear(8, 3)
        >>> masks = prune_2_4(model)
        >>> (model.weight == 0).sum(dim=1)
        tensor([4, 4, 4])
    """
    layers = dict(_layers(model, but))
    return _apply(layers, {path: mask_2_4(layer.weight) for path, layer in layers.items()})


@torch.no_grad()
def prune_heads(model: GPT, heads: Sequence[tuple[int, int]]) -> GPT:
    """Silences heads of a GPT for good, pairs (layer, head) from 0: the weights that read them become 0, in place.

    The same as :func:`companion.models.without_heads`, which does it for a while. Michel et al. (2019,
    arXiv:1905.10650) found that many heads can go: measure which.

    Raises:
        ValueError: where the model has no such head, or is quantized or has adapters; it is as it was then.

    Example:
        >>> from companion.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=11, block_size=8, n_layer=3, n_head=2, n_embd=4))
        >>> prune_heads(model, [(0, 1)]).h[0].attn.c_proj.weight[:, 2:].count_nonzero()
        tensor(0)
    """
    sizes = model.config.n_layer, model.config.n_head
    for layer, head in heads:
        if not (0 <= layer < sizes[0] and 0 <= head < sizes[1]):
            raise ValueError(f"expected heads (layer, head) below {sizes}, got {(layer, head)}")
    reading = {layer: model.get_submodule(f"h.{layer}.attn.c_proj") for layer, _ in heads}
    if other := next((each for each in reading.values() if not isinstance(each, nn.Linear)), None):
        kind = type(other).__name__
        raise ValueError(f"expected a plain GPT, got one with {kind}: merge adapters, and quantize after pruning")
    for layer, head in heads:
        reading[layer].get_parameter("weight").unflatten(1, (sizes[1], -1))[:, head] = 0
    return model


def _layers(model: nn.Module, but: tuple[str, ...]) -> Iterator[tuple[str, nn.Linear]]:
    found = [(path, each) for path, each in model.named_modules() if isinstance(each, nn.Linear)]
    chosen = [(path, each) for path, each in found if not path.startswith(but)] if but else found
    if not chosen:
        raise ValueError("expected a model with linear layers to prune, got one without (quantized ones are none)")
    yield from chosen


def _all_but_smallest(sizes: Float[Tensor, " weights"], sparsity: float) -> Bool[Tensor, " weights"]:
    mask = torch.ones_like(sizes, dtype=torch.bool)
    mask[sizes.argsort(stable=True)[: round(sparsity * sizes.numel())]] = False
    return mask


@torch.no_grad()
def _apply(layers: dict[str, nn.Linear], masks: dict[str, Tensor]) -> dict[str, Tensor]:
    for path, layer in layers.items():
        layer.weight.mul_(masks[path])
    return masks


def _check_sparsity(sparsity: float) -> None:
    if not is_number(sparsity) or not 0 <= sparsity < 1:
        raise ValueError(f"expected sparsity from 0 to below 1, the proportion of zeros, got {sparsity!r}")
