r"""Which inputs an output depends on, by its gradients on the way from a baseline."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from companion.checks import check_whole

#: From inputs ``[batch, ...]`` to one number each ``[batch]``.
Score = Callable[[Tensor], Tensor]


def integrated_gradients(
    score: Score,
    inputs: Float[Tensor, "batch ..."],
    baselines: Float[Tensor, "..."] | float = 0.0,
    *,
    steps: int = 50,
) -> Float[Tensor, "batch ..."]:
    r"""The gradient on average over the straight line from a baseline, times the way.

    .. math:: \phi_i = (x_i - b_i) \int_0^1 \frac{\partial f}{\partial x_i}\big(b + t (x - b)\big) \, dt

    They add up to :math:`f(x) - f(b)`, as far as ``steps`` points of a Gauss–Legendre rule can tell; a polynomial of
    degree ``2 * steps`` they integrate exactly. Another baseline gives another answer.

    Args:
        score: the output that is explained, such as one class's logit.
        inputs: examples, of any shape.
        baselines: what counts as nothing: one number, or a tensor that broadcasts to the inputs.
        steps: points on the line.

    Raises:
        ValueError: for a score of another shape than one number an example, or no steps.

    Source:
        Sundararajan, Taly and Yan 2017.

    >>> x = torch.tensor([[3.0, 2.0]])
    >>> integrated_gradients(lambda x: x[:, 0] * x[:, 1], x)
    tensor([[3.0000, 3.0000]])
    """
    check_whole("steps", steps, at_least=1, advice="it is how many gradients are taken")
    places, weights = np.polynomial.legendre.leggauss(steps)
    start = torch.as_tensor(baselines).to(inputs).expand_as(inputs)
    total = torch.zeros_like(inputs)
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        total += weight * _gradient(score, start + place * (inputs - start))
    return (inputs - start) * total


def _gradient(score: Score, inputs: Tensor) -> Tensor:
    x = inputs.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        values = score(x)
        if values.shape != (len(x),):
            raise ValueError(f"expected a score of one number an example [{len(x)}], got {tuple(values.shape)}")
        return torch.autograd.grad(values.sum(), x)[0]
