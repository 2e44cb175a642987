r"""An exponential moving average of the weights, which often does better than the last ones (Polyak & Juditsky 1992).

.. math:: \bar\theta_t = d_t\, \bar\theta_{t-1} + (1 - d_t)\, \theta_t, \qquad d_t = \min(d, t / (t + 10))

The rising decay forgets the first weights, which are random (as TensorFlow's moving average does).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from companion.training.split_tensors import own_part


class WeightAverage:
    """The running mean of a model's parameters; with ``decay`` 0 it is off and takes no memory.

    Args:
        model: whose parameters are averaged.
        decay: how much of the mean stays a step.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._weights = [p for p in model.parameters() if p.requires_grad] if decay else []
        self.means = [weight.detach().clone() for weight in self._weights]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Moves the mean toward the weights after ``step`` steps (from 1)."""
        decay = min(self.decay, step / (step + 10))
        for mean, weight in zip(self.means, self._weights, strict=True):
            own_part(mean).lerp_(own_part(weight), 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges the mean and the weights."""
        for mean, weight in zip(self.means, self._weights, strict=True):
            kept = own_part(mean).clone()
            own_part(mean).copy_(own_part(weight))
            own_part(weight).copy_(kept)

    @contextmanager
    def used(self) -> Iterator[None]:
        """The model has the mean for weights while this is open."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    def tensors(self, model: nn.Module) -> dict[str, Tensor]:
        """The mean under the parameters' names, sharing its memory."""
        means = {id(weight): mean for weight, mean in zip(self._weights, self.means, strict=True)}
        return {name: means[id(p)] for name, p in model.named_parameters() if id(p) in means}
