"""The largest eigenvalue of a loss's Hessian, by products of the Hessian with a vector: the matrix is never formed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

_Product = Callable[[list[Tensor]], list[Tensor]]


@dataclass(frozen=True)
class Sharpness:
    """The steepest curvature of a loss.

    Attributes:
        value: the largest eigenvalue of the Hessian, in units of loss over squared weight.
        direction: its eigenvector of length 1, a tensor for each parameter.
        products: Hessian-vector products that it took; each costs about two gradients.

    Example:
        >>> found = Sharpness(value=50.0, direction=(torch.tensor([0.6, 0.8]),), products=7)
        >>> 2 / found.value  # the largest rate at which gradient descent is stable
        0.04
    """

    value: float
    direction: tuple[Tensor, ...]
    products: int


def sharpness(
    model: nn.Module,
    *batch: Tensor,
    tolerance: float = 1e-2,
    max_products: int = 1_000,
    direction: Sequence[Tensor] | None = None,
    seed: int = 0,
) -> Sharpness:
    r"""Largest eigenvalue :math:`\lambda_1` of the Hessian of ``model.loss(*batch)``.

    Power iteration: :math:`\mathbf{v} \leftarrow \mathbf{H}\mathbf{v} / \lVert\mathbf{H}\mathbf{v}\rVert` turns toward
    the eigenvector of largest magnitude, and :math:`\mathbf{H}\mathbf{v} = \nabla(\nabla L \cdot \mathbf{v})` is one
    more backward pass (Pearlmutter 1994). Where that eigenvalue :math:`\mu` is negative, a second iteration on
    :math:`\mathbf{H} - \mu\mathbf{I}`, all of whose eigenvalues are at least 0, finds the largest. Gradient descent of
    rate :math:`\eta` is stable along :math:`\mathbf{v}` while :math:`\eta\lambda_1 < 2` (Cohen et al. 2021).

    Gradients of parameters are left alone. Use evaluation mode where the model has dropout: another pass would draw
    another mask.

    Args:
        model: has ``loss(*batch)``, the mean over the batch; its parameters that require a gradient count.
        batch: what the loss is of. A part of the data has another Hessian than all of it.
        tolerance: stops where :math:`\lVert\mathbf{H}\mathbf{v} - \lambda\mathbf{v}\rVert \le` ``tolerance``
            :math:`\cdot |\lambda|`, the shift included. Some eigenvalue then lies within that distance; its error is of
            the order of the square.
        max_products: Hessian-vector products before it gives up.
        direction: where to start, such as the direction found some steps before; drawn at random if None.
        seed: of the random start.

    Returns:
        Value, direction and number of products.

    Raises:
        ValueError: where nothing requires a gradient, ``tolerance`` is not positive, the Hessian is 0, ``direction``
            has other shapes than the parameters, or ``max_products`` did not suffice.

    Example:
        >>> from companion.models import MLP, MLPConfig
        >>> _ = torch.manual_seed(0)
        >>> model = MLP(MLPConfig(sizes=(2, 1), loss="squared_error"))
        >>> x = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
        >>> found = sharpness(model, x, torch.zeros(2, 1), tolerance=1e-3)
        >>> print(f"{found.value:.3f}")  # of the mean of (3, 0, 1)(3, 0, 1)' and (0, 1, 1)(0, 1, 1)'
        5.062
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters or tolerance <= 0:
        raise ValueError(
            f"expected parameters that require a gradient and tolerance > 0, got {len(parameters)} parameters and "
            f"{tolerance}: unfreeze some, or raise tolerance"
        )
    start = _start(parameters, direction, seed)
    with sdpa_kernel(SDPBackend.MATH):  # the other kernels of attention have no second derivative
        gradient = torch.autograd.grad(model.loss(*batch), parameters, create_graph=True, materialize_grads=True)  # type: ignore[operator]

        def product(v: list[Tensor]) -> list[Tensor]:
            if not any(g.requires_grad for g in gradient):
                return [torch.zeros_like(p) for p in parameters]  # linear in all parameters
            return list(torch.autograd.grad(gradient, parameters, v, retain_graph=True, materialize_grads=True))

        largest, v, n = _power(product, start, tolerance, max_products)
        if largest < 0:
            shift = largest

            def shifted(v: list[Tensor]) -> list[Tensor]:
                return [h - shift * each for h, each in zip(product(v), v, strict=True)]

            # A new start: after convergence, the old direction holds nothing of the others.
            above, v, more = _power(shifted, _start(parameters, None, seed + 1), tolerance, max_products - n)
            largest, n = above + shift, n + more
    return Sharpness(largest, tuple(v), n)


def _power(product: _Product, v: list[Tensor], tolerance: float, most: int) -> tuple[float, list[Tensor], int]:
    """Eigenvalue of largest magnitude, its direction, and the products that it took."""
    for n in range(1, most + 1):
        image = product(v)
        value = _dot(image, v)
        size = _dot(image, image) ** 0.5
        if size == 0:
            raise ValueError("expected a loss that is curved, got a Hessian of 0: is the loss linear in the weights?")
        # |Hv - λv|² = |Hv|² - λ² for a v of length 1
        if max(size**2 - value**2, 0) ** 0.5 <= tolerance * abs(value):
            return value, v, n
        v = [each / size for each in image]
    raise ValueError(
        f"expected to converge in max_products={most} more products, got no direction that stays: raise max_products "
        f"or tolerance"
    )


def _start(parameters: Sequence[Tensor], direction: Sequence[Tensor] | None, seed: int) -> list[Tensor]:
    if direction is None:
        generator = torch.Generator().manual_seed(seed)
        drawn = [torch.randn(p.shape, generator=generator, dtype=p.dtype).to(p.device) for p in parameters]
    elif [d.shape for d in direction] != [p.shape for p in parameters]:
        raise ValueError(
            f"expected a direction of shapes {[tuple(p.shape) for p in parameters]}, got "
            f"{[tuple(d.shape) for d in direction]}: pass the direction of an earlier call on this model"
        )
    else:
        drawn = [d.detach() for d in direction]
    size = _dot(drawn, drawn) ** 0.5
    return [each / size for each in drawn]


def _dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    return float(torch.stack([(x * y).sum() for x, y in zip(a, b, strict=True)]).sum())
