"""Weights on disk: safetensors only. A pickle is refused unread, because loading one runs the code that it holds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

_PICKLE_STARTS = (b"PK\x03\x04", b"\x80")  # torch.save's zip archive, and a bare pickle's protocol mark
_HEADER = slice(8, 9)  # safetensors: eight bytes of length (which may look like either), then JSON


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name, on the CPU.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where the file is a pickle, or is damaged.
    """
    path = Path(path)
    if not path.is_file():
        pickles = sorted(p.name for p in path.parent.glob("*") if p.suffix in {".bin", ".pt", ".pth", ".pkl"})
        hint = f"; {pickles[0]} is a pickle, which is never read here: convert it to safetensors" if pickles else ""
        raise FileNotFoundError(f"expected the weights in {path}, got no such file{hint}")
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(_PICKLE_STARTS) and start[_HEADER] != b"{":
        hint = "convert it with safetensors.torch.save_file"
        raise ValueError(f"expected a safetensors file, got a pickle in {path}: {hint}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"expected a whole safetensors file, got a damaged one in {path} ({error})") from error


def named_weights(model: nn.Module) -> dict[str, Tensor]:
    """All that a model has learned: its parameters and persistent buffers, a tied one once; they share its memory."""
    state = model.state_dict(keep_vars=True)
    first = {id(tensor): name for name, tensor in reversed(state.items())}
    return {name: tensor.detach() for name, tensor in state.items() if first[id(tensor)] == name}


def save_weights(model: nn.Module, path: str | Path) -> None:
    """Writes :func:`named_weights` to a safetensors file; ``copy_weights(model, load_weights(path))`` reads it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.cpu().contiguous() for name, tensor in named_weights(model).items()}, path)


def check_weights(model: nn.Module, shapes: Mapping[str, Sequence[int]]) -> None:
    """Refuses weights whose names or shapes are not the model's.

    Raises:
        ValueError: naming what is missing, what is unknown, or which shape differs.
    """
    expected = named_weights(model)
    missing, unknown = sorted(expected.keys() - shapes.keys()), sorted(shapes.keys() - expected.keys())
    if missing or unknown:
        raise ValueError(f"expected the weights of {type(model).__name__}, got missing {missing} and unknown {unknown}")
    for name, tensor in expected.items():
        wanted, got = tuple(tensor.shape), tuple(shapes[name])
        if wanted != got:
            raise ValueError(f"expected {name} of shape {wanted}, got {got}: do config and weights belong together?")


def copy_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copies ``weights`` into ``model`` in place; names and shapes must match exactly, or nothing is copied.

    Raises:
        ValueError: naming what is missing, what is unknown, or which shape differs.
    """
    check_weights(model, {name: tensor.shape for name, tensor in weights.items()})
    for name, tensor in named_weights(model).items():
        tensor.copy_(weights[name])
