r"""Inputs that a model errs on, near those that it gets right: what an attacker finds from its gradient.

Inputs stay within a distance :math:`\epsilon` of the original, and within the range that inputs have. An attack that
finds nothing proves nothing: a stronger one may. What it finds is an upper bound of the true accuracy.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.checks import check_one_of, check_whole, is_number

Model = nn.Module | Callable[[Tensor], Tensor]
Norm = Literal["linf", "l2"]


def fgsm(
    model: Model,
    inputs: Float[Tensor, "batch ..."],
    targets: Int[Tensor, " batch"],
    *,
    epsilon: float,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Float[Tensor, "batch ..."]:
    r"""One step to the corner of the box that the gradient points to (fast gradient sign method).

    .. math:: x' = \operatorname{clip}\big(x + \epsilon \operatorname{sign} \nabla_x L(x, y)\big)

    For a linear model of two classes it is the worst there is.

    Args:
        model: from inputs to logits ``[batch, classes]``; put it into evaluation mode first.
        inputs: examples, of any shape.
        targets: their classes.
        epsilon: the largest change of a number.
        bounds: between which inputs lie.

    Raises:
        ValueError: for an epsilon that is no number of at least 0, bounds in the wrong order, or inputs outside.

    Source:
        Goodfellow, Shlens and Szegedy 2015.
    """
    _check(inputs, epsilon, bounds)
    step = epsilon * _gradient(model, inputs, targets).sign()
    return (inputs + step).clamp(*bounds)


def pgd(
    model: Model,
    inputs: Float[Tensor, "batch ..."],
    targets: Int[Tensor, " batch"],
    *,
    epsilon: float,
    norm: Norm = "linf",
    steps: int = 20,
    step_size: float | None = None,
    restarts: int = 1,
    bounds: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
) -> Float[Tensor, "batch ..."]:
    """Steps uphill from random places, each brought back to within ``epsilon``; of all, the input of greatest loss.

    Args:
        model: from inputs to logits ``[batch, classes]``, in evaluation mode.
        inputs: examples, of any shape.
        targets: their classes.
        epsilon: the distance, in the largest number (``linf``) or Euclidean (``l2``).
        norm: which distance.
        steps: of each start.
        step_size: in the same distance; 2.5 times what ``steps`` of them need by default.
        restarts: random starts beside the one from the input itself.
        bounds: between which inputs lie.
        seed: of the starts.

    Returns:
        Inputs of the same shape; an example that is misclassified somewhere stays so.

    Raises:
        ValueError: as :func:`fgsm`, and for another norm, or counts below 0.

    Source:
        Madry et al. 2018.
    """
    _check(inputs, epsilon, bounds)
    check_one_of("norm", norm, ("linf", "l2"))
    check_whole("steps", steps, at_least=1, advice="it is how many gradients each start takes")
    check_whole("restarts", restarts, at_least=0, advice="it is how many random starts there are")
    size = 2.5 * epsilon / steps if step_size is None else step_size
    generator = torch.Generator().manual_seed(seed)
    best, worst = inputs.clone(), _losses(model, inputs, targets)
    for start in range(restarts + 1):
        change = torch.zeros_like(inputs) if start == 0 else _random(inputs, epsilon, norm, generator)
        for _ in range(steps):
            x = (inputs + change).clamp(*bounds)
            change = _within(x + size * _direction(_gradient(model, x, targets), norm) - inputs, epsilon, norm)
            x = (inputs + change).clamp(*bounds)
            losses = _losses(model, x, targets)
            better = losses > worst
            worst = torch.where(better, losses, worst)
            best = torch.where(_spread(better, inputs), x, best)
    return best


def _losses(model: Model, x: Tensor, targets: Tensor) -> Float[Tensor, " batch"]:
    """The margin by which a class beats the right one: above 0 where the model errs, and of use far from it, too."""
    with torch.no_grad():
        logits = model(x)
    right = F.one_hot(targets, logits.shape[1]).bool()
    return logits.masked_fill(right, -torch.inf).amax(dim=1) - logits[right]


def _gradient(model: Model, inputs: Tensor, targets: Tensor) -> Tensor:
    x = inputs.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        loss = F.cross_entropy(model(x), targets, reduction="sum")  # examples do not touch each other
        return torch.autograd.grad(loss, x)[0]


def _direction(gradient: Tensor, norm: Norm) -> Tensor:
    if norm == "linf":
        return gradient.sign()
    return gradient / _length(gradient).clamp_min(torch.finfo(gradient.dtype).tiny)


def _within(change: Tensor, epsilon: float, norm: Norm) -> Tensor:
    if norm == "linf":
        return change.clamp(-epsilon, epsilon)
    return change * (epsilon / _length(change).clamp_min(torch.finfo(change.dtype).tiny)).clamp(max=1.0)


def _random(inputs: Tensor, epsilon: float, norm: Norm, generator: torch.Generator) -> Tensor:
    """Uniform in the box; in the ball, a random direction at a random distance."""
    if norm == "linf":
        drawn = torch.rand(inputs.shape, generator=generator) * 2 - 1
        return epsilon * drawn.to(inputs)
    drawn = _direction(torch.randn(inputs.shape, generator=generator), norm)
    far = torch.rand(len(inputs), generator=generator)
    return epsilon * (drawn * _spread(far, inputs)).to(inputs)


def _length(x: Tensor) -> Tensor:
    return _spread(x.flatten(1).norm(dim=1), x)


def _spread(values: Tensor, like: Tensor) -> Tensor:
    """One value an example, shaped to be multiplied with inputs."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def _check(inputs: Tensor, epsilon: float, bounds: tuple[float, float]) -> None:
    if not is_number(epsilon) or not 0 <= epsilon < float("inf"):
        raise ValueError(f"expected epsilon to be a number of at least 0, got {epsilon!r}")
    low, high = bounds
    if not low < high:
        raise ValueError(f"expected bounds (low, high) with low < high, got {bounds}")
    if bool((inputs < low).any()) or bool((inputs > high).any()):
        got = f"{float(inputs.min()):g} to {float(inputs.max()):g}"
        raise ValueError(f"expected inputs within bounds {bounds}, got {got}: say bounds=")
