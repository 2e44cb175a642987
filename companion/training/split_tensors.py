"""Tensors that are split among processes: put together one at a time, and read part by part."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, distributed, nn
from torch.distributed.tensor import DTensor

from companion.models.hub.weights import named_weights


def whole(tensor: Tensor) -> Tensor:
    """A tensor that is split among processes, put together in each of them; another as it is."""
    if isinstance(tensor, DTensor):
        tensor = tensor.full_tensor()
    return tensor.detach()


def gathered(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whole and on the CPU in the first process, nothing in the others; all processes call it together.

    One tensor at a time is put together on the devices: none of them ever holds all that is split among them.
    """
    first, found = not distributed.is_initialized() or distributed.get_rank() == 0, {}
    for name, tensor in tensors.items():
        full = whole(tensor)
        if first:
            found[name] = full.cpu()
    return found


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """What a model has learned, each tensor whole and on the CPU, to save or copy.

    Under ``torchrun`` all processes call it together, and the first one has the weights: the others have an empty
    dictionary, so that a model that is split among them is whole once and not in each.

    Example:
        >>> from companion.models import MLP, MLPConfig
        >>> weights = whole_weights(MLP(MLPConfig((2, 3))))
        >>> {name: list(tensor.shape) for name, tensor in weights.items()}
        {'layers.0.weight': [3, 2], 'layers.0.bias': [3]}
    """
    return gathered(named_weights(model))


def own_part(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor, sharing its memory."""
    if isinstance(tensor, DTensor):
        tensor = tensor.to_local()
    return tensor.detach()


def shapes(path: Path) -> dict[str, torch.Size]:
    """The names and shapes in a safetensors file, without the tensors."""
    with safe_open(path, framework="pt") as file:
        return {name: torch.Size(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def read_like(path: Path, likes: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a safetensors file that ``likes`` names, one by one, each on the device of its like.

    Where the like is split among processes and the stored tensor has its shape, that is split in the same way: this
    process reads the rows that it holds, and no others.
    """
    with safe_open(path, framework="pt") as file:
        for name, like in likes.items():
            stored = file.get_slice(name)
            if isinstance(like, DTensor) and like.shape == torch.Size(stored.get_shape()):
                yield name, _split_like(stored[_own_rows(like)], like)
            else:
                yield name, _copied(file.get_tensor(name), like.device)


def _own_rows(tensor: DTensor) -> slice:
    """FSDP2 deals out rows as ``torch.chunk`` does: as many to each process, fewer or none to the last ones."""
    n, mesh = len(tensor), tensor.device_mesh
    each = -(-n // mesh.size())
    first = min(each * mesh.get_local_rank(), n)
    return slice(first, min(first + each, n))


def _split_like(rows: Tensor, like: DTensor) -> DTensor:
    return DTensor.from_local(
        _copied(rows, like.device), like.device_mesh, like.placements, shape=like.shape, stride=like.stride()
    )


def _copied(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy: what safetensors reads is the file itself, mapped, which must not change with the tensor or stay open."""
    return tensor.to(device, copy=True)
