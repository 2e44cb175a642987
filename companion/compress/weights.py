r"""Weights as whole numbers of few bits: scale, zero point and rounding (Jacob et al. 2018; Nagel et al. 2021).

Each row of a weight matrix is cut into groups of :math:`g` numbers. A group keeps :math:`b`-bit codes :math:`q` and a
scale :math:`s`, and stands for

.. math::
    \hat w = s\,(q - z), \qquad q = \mathrm{clip}\left(\mathrm{round}(w / s) + z,\; 0,\; 2^b - 1\right).

``symmetric``: :math:`z = 2^{b-1}` and :math:`s = \max|w| / (2^{b-1} - 1)`. ``affine``:
:math:`s = (\max(w, 0) - \min(w, 0)) / (2^b - 1)` and :math:`z = \mathrm{round}(-\min(w, 0) / s)`, for groups that lean
to one side. Both represent 0 exactly. ``offset``: :math:`s = (\max w - \min w) / (2^b - 1)` and :math:`z = -\min w / s`
as it is, not rounded, so that both ends of a group are met exactly and 0 is not: what llama.cpp's Q4_1 does, whose
weights it gives back as they were. In all three no weight is off by more than :math:`s / 2`. ``nf4``: :math:`q` names
the nearest of 16 levels :math:`c_q` in [-1, 1] (:func:`nf4_levels`), and :math:`\hat w = s\,c_q` with
:math:`s = \max|w|`.

Smaller groups follow the weights more closely and cost more scales: a float32 scale a group of 64 is half a bit a
weight. *Double quantization* (Dettmers et al. 2023, section 3) keeps the scales themselves in 8 bits.

Axes: out and in, of a linear layer; group, the groups of a row.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from companion.checks import check_one_of, check_whole
from companion.compress.normal_float import nf4_levels
from companion.compress.packing import pack, unpack
from companion.models.checks import check_tensor

Scheme = Literal["symmetric", "affine", "offset", "nf4"]
#: Scales that share a scale of their own in double quantization, as in the paper.
SCALES_A_BLOCK = 256


@dataclass(frozen=True)
class QuantizedWeight:
    """A weight matrix in few bits, as :func:`quantize_weight` returns it.

    Attributes:
        codes: uint8 [out, in]; of 4 bits, two in a byte.
        scales: float32 [out, group], or these in 8 bits.
        zeros: the zero point of each group, [out, group]: uint8, or float32 of ``offset``; None where it is the same
            everywhere.
        bits: of a code.
        scheme: what a code stands for.
    """

    codes: Tensor
    scales: "Tensor | QuantizedScales"
    zeros: Tensor | None
    bits: int
    scheme: Scheme

    def whole_codes(self) -> UInt8[Tensor, "out in"]:
        """The codes, one in a byte."""
        return unpack(self.codes) if self.bits == 4 else self.codes

    def whole_scales(self) -> Float[Tensor, "out group"]:
        """The scales in float32."""
        return self.scales if isinstance(self.scales, Tensor) else self.scales.dequantize()

    def whole_zeros(self) -> Float[Tensor, "out group"]:
        """The zero point of each group as a number; not for ``nf4``, which has none."""
        if self.zeros is not None:
            return self.zeros.to(torch.float32)
        return torch.full_like(self.whole_scales(), 2 ** (self.bits - 1))

    def dequantize(self) -> Float[Tensor, "out in"]:
        """The matrix that the codes stand for, in float32."""
        scales = self.whole_scales()
        groups = self.whole_codes().unflatten(1, (scales.shape[1], -1))
        if self.scheme == "nf4":
            values = nf4_levels(groups.device)[groups.int()]
        else:
            values = groups - self.whole_zeros()[..., None]
        return (values * scales[..., None]).flatten(1)

    @property
    def n_bytes(self) -> int:
        """What codes, scales and zero points take in memory."""
        scales = self.scales.nbytes if isinstance(self.scales, Tensor) else self.scales.n_bytes
        return self.codes.nbytes + scales + (0 if self.zeros is None else self.zeros.nbytes)

    @property
    def bits_per_weight(self) -> float:
        """All of :attr:`n_bytes`, a weight."""
        return 8 * self.n_bytes / (self.codes.numel() * 8 / self.bits)


@dataclass(frozen=True)
class QuantizedScales:
    """Scales in 8 bits, in blocks of 256 around their mean.

    Attributes:
        blocks: the scales less their mean, a block a row; the last one is filled with zeros.
        mean: of all scales.
        shape: of the scales.
    """

    blocks: QuantizedWeight
    mean: Tensor
    shape: tuple[int, int]

    def dequantize(self) -> Float[Tensor, "out group"]:
        """The scales in float32."""
        scales = self.blocks.dequantize().flatten()[: self.shape[0] * self.shape[1]]
        return scales.view(self.shape) + self.mean

    @property
    def n_bytes(self) -> int:
        """What they take in memory."""
        return self.blocks.n_bytes + self.mean.nbytes


def quantize_weight(
    weight: Float[Tensor, "out in"], *, bits: int = 8, group_size: int | None = None, scheme: Scheme = "symmetric"
) -> QuantizedWeight:
    """A weight matrix in 8 or 4 bits, each weight rounded to the nearest that its group has.

    Args:
        weight: finite numbers, computed with in float32.
        bits: of a code: 8 or 4.
        group_size: weights of a row that share a scale; None for the whole row.
        scheme: what a code stands for; ``nf4`` has 4 bits.

    Raises:
        ValueError: for another rank, other bits or another scheme, a group size that does not divide a row, or weights
            that are not finite.

    Example:
        >>> weight = torch.tensor([[0.0, -0.7, 0.35, 0.12], [1.0, 2.0, 3.0, -4.0]])
        >>> quantize_weight(weight, bits=4).dequantize()
        tensor([[ 0.0000, -0.7000,  0.4000,  0.1000],
                [ 1.1429,  1.7143,  2.8571, -4.0000]])
        >>> quantize_weight(torch.randn(64, 512), bits=4, group_size=64, scheme="nf4").bits_per_weight
        4.5
    """
    _check(weight, bits, group_size, scheme)
    groups = weight.detach().to(torch.float32).unflatten(1, (-1, group_size or weight.shape[1]))
    zeros: Tensor | None = None
    if scheme == "nf4":
        scales = _positive(groups.abs().amax(dim=-1))
        levels = nf4_levels(weight.device)
        codes = torch.bucketize(groups / scales[..., None], (levels[1:] + levels[:-1]) / 2)
    elif scheme == "symmetric":
        scales = _positive(groups.abs().amax(dim=-1) / (2 ** (bits - 1) - 1))
        codes = (groups / scales[..., None]).round() + 2 ** (bits - 1)
    elif scheme == "affine":
        low, high = groups.amin(dim=-1).clamp(max=0), groups.amax(dim=-1).clamp(min=0)
        scales = _positive((high - low) / (2**bits - 1))
        zeros = (-low / scales).round()
        codes = ((groups / scales[..., None]).round() + zeros[..., None]).clamp(0, 2**bits - 1)
        zeros = zeros.to(torch.uint8)
    else:
        low, high = groups.amin(dim=-1), groups.amax(dim=-1)
        scales = torch.where(high > low, (high - low) / (2**bits - 1), _positive(low.abs()))
        zeros = -low / scales
        codes = ((groups - low[..., None]) / scales[..., None]).round()
    whole = codes.to(torch.uint8).flatten(1)
    return QuantizedWeight(pack(whole) if bits == 4 else whole, scales, zeros, bits, scheme)


def double_quantize(weight: QuantizedWeight) -> QuantizedWeight:
    r"""The same codes, with their scales in 8 bits (Dettmers et al. 2023, section 3).

    With groups of 64, scales then cost :math:`8/64 + 32/(64 \cdot 256) = 0.127` bits a weight in place of 0.5.
    Departure from the paper, which keeps them in 8-bit floating point: whole numbers, symmetric around the mean.

    Raises:
        ValueError: where the scales are in 8 bits already.

    Example:
        >>> once = quantize_weight(torch.randn(256, 4_096), bits=4, group_size=64, scheme="nf4")
        >>> round(double_quantize(once).bits_per_weight, 3)
        4.127
    """
    if not isinstance(weight.scales, Tensor):
        raise ValueError("expected a weight with scales in float32, got one that double_quantize has had already")
    mean, shape = weight.scales.mean(), weight.scales.shape
    centered = (weight.scales - mean).flatten()
    rows = F.pad(centered, (0, -centered.numel() % SCALES_A_BLOCK)).view(-1, SCALES_A_BLOCK)
    scales = QuantizedScales(quantize_weight(rows), mean, (shape[0], shape[1]))
    return QuantizedWeight(weight.codes, scales, weight.zeros, weight.bits, weight.scheme)


def _positive(scales: Tensor) -> Tensor:
    """Scales with 1 for 0, by which a group of zeros could not be divided."""
    return torch.where(scales > 0, scales, 1)


def _check(weight: Tensor, bits: int, group_size: int | None, scheme: str) -> None:
    check_tensor("weight", weight, "out", "in")
    check_one_of("scheme", scheme, get_args(Scheme))
    if bits not in (8, 4) or (scheme == "nf4" and bits != 4):
        raise ValueError(f"expected bits of 8 or 4, and of 4 with scheme='nf4'; got {bits!r} with scheme={scheme!r}")
    width = weight.shape[1]
    if group_size is not None:
        check_whole("group_size", group_size, at_least=1, advice="it is how many weights share a scale")
        if width % group_size:
            raise ValueError(f"expected group_size to divide the {width} inputs of a row, got {group_size}")
    if bits == 4 and width % 2:
        raise ValueError(f"expected an even number of inputs with bits=4, two in a byte; got {width}")
    if not weight.isfinite().all():
        raise ValueError("expected finite weights, got NaN or infinity: was the model's training sound?")
