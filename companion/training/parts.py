"""How a batch is divided among processes and micro-batches so that the gradient stays that of the whole batch.

A loss is a mean, and :math:`L = \\sum_k (n_k / n)\\, L_k` where part k has :math:`n_k` of the batch's n targets. What
counts as a target only the model knows: it says so by ``n_targets(*batch)``, the number that its mean is divided by.
Every process has the whole batch, so n is counted and not communicated. A batch that goes through one process whole
needs no count.

Some batches have no such parts: a loss that compares each example with the others of its batch, batch normalization.
A model says why by an attribute ``joins_examples``. Where it also has ``embed_batch(*batch)``, one row an example, and
``joined_loss(*rows)``, processes embed their own rows and compute the loss of all of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_map

from companion.training.distributed import World

#: A tensor with one row an example; or tensors in tuples, such as a graph's edges, which cannot be divided.
Batch = Sequence[Any]


def parts(model: nn.Module, batch: Batch, world: World, rows: int | None) -> list[tuple[Batch, float]]:
    """This process's parts of a batch that all processes have, each with its weight in the mean over the batch.

    Args:
        model: what the batch is for, in the mode it is in.
        batch: the whole batch.
        world: the processes.
        rows: examples a part, at most; None for no limit.

    Returns:
        At least one part, for all processes must take part; one without a target has weight 0. The weights of all
        processes add up to 1.

    Raises:
        TypeError: where the model does not say what counts, though the batch has to be divided.
        ValueError: where the batch cannot be divided, or has no target.
    """
    if world.size == 1 and (rows is None or len(batch[0]) <= rows):
        return [(batch, 1.0)]
    check_divisible(model, batch, world, rows)
    share = world.share(batch)
    if joined_by_processes(model):
        return [(share, 1 / world.size)]
    total = count(model, batch)
    if not total:
        raise ValueError(f"expected a target in the batch, got none in {len(batch[0])} rows: enlarge batch_size")
    found = [(piece, n / total) for piece in split(share, rows or len(batch[0])) if (n := count(model, piece))]
    return found or [(next(row for row in split(batch, 1) if count(model, row)), 0.0)]


def split(batch: Batch, rows: int) -> Iterator[Batch]:
    """The batch in pieces of ``rows`` examples; the last one may be smaller."""
    return zip(*(tensor.split(rows) for tensor in batch), strict=True)


def count(model: nn.Module, batch: Batch) -> int:
    """How many targets a batch has.

    Raises:
        TypeError: where the model does not say.
    """
    if not counts(model):
        name = type(model).__name__
        raise TypeError(
            f"expected a model with a method n_targets(*batch), the number that the mean of loss(*batch) is over, to "
            f"divide a batch or to add batches up, got {name}, which has none: add it, or take the whole batch at once"
        )
    return 0 if not len(batch[0]) else int(model.n_targets(*batch))  # type: ignore[operator]


def counts(model: nn.Module) -> bool:
    """Whether the model says what counts."""
    return callable(getattr(model, "n_targets", None))


def check_divisible(model: nn.Module, batch: Batch, world: World, rows: int | None) -> None:
    """Refuses a batch that cannot be divided among the processes, or into parts of ``rows`` examples.

    Raises:
        ValueError: saying why.
    """
    n, reason, across = len(batch[0]), why_joined(model), joined_by_processes(model)
    lengths = [len(part) if isinstance(part, Tensor) else type(part).__name__ for part in batch]
    if set(lengths) != {n}:
        got = ", ".join(map(str, lengths))
        raise ValueError(
            f"expected tensors of as many rows as there are examples, to divide a batch, got lengths {got}: "
            f"take one process and leave micro_batch_size out"
        )
    if reason is not None and rows is not None and rows < -(-n // world.size):
        raise ValueError(
            f"expected the whole batch at once, for {reason}, got micro-batches of {rows} of {n} examples: "
            f"leave micro_batch_size out, or lower batch_size"
        )
    if reason is not None and world.size > 1 and not across:
        raise ValueError(f"expected the whole batch at once, for {reason}, got {world.size} processes: take one")
    if across and n < world.size:
        raise ValueError(f"expected an example for each of {world.size} processes, got {n}: enlarge batch_size")


def why_joined(model: nn.Module) -> str | None:
    """Why a batch is more than its examples, in the mode that the model is in; None where it is not."""
    return _why_normalized(model) or getattr(model, "joins_examples", None)


def joined_by_processes(model: nn.Module) -> bool:
    """Whether processes compute one loss of all their examples, from a row that each makes of its own."""
    return callable(getattr(model, "joined_loss", None)) and _why_normalized(model) is None


def _why_normalized(model: nn.Module) -> str | None:
    for name, module in model.named_modules():
        # Batch normalization without running statistics uses the batch's in evaluation too.
        if isinstance(module, _BatchNorm) and (module.training or module.running_mean is None):
            return f"{name} of {type(model).__name__} normalizes by the mean and variance of the batch"
    return None


def validation_batches(model: nn.Module, batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches of a validation set, whose losses add up to the same mean however they are cut.

    Raises:
        TypeError: where there are several and the model does not say what counts.
        ValueError: where there are several and the model's loss depends on which examples come together.
    """
    rest = iter(batches)
    first = list(islice(rest, 2))
    if len(first) > 1:
        count(model, first[0])
        reason = why_joined(model)
        if reason is not None:
            raise ValueError(
                f"expected a validation set of one batch, for {reason}, got more than one: "
                f"enlarge batch_size, or take fewer validation examples"
            )
    yield from chain(first, rest)


def to_device(batch: Batch, device: torch.device) -> list[Any]:
    """The batch on a device."""
    return [tree_map(lambda tensor: tensor.to(device, non_blocking=True), part) for part in batch]
