r"""Generative adversarial networks: a generator G makes samples from noise z, a discriminator D scores them.

D returns a score without a sigmoid; :math:`\sigma(D(x))` is the probability that x is real. Each player minimizes its
own loss, :math:`L_D` over D's parameters and :math:`L_G` over G's. ``non_saturating`` (Goodfellow et al. 2014,
section 3) and ``wgan_gp`` (Gulrajani et al. 2017, equation 3; there D is called the critic):

.. math::

    L_D &= -E \log \sigma(D(x)) - E \log (1 - \sigma(D(G(z)))), \qquad L_G = -E \log \sigma(D(G(z))) \\
    L_D &= E\, D(G(z)) - E\, D(x) + \lambda E (\lVert \nabla D(\hat{x}) \rVert - 1)^2, \qquad L_G = -E\, D(G(z))

with :math:`\hat{x} = u x + (1 - u) G(z)` and one uniform u for each pair.

Images are made by a DCGAN (Radford, Metz & Chintala 2016): from 4 × 4 pixels each layer doubles the side; batch
normalization after every layer but G's last and D's first and last; ReLU in G, leaky ReLU (0.2) in D, tanh at the
end; weights start normal with standard deviation 0.02. Departures: kernels of 4 × 4 pixels, which a stride of 2
divides; normal noise in place of uniform; D keeps no running statistics, because those of real and of generated
batches differ: it normalizes by the batch at hand, in evaluation too.

With ``wgan_gp`` D has no normalization at all: the penalty is on the gradient of each sample's own score, and batch
normalization would make a score depend on the other samples (Gulrajani et al. 2017, section 4).

Axes: ``batch`` samples; ``noise`` the entries of z; ``*shape`` the axes of a sample.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_choices, check_sizes
from companion.models.autoencoder import draw_normal, fully_connected
from companion.models.checks import check_tensor, check_values
from companion.models.modes import evaluating

LossName = Literal["non_saturating", "wgan_gp"]
_SIDE = 4  # pixels: the side of the smallest feature map
_LeakyReLU = partial(nn.LeakyReLU, 0.2)


@dataclass(frozen=True)
class GANConfig:
    r"""The sizes and the losses of a :class:`GAN`.

    Attributes:
        shape: of a sample. ``(features,)``: both players are fully connected, and samples are any real numbers.
            ``(channels, side, side)``: both are those of a DCGAN, and images are scaled to [-1, 1].
        hidden: units of G's hidden layers, the one at the noise first; D has them in reverse. For a DCGAN these are
            the channels at 4, 8, 16 … pixels, and the side is :math:`4 \cdot 2^{\text{layers}}`.
        noise: entries of z.
        loss: of both players.
        penalty: :math:`\lambda` of ``wgan_gp``; ``non_saturating`` does not use it.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(GANConfig(shape=(3, 64, 64), hidden=(1_024, 512, 256, 128)))  # both players of a DCGAN
        23694724
    """

    shape: tuple[int, ...]
    hidden: tuple[int, ...]
    noise: int = 100
    loss: LossName = "non_saturating"
    penalty: float = 10.0

    def __post_init__(self) -> None:
        check_sizes(self, "noise")
        check_choices(self, loss=LossName)
        if not all(isinstance(size, int) and size > 0 for size in (*self.shape, *self.hidden)):
            raise ValueError(
                f"expected positive integers in shape and hidden, got shape={self.shape} and hidden={self.hidden}"
            )
        if len(self.shape) not in (1, 3):
            raise ValueError(f"expected shape to be (features,) or (channels, side, side), got {self.shape}")
        if self.images:
            self._check_sides()
        if not 0 < self.penalty < math.inf:
            raise ValueError(f"expected penalty to be positive, got {self.penalty}")

    @property
    def images(self) -> bool:
        """Whether samples are images, made by a DCGAN."""
        return len(self.shape) == 3

    def _check_sides(self) -> None:
        side = _SIDE * 2 ** len(self.hidden)
        if not self.hidden or self.shape[1:] != (side, side):
            raise ValueError(
                f"expected hidden to hold one layer for each doubling from 4 pixels to the side of shape, "
                f"got hidden={self.hidden} and shape={self.shape}; {len(self.hidden)} layers make a side of {side}"
            )


def gradient_penalty(critic: Callable[[Tensor], Tensor], points: Float[Tensor, " batch *shape"]) -> Float[Tensor, ""]:
    r"""Mean over the points of :math:`(\lVert \nabla D(\hat{x}) \rVert - 1)^2`, differentiable.

    ``critic`` must score each point by itself. The gradient is taken by ``torch.func.grad``, which works inside a
    compiled graph and under ``torch.no_grad`` too.
    """
    gradient = torch.func.grad(lambda x: critic(x).sum())(points)
    return (torch.linalg.vector_norm(gradient.flatten(1), dim=1) - 1).square().mean()


class GAN(nn.Module):
    """A generator and a discriminator, and the loss of each; calling the model calls the generator.

    Example:
        >>> from companion.data import TensorBatches
        >>> from companion.training import TrainConfig, fit
        >>> model = GAN(GANConfig(shape=(2,), hidden=(32, 32), noise=4, loss="wgan_gp"))
        >>> data = TensorBatches((torch.randn(1_000, 2) + 5,))
        >>> history = fit(model, data, TrainConfig(steps=5, batch_size=64, optimizer="adam", betas=(0.0, 0.9)))
        >>> model.sample(3, seed=0).shape
        torch.Size([3, 2])
    """

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.config = config
        if config.images:
            self.generator, self.discriminator = _image_generator(config), _image_discriminator(config)
            self.apply(_init_weights)
        else:
            [features] = config.shape
            self.generator = fully_connected((config.noise, *config.hidden, features), nn.ReLU)
            self.discriminator = fully_connected((features, *config.hidden[::-1], 1), _LeakyReLU)

    def forward(self, noise: Float[Tensor, "batch noise"]) -> Float[Tensor, " batch *shape"]:
        """The samples that the generator makes of ``noise``.

        Raises:
            ValueError: where ``noise`` has another shape or dtype than the generator takes.
        """
        self._check_noise(noise, "batch")
        return self.generator(noise)

    def discriminator_loss(
        self, real: Float[Tensor, " batch *shape"], noise: Float[Tensor, "batch noise"]
    ) -> Float[Tensor, ""]:
        """:math:`L_D`; its gradient reaches the discriminator only. ``wgan_gp`` draws u from torch's generator.

        Raises:
            ValueError: where ``real`` or ``noise`` does not fit the configuration, or their lengths differ.
        """
        self._check_real(real)
        self._check_noise(noise, len(real))
        with torch.no_grad():
            fake = self.generator(noise)
        return self._discriminator_loss(real, fake)

    def generator_loss(self, noise: Float[Tensor, "batch noise"]) -> Float[Tensor, ""]:
        """:math:`L_G`; its gradient reaches the generator only; raises as :meth:`forward`."""
        return self._generator_loss(self(noise))

    def loss(self, real: Float[Tensor, " batch *shape"]) -> Float[Tensor, ""]:
        r""":math:`L_D + L_G` on as many generated samples as real ones, each term hidden from the other's player.

        In :math:`L_D` the generated samples are constants, in :math:`L_G` the discriminator's parameters are. So the
        gradient of each parameter is that of its own player's loss, and one optimizer over all parameters takes a
        simultaneous step of both players. Goodfellow et al. 2014 and Gulrajani et al. 2017 alternate instead, the
        latter with five steps of the critic to one of the generator. The value itself says little: the players work
        against each other. Clipping by the norm of all gradients scales both players by one factor.

        Raises:
            ValueError: where ``real`` does not fit the configuration.
        """
        self._check_real(real)
        fake = self.generator(torch.randn(len(real), self.config.noise, dtype=real.dtype, device=real.device))
        return self._discriminator_loss(real, fake.detach()) + self._generator_loss(fake)

    def n_targets(self, real: Float[Tensor, " batch *shape"]) -> int:
        """The number of real samples: what the mean of :meth:`loss` is over."""
        return len(real)

    @torch.no_grad()
    def sample(self, n: int, *, seed: int | None = None) -> Float[Tensor, " batch *shape"]:
        """``n`` generated samples, made in evaluation mode; the same seed gives the same ones.

        Raises:
            ValueError: for ``n`` below 1.
        """
        noise = draw_normal(n, self.config.noise, like=next(self.parameters()), seed=seed)
        with evaluating(self):
            return self(noise)

    def _discriminator_loss(
        self, real: Float[Tensor, " batch *shape"], fake: Float[Tensor, " batch *shape"]
    ) -> Float[Tensor, ""]:
        # In the real samples' dtype: under autocast scores are bfloat16.
        on_real, on_fake = (self.discriminator(x).to(real.dtype) for x in (real, fake))
        if self.config.loss == "non_saturating":
            return (F.softplus(-on_real) + F.softplus(on_fake)).mean()
        u = torch.rand(len(real), *[1] * (real.ndim - 1), dtype=real.dtype, device=real.device)
        penalty = gradient_penalty(self.discriminator, u * real + (1 - u) * fake)
        return (on_fake - on_real).mean() + self.config.penalty * penalty

    def _generator_loss(self, fake: Float[Tensor, " batch *shape"]) -> Float[Tensor, ""]:
        constants = {name: parameter.detach() for name, parameter in self.discriminator.named_parameters()}
        scores = torch.func.functional_call(self.discriminator, constants, (fake,))
        scores = scores.to(next(self.parameters()).dtype)
        return F.softplus(-scores).mean() if self.config.loss == "non_saturating" else -scores.mean()

    def _check_noise(self, noise: Tensor, batch: int | str) -> None:
        check_tensor("noise", noise, batch, self.config.noise, dtype=next(self.parameters()).dtype)

    def _check_real(self, real: Tensor) -> None:
        check_tensor("real", real, "batch", *self.config.shape, dtype=next(self.parameters()).dtype)
        if self.config.images:
            check_values("real", real, -1, 1, do="scale the images, as the generator's tanh does")


def _image_generator(config: GANConfig) -> nn.Sequential:
    first, last = config.hidden[0], config.hidden[-1]
    # No biases before batch normalization: it would take them off again.
    layers: list[nn.Module] = [
        nn.Linear(config.noise, first * _SIDE**2, bias=False),
        nn.Unflatten(1, (first, _SIDE, _SIDE)),
    ]
    for wide, narrow in pairwise(config.hidden):
        layers += [nn.BatchNorm2d(wide), nn.ReLU(), nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(last), nn.ReLU(), nn.ConvTranspose2d(last, config.shape[0], 4, 2, 1), nn.Tanh()]
    return nn.Sequential(*layers)


def _image_discriminator(config: GANConfig) -> nn.Sequential:
    first, last = config.hidden[0], config.hidden[-1]
    normalized = config.loss == "non_saturating"
    layers: list[nn.Module] = [nn.Conv2d(config.shape[0], last, 4, 2, 1), _LeakyReLU()]
    for narrow, wide in pairwise(config.hidden[::-1]):
        layers.append(nn.Conv2d(narrow, wide, 4, 2, 1, bias=not normalized))
        if normalized:
            layers.append(nn.BatchNorm2d(wide, track_running_stats=False))
        layers.append(_LeakyReLU())
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(first * _SIDE**2, 1))


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
