r"""A diffusion model: noise is added to samples step by step, and a network learns to take it off again.

Of a sample :math:`x_0`, T steps make :math:`x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon` with
:math:`\epsilon \sim N(0, I)`, so that :math:`x_T` is noise alone. The network predicts :math:`\epsilon` from
:math:`x_t` and t; its loss is :math:`E \lVert \epsilon - \epsilon_\theta(x_t, t) \rVert^2` over all t alike (Ho, Jain &
Abbeel 2020, equation 14). New samples begin as noise and go back (algorithm 2):

.. math::

    x_{t-1} = \frac{1}{\sqrt{\alpha_t}} \Bigl(x_t - \frac{\beta_t}{\sqrt{1 - \bar\alpha_t}}\, \epsilon_\theta\Bigr)
    + \sigma_t z,

    \alpha_t = 1 - \beta_t, \quad \bar\alpha_t = \prod_{s \le t} \alpha_s, \quad
    \sigma_t^2 = \frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}\, \beta_t

The best prediction is :math:`E[\epsilon \mid x_t]`. It is known for a Gaussian :math:`x_0 \sim N(\mu, \Sigma)`,
:math:`\sqrt{1 - \bar\alpha_t}\, (\bar\alpha_t \Sigma + (1 - \bar\alpha_t) I)^{-1} (x_t - \sqrt{\bar\alpha_t} \mu)`, and
for a finite set of samples, where it leads back to one of them.

Departures from Ho et al.: samples are rows of numbers, and the network is fully connected, where theirs is a U-Net
for images. Samples should have zero mean and a standard deviation of about 1.

Axes: ``batch`` samples; ``features`` the numbers of a sample; ``step`` the steps, counted from 0, the least noise.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.checks import check_sizes
from companion.models.autoencoder import draw_normal, fully_connected
from companion.models.checks import check_tensor, check_values
from companion.models.modes import evaluating

#: Predicts the noise in samples from the samples and their steps.
Predictor = Callable[[Tensor, Tensor], Tensor]
_LEAST_STEPS = 40  # fewer would add more than half of the variance in one step


@dataclass(frozen=True)
class DiffusionConfig:
    """The sizes of a :class:`Diffusion`.

    Attributes:
        features: numbers of a sample.
        hidden: units of the network's hidden layers.
        n_steps: steps from a sample to noise, T; each new sample passes the network as often.
        n_embd: numbers, an even one, that tell the network the step: sines and cosines (Vaswani et al. 2017).

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(DiffusionConfig(features=64, hidden=(256, 256)))
        107072
    """

    features: int
    hidden: tuple[int, ...] = (256, 256)
    n_steps: int = 200
    n_embd: int = 32

    def __post_init__(self) -> None:
        check_sizes(self, "features", "n_embd")
        check_sizes(self, "n_steps", at_least=_LEAST_STEPS)
        if not all(isinstance(size, int) and size > 0 for size in self.hidden):
            raise ValueError(f"expected hidden to hold positive integers, got {self.hidden}")
        if self.n_embd % 2:
            raise ValueError(f"expected n_embd to be even, a sine and a cosine of each frequency, got {self.n_embd}")


def noise_schedule(n_steps: int) -> Float[Tensor, " step"]:
    r"""The part :math:`\bar\alpha_t` of a sample's variance that each step leaves, in float64.

    :math:`\beta_t` rises in a line from 0.0001 to 0.02 over 1,000 steps (Ho et al. 2020, section 4); for another number
    of steps it is larger in proportion, so that the end is as noisy.

    Raises:
        ValueError: for fewer than 40 steps.

    Example:
        >>> alpha_bar = noise_schedule(1_000)
        >>> [round(alpha_bar[step].item(), 5) for step in (0, 499, 999)]
        [0.9999, 0.07859, 4e-05]
    """
    if n_steps < _LEAST_STEPS:
        raise ValueError(f"expected n_steps of at least {_LEAST_STEPS}, got {n_steps}")
    beta = torch.linspace(1e-4, 0.02, n_steps, dtype=torch.float64) * (1_000 / n_steps)
    return (1 - beta).cumprod(dim=0)


@torch.no_grad()
def ancestral_sample(
    predict: Predictor,
    noise: Float[Tensor, "batch features"],
    alpha_bar: Float[Tensor, " step"],
    *,
    seed: int | None = None,
) -> Float[Tensor, "batch features"]:
    r"""Samples from ``noise``, by the noise that ``predict(x, step)`` finds in them at every step.

    Args:
        predict: a :class:`Diffusion`, or any function of samples [batch, features] and steps [batch].
        noise: where to start: standard normal rows.
        alpha_bar: :math:`\bar\alpha_t`, as :func:`noise_schedule` gives it.
        seed: of the noise that is added on the way; None draws from torch's generator.

    Example:
        >>> alpha_bar = noise_schedule(200)
        >>> def predict(x, step):  # exact, where every sample is 3
        ...     left = alpha_bar[step][:, None]
        ...     return (x - left.sqrt() * 3) / (1 - left).sqrt()
        >>> ancestral_sample(predict, torch.randn(2, 1), alpha_bar).flatten().round(decimals=3)
        tensor([3., 3.])
    """
    generator = None if seed is None else torch.Generator(noise.device).manual_seed(seed)
    before = torch.cat([alpha_bar.new_ones(1), alpha_bar[:-1]])
    x = noise
    for index in reversed(range(len(alpha_bar))):
        left, beta = alpha_bar[index].item(), 1 - (alpha_bar[index] / before[index]).item()
        predicted = predict(x, torch.full((len(x),), index, device=x.device)).to(x.dtype)
        x = (x - beta / math.sqrt(1 - left) * predicted) / math.sqrt(1 - beta)
        variance = beta * (1 - before[index].item()) / (1 - left)  # none in the last step
        x = x + math.sqrt(variance) * torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)
    return x


class Diffusion(nn.Module):
    """A network that predicts the noise in a sample; calling the model calls the network.

    Example:
        >>> from companion.data import TensorBatches
        >>> from companion.training import TrainConfig, fit
        >>> model = Diffusion(DiffusionConfig(features=2, hidden=(64,)))
        >>> data = TensorBatches((torch.randn(1_000, 2),))
        >>> history = fit(model, data, TrainConfig(steps=5, batch_size=64))
        >>> model.sample(3, seed=0).shape
        torch.Size([3, 2])
    """

    alpha_bar: Tensor
    frequencies: Tensor

    def __init__(self, config: DiffusionConfig) -> None:
        super().__init__()
        self.config = config
        self.network = fully_connected((config.features + config.n_embd, *config.hidden, config.features), nn.SiLU)
        frequencies = 10_000 ** -(torch.arange(0, config.n_embd, 2) / config.n_embd)
        dtype = torch.get_default_dtype()
        self.register_buffer("alpha_bar", noise_schedule(config.n_steps).to(dtype))
        self.register_buffer("frequencies", frequencies.to(dtype))

    def forward(
        self, x: Float[Tensor, "batch features"], step: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch features"]:
        """The noise in ``x``, which is at ``step``.

        Raises:
            ValueError: where ``x`` or ``step`` has another shape or dtype than the network takes, or a step is none.
        """
        self._check(x)
        check_tensor("step", step, len(x), dtype=torch.int64, do="give the step of each sample")
        check_values("step", step, 0, self.config.n_steps - 1, do="steps count from 0")
        angles = step[:, None] * self.frequencies
        out: Tensor = self.network(torch.cat([x, angles.sin(), angles.cos()], dim=1))
        return out.to(x.dtype)  # under autocast the layers answer in bfloat16

    def add_noise(
        self, x: Float[Tensor, "batch features"], step: Int[Tensor, " batch"], noise: Float[Tensor, "batch features"]
    ) -> Float[Tensor, "batch features"]:
        r""":math:`x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon` of samples ``x``."""
        left = self.alpha_bar[step][:, None]
        return left.sqrt() * x + (1 - left).sqrt() * noise

    def loss(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, ""]:
        """Squared error of the noise, summed over a sample's features and averaged over the batch.

        Steps and noise are drawn from torch's generator.

        Raises:
            ValueError: where ``x`` has another shape or dtype than the network takes.
        """
        self._check(x)
        uniform = torch.rand(len(x), dtype=x.dtype, device=x.device)
        step = (uniform * self.config.n_steps).long().clamp(max=self.config.n_steps - 1)  # the product may round up
        noise = torch.randn_like(x)
        return (self(self.add_noise(x, step, noise), step) - noise).square().sum() / len(x)

    def n_targets(self, x: Float[Tensor, "batch features"]) -> int:
        """The number of samples: what the mean of :meth:`loss` is over."""
        return len(x)

    @torch.no_grad()
    def sample(self, n: int, *, seed: int | None = None) -> Float[Tensor, "batch features"]:
        """``n`` samples by :func:`ancestral_sample`, in evaluation mode; the same seed gives the same ones.

        Raises:
            ValueError: for ``n`` below 1.
        """
        noise = draw_normal(n, self.config.features, like=next(self.parameters()), seed=seed)
        with evaluating(self):
            return ancestral_sample(self, noise, self.alpha_bar, seed=None if seed is None else seed + 1)

    def _check(self, x: Tensor) -> None:
        check_tensor("x", x, "batch", self.config.features, dtype=next(self.parameters()).dtype)
