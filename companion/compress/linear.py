r"""Linear layers whose weights stay in 8 or 4 bits while they compute, on the CPU.

Writing one token reads every weight once, so the time of a step is the bytes of the weights over the memory's
bandwidth: fewer bytes, less time. That holds only where the weights are read in few bits *and* multiplied there; a
layer that first writes them out in float32 is smaller and slower. torch has kernels that do this on the CPU for

- 8 bits, ``symmetric``, a scale a row: :math:`y = s \odot (Qx)`;
- 4 bits, ``affine`` or ``offset``, in groups:
  :math:`y_o = \sum_g \sum_{i \in g} (s_{og} (q_{oi} - 8) + m_{og})\, x_i`, with :math:`m = s\,(8 - z)`.

They take activations in bfloat16, with sums in float32: the inputs and the outputs of a layer carry 8 significant
bits, an error of at most 0.4% of each, random and below that of the weights. Their float32 kernels are no faster than
float32 weights (torch 2.13). The weights of 4 bits lie in memory in an order that depends on the processor; a state
dict has them two in a byte, and is read anywhere.

Axes: in, out (of a layer); group.
"""

from collections.abc import Callable
from typing import Any, Self, cast

import torch
from jaxtyping import Float, Int8, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from companion.compress.gptq import gptq
from companion.compress.packing import pack, unpack
from companion.compress.weights import QuantizedWeight, Scheme, quantize_weight

#: Weights that may share a scale in 4 bits: what the kernel takes.
GROUPS = (32, 64, 128, 256)
_ROWS = 16  # the kernel of 4 bits takes a multiple of these outputs
_KERNEL = torch.bfloat16  # what the kernels take
_product_in_8_bits = torch._weight_int8pack_mm
_product_in_4_bits = torch.ops.aten._weight_int4pack_mm_for_cpu


