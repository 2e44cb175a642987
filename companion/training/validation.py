"""The loss of a validation set, in one process or in many."""

import torch
from torch import nn

from companion import runtime
from companion.models.modes import evaluating
from companion.training.batches import Batches
from companion.training.distributed import Trainable, World
from companion.training.parts import count, counts, parts, to_device, validation_batches


def validate(
    model: nn.Module, data: Batches, batch_size: int, *, precision: runtime.Precision | None = None
) -> float | None:
    """The mean of ``model.loss`` over the validation set, each target counting once; None where there is no such set.

    The model is used in evaluation mode, on the device where it is. Where its loss depends on which examples come
    together, ``batch_size`` must take the whole set.

    Raises:
        TypeError: where there are several batches and the model has no ``n_targets``.
        ValueError: where there are several batches and the loss depends on which examples come together.

    Example:
        >>> import torch
        >>> from companion.data import TensorBatches
        >>> from companion.models import MLP, MLPConfig
        >>> x = torch.linspace(-1, 1, 100)[:, None]
        >>> data = TensorBatches((x, 2 * x), (x, x))
        >>> model = MLP(MLPConfig(sizes=(1, 1), loss="squared_error"))
        >>> for parameter in model.parameters():
        ...     _ = torch.nn.init.ones_(parameter)
        >>> validate(model, data, batch_size=32)  # half the mean square of (x + 1) - x
        0.5
    """
    precision = precision or runtime.Precision(torch.float32, "default")
    return mean_loss(model, Trainable(model), data, batch_size, precision, World())


def mean_loss(
    model: nn.Module,
    trainable: nn.Module,
    data: Batches,
    batch_size: int,
    precision: runtime.Precision,
    world: World,
) -> float | None:
    """As :func:`validate`, by the model as all processes have it, each of which computes its part of every batch."""
    device = next(trainable.parameters()).device
    total, n_all = 0.0, 0
    with evaluating(trainable), torch.no_grad():
        for batch in validation_batches(model, data.validation(batch_size)):
            n = count(model, batch) if counts(model) else 1
            for piece, weight in parts(model, batch, world, None) if n else ():
                with precision.autocast(device):
                    total += n * weight * float(trainable(*to_device(piece, device)))
            n_all += n
    [total] = world.total([total], device)
    return total / n_all if n_all else None


def check_validation(model: nn.Module, data: Batches, batch_size: int) -> None:
    """Refuses before a run what :func:`validate` would refuse in the midst of it."""
    with evaluating(model):
        next(validation_batches(model, data.validation(batch_size)), None)
