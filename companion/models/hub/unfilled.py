"""A model without weights: its shapes on torch's meta device, until weights from elsewhere take their places."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


@contextmanager
def unfilled() -> Iterator[None]:
    """Modules made within have parameters of shape and dtype only, and draw no random weights.

    Example:
        >>> with unfilled():
        ...     layer = torch.nn.Linear(3, 5)
        >>> layer.weight.shape, layer.weight.device.type
        (torch.Size([5, 3]), 'meta')
    """
    with torch.device("meta"), _WithoutInit():
        yield


class _WithoutInit(TorchFunctionMode):
    # On the meta device a random start computes nothing, and yet loads torch._dynamo, which takes a second or two.
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Leaves a tensor as it is where ``torch.nn.init`` would fill it, and does all else."""
        kwargs = kwargs or {}
        fills = getattr(func, "__module__", None) == "torch.nn.init"  # a method of C has no module
        return kwargs["tensor"] if fills else func(*args, **kwargs)
