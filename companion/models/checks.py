"""Refusing what a model cannot take: every message says what was expected, what came, and what to do."""

from typing import Literal

import torch
from torch import Tensor

#: Kinds of numbers that a check may ask for where the exact dtype does not matter.
Kind = Literal["integer", "floating"]
#: The mark of targets that do not count: what torch's cross-entropy passes over where nothing else is said.
IGNORED = -100


def check_dropout(config: object) -> None:
    """Refuses a config whose ``dropout`` is no probability below 1.

    Raises:
        ValueError: naming the value.
    """
    value = vars(config)["dropout"]
    if not 0 <= value < 1:
        raise ValueError(f"expected dropout in [0, 1), got {value}")


def check_tensor(
    name: str, tensor: Tensor, *axes: int | str, dtype: torch.dtype | Kind = "floating", do: str = ""
) -> None:
    """Refuses a tensor of another rank, size or dtype, or without elements.

    Args:
        name: what the caller calls it.
        tensor: what came.
        axes: one an axis: the size it must have, or the name of an axis of any size but 0.
        dtype: the dtype it must have, or its kind.
        do: what the caller should do about a wrong one.

    Raises:
        ValueError: naming the shape and dtype that were expected and those that came.
    """
    wrong_shape = tensor.ndim != len(axes) or any(
        size != axis if isinstance(axis, int) else size == 0 for axis, size in zip(axes, tensor.shape, strict=True)
    )
    if wrong_shape or not _is_kind(tensor.dtype, dtype):
        wanted = f"[{', '.join(map(str, axes))}] and dtype {dtype}"
        empty = " with at least one element" if 0 in tensor.shape else ""
        got = f"{list(tensor.shape)} and {tensor.dtype}"
        raise ValueError(f"expected {name} of shape {wanted}{empty}, got {got}" + (f"; {do}" if do else ""))


def check_values(name: str, tensor: Tensor, low: float, high: float, *, do: str = "") -> None:
    """Refuses a tensor with a value outside [``low``, ``high``]; not looked at where :func:`values_are_hidden`.

    Raises:
        ValueError: naming the range that was expected and the one that came.
    """
    if values_are_hidden(tensor):
        return
    smallest, largest = (value.item() for value in tensor.aminmax())
    if not (low <= smallest and largest <= high):  # so that NaN is refused
        hint = f"; {do}" if do else ""
        raise ValueError(f"expected {name} from {low} to {high}, got {smallest} to {largest}{hint}")


def check_targets(name: str, targets: Tensor, n_classes: int, *, do: str) -> None:
    """Refuses targets of which none counts, or one names no class; not looked at where :func:`values_are_hidden`.

    Raises:
        ValueError: naming the range that was expected and the one that came, or that all are marked.
    """
    if values_are_hidden(targets):
        return
    scored = targets[targets != IGNORED]
    if not scored.numel():
        raise ValueError(f"expected one of {name} to count, got only {IGNORED}, the mark of what does not count")
    check_values(name, scored, 0, n_classes - 1, do=do)


def count_targets(targets: Tensor, ignored: int = IGNORED) -> int:
    """How many targets a mean is over that passes over those marked ``ignored``."""
    return int((targets != ignored).sum())


def values_are_hidden(tensor: Tensor) -> bool:
    """True where looking at values would break a compiled graph, wait for a GPU at every step, or find no content."""
    stands_in = type(tensor) not in (Tensor, torch.nn.Parameter)  # such as a tensor that has a shape only
    return torch.compiler.is_compiling() or tensor.device.type != "cpu" or stands_in


def _is_kind(got: torch.dtype, wanted: torch.dtype | Kind) -> bool:
    if wanted == "floating":
        return got.is_floating_point
    if wanted == "integer":
        return not got.is_floating_point and not got.is_complex and got is not torch.bool
    return got is wanted
