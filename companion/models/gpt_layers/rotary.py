r"""Rotary positions: queries and keys are turned by angles that grow with the position (Su et al. 2021, section 3.2).

A head's vector at position :math:`t` is taken as pairs of numbers, and pair :math:`i` of :math:`d/2` is turned by
:math:`t\,\theta^{-2i/d}`, with the base :math:`\theta` usually 10,000:

.. math::

    \begin{pmatrix} x'_i \\ x'_{i+d/2} \end{pmatrix} =
    \begin{pmatrix} \cos t\theta_i & -\sin t\theta_i \\ \sin t\theta_i & \cos t\theta_i \end{pmatrix}
    \begin{pmatrix} x_i \\ x_{i+d/2} \end{pmatrix}, \qquad \theta_i = \theta^{-2i/d}.

The product of a query turned to :math:`t` and a key turned to :math:`s` depends on :math:`t - s` only.
Departure from the paper: it pairs neighbors, :math:`2i` and :math:`2i+1`; the halves paired here are the same up to
the order of a head's dimensions, and are what the weights of Hugging Face's Llama are made for.

Axes: batch; time (position in the sequence); head; dim (of a head); rows (the batch, or none).
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from companion.models.rope_scaling import RopeScaling

#: Every position's cosines, and sines with the sign of their term in the first or second half of the formula.
Rotation = tuple[Float[Tensor, "*rows time 1 dim"], Float[Tensor, "*rows time 1 dim"]]


def rotation(
    positions: Int[Tensor, "*rows time"], dim: int, theta: float, scaling: RopeScaling | None = None
) -> Rotation:
    """The turns of ``positions``, the same for all rows or each row's own, for :func:`rotate`.

    They are computed where they are needed, not kept: this costs little, and a buffer would lose the angles' precision
    with ``model.to(torch.bfloat16)``.
    """
    frequencies, size = theta ** -(torch.arange(0, dim, 2, dtype=torch.float32, device=positions.device) / dim), 1.0
    if scaling is not None:
        frequencies, size = _scaled(frequencies, theta, scaling)
    angles = positions.to(torch.float32)[..., None, None] * frequencies
    cos, sin = angles.cos() * size, angles.sin() * size
    return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def _scaled(frequencies: Tensor, theta: float, scaling: RopeScaling) -> tuple[Tensor, float]:
    """The frequencies changed for long texts, and what cosines and sines are multiplied by."""
    slowed = frequencies / scaling.factor
    match scaling.kind:
        case "linear":
            return slowed, 1.0
        case "llama3":  # a ramp over the turns within the original context
            turns = scaling.original * frequencies / (2 * math.pi)
            kept = ((turns - scaling.low) / (scaling.high - scaling.low)).clamp(0, 1)
            return slowed * (1 - kept) + frequencies * kept, 1.0
        case "yarn":  # a ramp over the pairs' numbers, between those that turn high and low times
            ends = [
                _pair(turns, 2 * len(frequencies), theta, scaling.original) for turns in (scaling.high, scaling.low)
            ]
            first, last = max(math.floor(ends[0]), 0), min(math.ceil(ends[1]), 2 * len(frequencies) - 1)
            pairs = torch.arange(len(frequencies), dtype=torch.float32, device=frequencies.device)
            slow = ((pairs - first) / max(last - first, 0.001)).clamp(0, 1)
            size = scaling.attention_factor
            return slowed * slow + frequencies * (1 - slow), 0.1 * math.log(
                scaling.factor
            ) + 1 if size is None else size


def _pair(turns: float, dim: int, theta: float, original: int) -> float:
    """The number, not whole, of the pair that turns so often within the original context."""
    return dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))


def rotate(
    x: Float[Tensor, "batch time head dim"],
    cos: Float[Tensor, "*rows time 1 dim"],
    sin: Float[Tensor, "*rows time 1 dim"],
) -> Float[Tensor, "batch time head dim"]:
    """``x`` with each position's pairs turned; computed in the angles' float32, returned in the dtype of ``x``."""
    other_half = x.roll(x.shape[-1] // 2, dims=-1)
    return (x * cos + other_half * sin).to(x.dtype)
