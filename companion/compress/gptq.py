r"""GPTQ: rounding weights so that a layer's outputs change least (Frantar et al. 2023, arXiv:2210.17323).

For a weight matrix :math:`W` and inputs :math:`X`, a column each, rounding to the nearest is best where inputs are
uncorrelated, and they are not. GPTQ seeks codes that make

.. math::
    \lVert W X - \hat W X \rVert^2 = \mathrm{tr}\big((W - \hat W)\, H\, (W - \hat W)^\top\big), \qquad H = X X^\top

small. It rounds one column :math:`i` after the other and moves the columns that are still to come so that they make up
for its error :math:`e = w_i - \hat w_i` as well as they can, which is in closed form

.. math:: w_j \leftarrow w_j - e\, \frac{U_{ij}}{U_{ii}}, \quad j > i, \qquad H^{-1} = U^\top U

with :math:`U` upper triangular (section 3.3, step 3). A hundredth of the mean of H's diagonal is added to it first. A
group's scale is taken when its first column is reached. Departure from the paper's program: no blocks of columns, which
save a GPU's memory traffic and change no result.

Axes: out, in (of a linear layer).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.compress.packing import pack
from companion.compress.weights import QuantizedWeight, Scheme, quantize_weight
from companion.models import GPT
from companion.models.checks import check_tensor
from companion.models.modes import evaluating


@torch.no_grad()
def gptq(
    weight: Float[Tensor, "out in"],
    moments: Float[Tensor, "in in"],
    *,
    bits: int = 4,
    group_size: int | None = None,
    scheme: Scheme = "offset",
    damping: float = 0.01,
) -> QuantizedWeight:
    """A weight matrix in few bits, rounded for inputs with these second moments.

    Args:
        weight: of a linear layer.
        moments: sums or means of products of the layer's inputs, :math:`X X^T`: :func:`input_moments`.
        bits: as :func:`quantize_weight`.
        group_size: as :func:`quantize_weight`.
        scheme: as :func:`quantize_weight`, but ``nf4``.
        damping: what is added to the diagonal of ``moments``, as a proportion of its mean; above 0.

    Raises:
        ValueError: as :func:`quantize_weight`, for moments of another shape or that are no moments, or for ``nf4``.

    Example:
        >>> inputs = torch.randn(200, 8) @ torch.randn(8, 8)  # correlated
        >>> weight, moments = torch.randn(16, 8), inputs.T @ inputs
        >>> def error(rounded):
        ...     return ((rounded.dequantize() - weight) @ inputs.T).square().sum()
        >>> bool(error(gptq(weight, moments)) < error(quantize_weight(weight, bits=4, scheme="offset")))
        True
    """
    check_tensor("moments", moments, weight.shape[1], weight.shape[1], do="they are products of the layer's inputs")
    if scheme == "nf4":
        raise ValueError("expected scheme symmetric, affine or offset, got 'nf4', whose codes are no steps of a scale")
    nearest = quantize_weight(weight, bits=bits, group_size=group_size, scheme=scheme)  # checks the options
    size, factor = group_size or weight.shape[1], _inverse_factor(moments, damping)
    left, codes, scales, zeros = weight.double(), torch.empty_like(weight, dtype=torch.uint8), [], []
    for i in range(weight.shape[1]):
        if i % size == 0:
            group = quantize_weight(left[:, i : i + size].float(), bits=bits, scheme=scheme)
            scales.append(group.whole_scales())
            zeros.append(group.whole_zeros())
            scale, zero = scales[-1][:, 0].double(), zeros[-1][:, 0].double()
        code = (left[:, i] / scale + zero).round().clamp(0, 2**bits - 1)
        error = left[:, i] - scale * (code - zero)
        left[:, i:] -= error[:, None] * factor[i, i:] / factor[i, i]
        codes[:, i] = code.to(torch.uint8)
    kept = None if nearest.zeros is None else torch.cat(zeros, dim=1).to(nearest.zeros.dtype)
    return QuantizedWeight(pack(codes) if bits == 4 else codes, torch.cat(scales, dim=1), kept, bits, scheme)


@torch.no_grad()
def input_moments(model: GPT, tokens: Int[Tensor, "batch time"]) -> dict[str, Tensor]:
    """The second moments of the inputs of each linear layer in a GPT's blocks, while it reads ``tokens``.

    The sums of products :math:`X X^T` [in, in] over all tokens, by the path of the layer, for :func:`gptq`. Some
    thousand tokens of the kind that the model will meet are enough; too few leave directions that no input takes, and
    what the layers do to these is lost. Departure from the paper, as nothing is quantized meanwhile: inputs of late
    layers are those of the plain model, not of one whose early layers are rounded already.

    Raises:
        ValueError: for bad tokens, as the model refuses them.

    Example:
        >>> from companion.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=11, block_size=8, n_layer=1, n_head=1, n_embd=4))
        >>> {path: tuple(found.shape) for path, found in input_moments(model, torch.randint(11, (5, 8))).items()}
        {'h.0.attn.c_attn': (4, 4), 'h.0.attn.c_proj': (4, 4), 'h.0.mlp.c_fc': (4, 4), 'h.0.mlp.c_proj': (16, 16)}
    """
    moments: dict[str, Tensor] = {}
    with evaluating(model), _adding_up(model, moments):
        for row in tokens:  # one at a time, for memory
            model(row[None])
    return moments


@contextmanager
def _adding_up(model: GPT, moments: dict[str, Tensor]) -> Iterator[None]:
    """While this is open, the inputs of each linear layer in the blocks add their products to ``moments``."""

    def add(path: str, x: Tensor) -> None:
        rows = x.detach().flatten(0, -2).float()
        moments[path] = moments.get(path, 0) + rows.T @ rows

    layers = [(path, each) for path, each in model.named_modules() if isinstance(each, nn.Linear) and "h." in path]
    hooks = [layer.register_forward_pre_hook(lambda _, given, path=path: add(path, given[0])) for path, layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _inverse_factor(moments: Float[Tensor, "in in"], damping: float) -> Float[Tensor, "in in"]:
    """U, upper triangular with UᵀU the inverse of the damped moments, in float64."""
    h = moments.double()
    diagonal = h.diagonal()
    if not (h.isfinite().all() and (diagonal >= 0).all() and diagonal.mean() > 0 and damping > 0):
        raise ValueError(f"expected moments, finite with a diagonal from 0 on, and damping above 0 (got {damping!r})")
    h = h + damping * diagonal.mean() * torch.eye(len(h), dtype=h.dtype, device=h.device)
    lower, info = torch.linalg.cholesky_ex(h)
    if info:
        raise ValueError("expected moments X Xᵀ of inputs, got a matrix that is none: it is not positive definite")
    return torch.linalg.cholesky(torch.cholesky_inverse(lower), upper=True)
