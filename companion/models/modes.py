"""Evaluation mode for as long as something is measured or written, and each module's own mode afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """``model`` is in evaluation mode while this is open: no dropout, batch norm by its running statistics.

    Afterwards each module has the mode it had. ``model.train()`` would not do: it also puts those into training mode
    that somebody had set to evaluation, such as a frozen batch norm.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3).eval())
        >>> with evaluating(model):
        ...     print(model.training, model[0].training)
        False False
        >>> model.training, model[0].training, model[1].training
        (True, True, False)
    """
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training
