r"""The 16 levels of NF4, 4-bit NormalFloat (Dettmers et al. 2023, arXiv:2305.14314, section 3 and appendix E).

Weights of a trained layer are close to normal. Levels that are quantiles of a normal distribution are then used about
equally often. With :math:`\Phi^{-1}` the normal quantile function and
:math:`\delta = \frac12(\frac1{32} + \frac1{30})`, eight positive levels, zero and seven negative ones stand at

.. math::
    \Phi^{-1}\left(\tfrac12 + \tfrac{i}{8}\left(\tfrac12 - \delta\right)\right), \; i = 1 \ldots 8, \qquad 0, \qquad
    -\Phi^{-1}\left(\tfrac12 + \tfrac{i}{7}\left(\tfrac12 - \delta\right)\right), \; i = 1 \ldots 7,

over the largest of them, so that they span [-1, 1]. Zero is a level, so what is 0 stays 0. Departure from the paper's
equation 4, which averages neighboring quantiles: this is how its appendix E and bitsandbytes have the levels.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def nf4_levels(device: torch.device | str = "cpu") -> Float[Tensor, " level"]:
    """The 16 levels of NF4 in rising order, from -1 to 1, in float32.

    Example:
        >>> nf4_levels()[[0, 1, 7, 8, 15]]
        tensor([-1.0000, -0.6962,  0.0000,  0.0796,  1.0000])
    """
    tail = (1 / 32 + 1 / 30) / 2  # what both ends leave out: half of a level's probability, as of 16 and of 15 levels
    steps = 0.5 - tail
    positive = torch.special.ndtri(0.5 + steps * torch.arange(1, 9, dtype=torch.float64) / 8)
    negative = -torch.special.ndtri(0.5 + steps * torch.arange(1, 8, dtype=torch.float64) / 7)
    levels = torch.cat([negative.flip(0), torch.zeros(1, dtype=torch.float64), positive])
    return (levels / levels.max()).to(torch.float32).to(device)