class QuantizedLinear(nn.Module):
    """A linear layer with weights in 8 or 4 bits, for inference on the CPU; start from :meth:`from_linear`.

    A gradient flows to the input, not to the weights.

    Args:
        in_features: inputs.
        out_features: outputs; with 4 bits a multiple of 16.
        bits: of a weight, 8 or 4.
        group_size: with 4 bits, inputs that share a scale: 32, 64, 128 or 256, a divisor of ``in_features``.
        bias: whether there is one; it stays as it is.

    Raises:
        ValueError: for sizes that the kernel does not take.

    Example:
        >>> layer = nn.Linear(64, 48)
        >>> small = QuantizedLinear.from_linear(layer, bits=4, group_size=32)
        >>> x = torch.randn(5, 64)
        >>> with torch.no_grad():
        ...     off = (small(x) - layer(x)).std() / layer(x).std()
        >>> bool(off < 0.15), layer.weight.nbytes / small.n_bytes
        (True, 6.4)
    """

    def __init__(
        self, in_features: int, out_features: int, *, bits: int = 8, group_size: int = 64, bias: bool = False
    ) -> None:
        super().__init__()
        _check(in_features, out_features, bits, group_size)
        self.in_features, self.out_features, self.bits, self.group_size = in_features, out_features, bits, group_size
        if bits == 8:
            self.register_buffer("codes", torch.zeros(out_features, in_features, dtype=torch.int8))
            self.register_buffer("scales", torch.ones(out_features))
            self.register_buffer("ones", torch.ones(out_features, dtype=_KERNEL), persistent=False)
        else:
            codes = torch.zeros(out_features, in_features, dtype=torch.uint8)
            self.register_buffer("packed", _kernel_order(codes), persistent=False)
            self.register_buffer("scales", torch.ones(in_features // group_size, out_features, 2, dtype=_KERNEL))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None

    codes: Tensor
    packed: Tensor
    scales: Tensor
    ones: Tensor

    @classmethod
    def from_linear(
        cls, layer: nn.Linear, *, bits: int = 8, group_size: int = 64, moments: Float[Tensor, "in in"] | None = None
    ) -> Self:
        """The layer in few bits; it shares the bias.

        Args:
            layer: on the CPU.
            bits: as the class.
            group_size: as the class.
            moments: of the layer's inputs, to round by :func:`gptq`; None rounds to the nearest.

        Raises:
            ValueError: for sizes that the kernel does not take, another device than the CPU, or weights that are not
                finite.
        """
        small = cls(layer.in_features, layer.out_features, bits=bits, group_size=group_size)
        if layer.weight.device.type != "cpu":
            raise ValueError(f"expected a layer on the CPU, whose kernels these are, got one on {layer.weight.device}")
        small.bias = layer.bias
        scheme: Scheme = "symmetric" if bits == 8 else "offset"
        size = None if bits == 8 else group_size
        if moments is None:
            small.set_weight(quantize_weight(layer.weight, bits=bits, group_size=size, scheme=scheme))
        else:
            small.set_weight(gptq(layer.weight, moments, bits=bits, group_size=size, scheme=scheme))
        return small

    def set_weight(self, weight: QuantizedWeight) -> None:
        """Takes a weight in this layer's format, however it was rounded.

        Raises:
            ValueError: for other bits, another scheme, another group size or another shape.
        """
        groups = 1 if self.bits == 8 else self.in_features // self.group_size
        schemes = ("symmetric",) if self.bits == 8 else ("affine", "offset")
        scales, codes = weight.whole_scales(), weight.whole_codes()
        expected = self.bits, (self.out_features, groups), self.in_features
        got = weight.bits, tuple(scales.shape), codes.shape[1]
        if got != expected or weight.scheme not in schemes:
            raise ValueError(
                f"expected bits, shape of the scales and inputs {expected}, {' or '.join(schemes)}, got {got}, "
                f"{weight.scheme}: quantize the weight for this layer"
            )
        if self.bits == 8:
            self.codes, self.scales = signed(weight)
        else:
            both = torch.stack([scales, scales * (8 - weight.whole_zeros())], dim=-1)
            self.packed, self.scales = _kernel_order(codes), both.transpose(0, 1).contiguous().to(_KERNEL)

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """What the layer gives, in the dtype of ``x``."""
        if x.requires_grad and torch.is_grad_enabled():
            return F.linear(x, self.dequantize().to(x.dtype), self.bias)
        rows = x.reshape(-1, self.in_features).to(_KERNEL)
        held = cast(dict[str, Tensor], self._buffers)  # not by attribute: a token asks hundreds of times
        if self.bits == 8:  # scaled afterwards, so that the scales keep their precision
            y = _product_in_8_bits(rows, held["codes"], held["ones"]) * held["scales"]
        else:
            y = _product_in_4_bits(rows, held["packed"], self.group_size, held["scales"])
        if y.dtype is not x.dtype:
            y = y.to(x.dtype)
        if self.bias is not None:
            y = y + self.bias
        return y.view(*x.shape[:-1], -1)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        for name in ("ones",) if self.bits == 8 else ("scales",):
            self._buffers[name] = getattr(self, name).to(_KERNEL)  # whatever the model's other numbers become
        return self

    def whole_codes(self) -> Tensor:
        """Codes [out, in] one in a byte: int8 around 0 of 8 bits, uint8 from 0 to 15 of 4 bits."""
        if self.bits == 8:
            return self.codes
        # The kernel's order is its own: the product with the identity asks it for each code, and 0 to 15 are exact.
        plain = torch.tensor([1.0, 8.0], dtype=_KERNEL).expand(self.scales.shape).contiguous()
        unit = torch.eye(self.in_features, dtype=_KERNEL)
        asked = _product_in_4_bits(unit, self.packed, self.group_size, plain)
        return asked.t().contiguous().to(torch.uint8)

    def dequantize(self) -> Float[Tensor, "out in"]:
        """The weights that the codes stand for, in float32."""
        if self.bits == 8:
            return self.codes * self.scales[:, None]
        scale, offset = self.scales.float().repeat_interleave(self.group_size, dim=0).unbind(dim=-1)
        return ((self.whole_codes().t() - 8.0) * scale + offset).t()

    @property
    def n_bytes(self) -> int:
        """What weights and scales take in memory."""
        return (self.codes if self.bits == 8 else self.packed).nbytes + self.scales.nbytes

    def extra_repr(self) -> str:
        """The sizes, for ``print``."""
        groups = f", group_size={self.group_size}" if self.bits == 4 else ""
        return f"{self.in_features}, {self.out_features}, bits={self.bits}{groups}, bias={self.bias is not None}"

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.bits == 4:
            destination[prefix + "codes"] = pack(self.whole_codes())

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        if self.bits == 4:
            codes = state_dict.pop(prefix + "codes", None)
            shape = (self.out_features, self.in_features // 2)
            if codes is None or codes.shape != shape:
                got = "none" if codes is None else f"shape {tuple(codes.shape)}"
                raise ValueError(f"expected {prefix}codes of shape {shape}, got {got}: is it a state of other bits?")
            self.packed = _kernel_order(unpack(codes))
        super()._load_from_state_dict(state_dict, prefix, *args)


def signed(weight: QuantizedWeight) -> tuple[Int8[Tensor, "out in"], Float[Tensor, " out"]]:
    """Symmetric 8-bit codes around 0, and the scale of each row, as the kernel takes them."""
    return (weight.codes.to(torch.int16) - 128).to(torch.int8), weight.whole_scales()[:, 0]


def _kernel_order(codes: UInt8[Tensor, "out in"]) -> Tensor:
    return torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes.to(torch.int32), 1)


def _check(in_features: int, out_features: int, bits: int, group_size: int) -> None:
    if bits not in (8, 4):
        raise ValueError(f"expected bits of 8 or 4, got {bits!r}")
    if bits == 4 and (group_size not in GROUPS or in_features % group_size):
        raise ValueError(
            f"expected group_size among {GROUPS} to divide the {in_features} inputs of a layer with bits=4, got "
            f"{group_size!r}: take another group_size, or bits=8"
        )
    if bits == 4 and out_features % _ROWS:
        raise ValueError(f"expected a multiple of {_ROWS} outputs with bits=4, got {out_features}: take bits=8")
