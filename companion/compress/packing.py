"""Codes of 4 bits, two in a byte."""

import torch
from jaxtyping import UInt8
from torch import Tensor


def pack(codes: UInt8[Tensor, "out in"]) -> UInt8[Tensor, "out half"]:
    """Codes from 0 to 15, an even number a row, in half as many bytes; the first of two is the lower half of a byte.

    Example:
        >>> pack(torch.tensor([[1, 2, 15, 0]], dtype=torch.uint8))
        tensor([[33, 15]], dtype=torch.uint8)
    """
    return codes[:, 0::2] | codes[:, 1::2] << 4


def unpack(packed: UInt8[Tensor, "out half"]) -> UInt8[Tensor, "out in"]:
    """What :func:`pack` was given."""
    return torch.stack([packed & 15, packed >> 4], dim=-1).flatten(1)
