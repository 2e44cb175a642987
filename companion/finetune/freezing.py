"""Which weights training moves."""

from torch import nn


def freeze(model: nn.Module, *, but: tuple[str, ...] = ()) -> int:
    """Freezes all parameters, except those whose name begins with one of ``but``; returns how many numbers still move.

    ``model.requires_grad_(True)`` undoes it. ``freeze(model, but=("h.11.", "ln_f"))`` tunes the last block and the last
    normalization; a tied head moves with the embeddings. :func:`companion.training.fit` leaves frozen weights alone,
    and keeps no optimizer state for them.

    Args:
        model: any model; changed in place.
        but: beginnings of the names in ``model.named_parameters()`` that stay trainable.

    Raises:
        ValueError: for a beginning that fits no parameter.

    Example:
        >>> from companion.models import MLP, MLPConfig
        >>> model = MLP(MLPConfig((8, 16, 3)))
        >>> freeze(model, but=("layers.1",))
        51
        >>> [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        ['layers.1.weight', 'layers.1.bias']
    """
    if isinstance(but, str):
        raise ValueError(f"expected but as a tuple of beginnings, got the text {but!r}: write ({but!r},)")
    names = [name for name, _ in model.named_parameters()]
    for beginning in but:
        if not any(name.startswith(beginning) for name in names):
            raise ValueError(f"expected {beginning!r} to begin a parameter's name, got names such as {names[:4]}")
    moving = 0
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(tuple(but)))
        moving += parameter.numel() * parameter.requires_grad
    return moving
