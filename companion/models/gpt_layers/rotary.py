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

import torch
from jaxtyping import Float, Int
from torch import Tensor

#: Every position's cosines, and sines with the sign of their term in the first or second half of the formula.
Rotation = tuple[Float[Tensor, "*rows time 1 dim"], Float[Tensor, "*rows time 1 dim"]]


def rotation(positions: Int[Tensor, "*rows time"], dim: int, theta: float) -> Rotation:
    """The turns of ``positions``, the same for all rows or each row's own, for :func:`rotate`.

    They are computed where they are needed, not kept: this costs little, and a buffer would lose the angles' precision
    with ``model.to(torch.bfloat16)``.
    """
    frequencies = theta ** -(torch.arange(0, dim, 2, dtype=torch.float32, device=positions.device) / dim)
    angles = positions.to(torch.float32)[..., None, None] * frequencies
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def rotate(
    x: Float[Tensor, "batch time head dim"],
    cos: Float[Tensor, "*rows time 1 dim"],
    sin: Float[Tensor, "*rows time 1 dim"],
) -> Float[Tensor, "batch time head dim"]:
    """``x`` with each position's pairs turned; computed in the angles' float32, returned in the dtype of ``x``."""
    other_half = x.roll(x.shape[-1] // 2, dims=-1)
    return (x * cos + other_half * sin).to(x.dtype)
