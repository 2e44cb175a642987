r"""Autoencoders: samples through a narrow layer and back, without and with probabilities.

:class:`Autoencoder` minimizes :math:`\lVert x - g(f(x)) \rVert^2`. Without hidden layers its best weights span the
principal components (Baldi & Hornik 1989).

:class:`VAE` (Kingma & Welling 2014) is a density model, :math:`z \sim N(0, I)` and :math:`x \sim p(x \mid z)`, with
an approximate posterior :math:`q(z \mid x) = N(\mu(x), \mathrm{diag}\,\sigma^2(x))`. Its loss is the negative of

.. math::

    E_{q(z \mid x)} \log p(x \mid z) - \beta\, \mathrm{KL}(q(z \mid x) \,\|\, p(z)), \qquad
    \mathrm{KL} = \tfrac12 \sum_j \bigl(\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2\bigr)

(equation 3 and appendix B), with the expectation estimated by one draw :math:`z = \mu + \sigma \odot \epsilon`. For
:math:`\beta = 1` it is a lower bound of :math:`\log p(x)`, the ELBO; other values are those of Higgins et al. 2017.

Departures from Kingma & Welling: ReLU in place of tanh, any number of layers, and one variance for all inputs of a
Gaussian likelihood in place of one that the decoder computes.

Axes: ``batch`` samples; ``inputs`` the numbers of a sample, flattened by the caller; ``latent`` the narrow layer;
``draw`` draws of z for one sample.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_choices
from companion.models.checks import check_tensor, check_values

Likelihood = Literal["gaussian", "bernoulli"]


def fully_connected(sizes: tuple[int, ...], activation: Callable[[], nn.Module]) -> nn.Sequential:
    """Linear layers between the ``sizes``, with an activation between two layers and none after the last."""
    layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), activation())]
    return nn.Sequential(*layers[:-1])


def _check_layers(sizes: tuple[int, ...]) -> None:
    if len(sizes) < 2 or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError(
            f"expected sizes to hold at least two layers of at least one unit, got {sizes}; "
            "give (inputs, hidden …, latent)"
        )


def _check_rows(name: str, rows: Tensor, width: int, dtype: torch.dtype) -> None:
    check_tensor(name, rows, "batch", width, dtype=dtype, do="flatten each sample into a row of the weights' dtype")


@dataclass(frozen=True)
class AutoencoderConfig:
    """The layers of an :class:`Autoencoder`.

    Attributes:
        sizes: units of the encoder's layers, ``(inputs, hidden …, latent)``; the decoder has them in reverse.

    Raises:
        ValueError: for fewer than two sizes, or a size below 1.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(AutoencoderConfig(sizes=(64, 32, 2)))
        4354
    """

    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_layers(self.sizes)


class Autoencoder(nn.Module):
    """Encoder and decoder with ReLU between their layers; neither the code nor the output passes through one.

    Example:
        >>> from companion.data import digits
        >>> pixels = digits()[0].flatten(1)
        >>> model = Autoencoder(AutoencoderConfig(sizes=(64, 32, 2)))
        >>> model.encode(pixels).shape  # each digit as a point of the plane
        torch.Size([1797, 2])
        >>> error = (model(pixels) - pixels).square().sum(dim=1)  # large where a digit is unlike the others
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = fully_connected(config.sizes, nn.ReLU)
        self.decoder = fully_connected(config.sizes[::-1], nn.ReLU)

    def encode(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch latent"]:
        """The code of each sample.

        Raises:
            ValueError: where ``x`` has another shape or dtype than the first layer takes.
        """
        _check_rows("x", x, self.config.sizes[0], next(self.parameters()).dtype)
        return self.encoder(x)

    def decode(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch inputs"]:
        """The samples of given codes."""
        check_tensor("z", z, "batch", self.config.sizes[-1])  # any dtype: under autocast a code is bfloat16
        return self.decoder(z)

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch inputs"]:
        """The reconstruction of each sample; raises as :meth:`encode`."""
        return self.decode(self.encode(x))

    def loss(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, ""]:
        """Squared error, summed over a sample's inputs and averaged over the batch; raises as :meth:`encode`."""
        return (self(x) - x).square().sum() / len(x)

    def n_targets(self, x: Float[Tensor, "batch inputs"]) -> int:
        """The number of samples: what the mean of :meth:`loss` is over."""
        return len(x)


@dataclass(frozen=True)
class VAEConfig:
    r"""The layers and the likelihood of a :class:`VAE`.

    Attributes:
        sizes: units of the encoder's layers, ``(inputs, hidden …, latent)``; the decoder has them in reverse.
        likelihood: ``gaussian`` for real numbers, ``bernoulli`` for inputs in [0, 1].
        variance: :math:`\sigma_x^2` of every input under a Gaussian likelihood, in squared units of the inputs, fixed;
            None learns it, one number for all inputs. A Bernoulli likelihood has none.
        beta: weight of the divergence in :meth:`VAE.loss`.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> model = VAE(VAEConfig(sizes=(64, 32, 2), likelihood="bernoulli", beta=4.0))
        >>> VAEConfig(sizes=(64, 32, 2), likelihood="bernoulli", variance=1.0)
        Traceback (most recent call last):
        ValueError: expected variance=None with likelihood='bernoulli', whose mean fixes it, got...
    """

    sizes: tuple[int, ...]
    likelihood: Likelihood = "gaussian"
    variance: float | None = None
    beta: float = 1.0

    def __post_init__(self) -> None:
        _check_layers(self.sizes)
        check_choices(self, likelihood=Likelihood)
        if self.variance is not None and self.likelihood == "bernoulli":
            raise ValueError(
                f"expected variance=None with likelihood='bernoulli', whose mean fixes it, got variance={self.variance}"
            )
        if self.variance is not None and not 0 < self.variance < math.inf:
            raise ValueError(f"expected variance to be positive, or None to learn it, got {self.variance}")
        if not 0 <= self.beta < math.inf:
            raise ValueError(f"expected beta of at least 0, got {self.beta}")


class ELBO(NamedTuple):
    r"""The two terms of each sample's bound, in nats: :math:`\log p(x) \ge` ``log_likelihood`` − ``divergence``.

    The bound holds for the mean over draws; ``log_likelihood`` is from one draw, ``divergence`` is exact.

    Example:
        >>> model = VAE(VAEConfig(sizes=(64, 32, 2), likelihood="bernoulli"))
        >>> bound = model.elbo(torch.rand(5, 64).round())
        >>> bound.log_likelihood.shape, bool((bound.divergence >= 0).all())
        (torch.Size([5]), True)
    """

    log_likelihood: Float[Tensor, " batch"]
    divergence: Float[Tensor, " batch"]


class VAE(nn.Module):
    r"""A variational autoencoder with fully connected layers.

    With :math:`g` the decoder, the Gaussian and the Bernoulli likelihood are

    .. math::

        \log p(x \mid z) &= -\tfrac12 \sum_i \bigl((x_i - g_i(z))^2 / \sigma_x^2 + \log 2\pi\sigma_x^2\bigr) \\
        \log p(x \mid z) &= \sum_i x_i \log g_i(z) + (1 - x_i) \log (1 - g_i(z)).

    The first includes its constant, so that bounds of different models compare. The second is a probability of binary
    inputs. Gray values between 0 and 1 are accepted, as is common, but the formula is then no log-density: it lacks a
    normalizing constant (Loaiza-Ganem & Cunningham 2019), and does not compare with a Gaussian's.

    Example:
        >>> from companion.data import TensorBatches, digits
        >>> from companion.training import TrainConfig, fit
        >>> model = VAE(VAEConfig(sizes=(64, 32, 2), likelihood="bernoulli"))
        >>> history = fit(model, TensorBatches((digits()[0].flatten(1),)), TrainConfig(steps=5, batch_size=64))
        >>> model.sample(3, seed=0).shape  # three digits that nobody wrote
        torch.Size([3, 64])
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        *hidden, latent = config.sizes
        self.encoder = fully_connected((*hidden, 2 * latent), nn.ReLU)
        self.decoder = fully_connected(config.sizes[::-1], nn.ReLU)
        if config.likelihood == "gaussian" and config.variance is None:
            self.log_variance = nn.Parameter(torch.zeros(()))

    def encode(
        self, x: Float[Tensor, "batch inputs"]
    ) -> tuple[Float[Tensor, "batch latent"], Float[Tensor, "batch latent"]]:
        r"""Mean :math:`\mu` and log-variance :math:`\log \sigma^2` of :math:`q(z \mid x)`.

        Raises:
            ValueError: where ``x`` has another shape or dtype than the first layer takes, or values outside [0, 1]
                under a Bernoulli likelihood (looked at on the CPU only).
        """
        _check_rows("x", x, self.config.sizes[0], next(self.parameters()).dtype)
        if self.config.likelihood == "bernoulli":
            check_values("x", x, 0, 1, do="scale the inputs, or choose likelihood='gaussian'")
        # Under autocast the layers answer in bfloat16; exponentials and sums over many inputs need more.
        mean, log_variance = self.encoder(x).to(x.dtype).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch inputs"]:
        r"""The mean of :math:`p(x \mid z)`: probabilities under a Bernoulli likelihood.

        Raises:
            ValueError: where ``z`` is not of shape [batch, latent] and of the weights' dtype.
        """
        _check_rows("z", z, self.config.sizes[-1], next(self.parameters()).dtype)
        out: Tensor = self.decoder(z)
        return out.sigmoid() if self.config.likelihood == "bernoulli" else out

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch inputs"]:
        r"""The reconstruction from :math:`z = \mu(x)`, with nothing drawn; raises as :meth:`encode`."""
        return self.decode(self.encode(x)[0])

    def loss(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, ""]:
        r"""The negative ELBO with :math:`\beta`, in nats, averaged over the batch; raises as :meth:`encode`."""
        log_likelihood, divergence = self.elbo(x)
        return (self.config.beta * divergence - log_likelihood).mean()

    def n_targets(self, x: Float[Tensor, "batch inputs"]) -> int:
        """The number of samples: what the mean of :meth:`loss` is over."""
        return len(x)

    def elbo(self, x: Float[Tensor, "batch inputs"]) -> ELBO:
        r"""Both terms of the bound, without :math:`\beta`; draws from torch's generator; raises as :meth:`encode`."""
        mean, log_variance = self.encode(x)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2
        return ELBO(self._log_likelihood(x, z), divergence)

    def importance_weighted_bound(
        self, x: Float[Tensor, "batch inputs"], k: int, *, seed: int | None = None
    ) -> Float[Tensor, " batch"]:
        r"""A bound of :math:`\log p(x)` in nats that is tighter the larger ``k`` (Burda et al. 2016, section 3).

        .. math::

            \log \frac1k \sum_{i=1}^k \frac{p(x \mid z_i)\, p(z_i)}{q(z_i \mid x)}, \qquad z_i \sim q(z \mid x)

        Memory: k times that of one pass through the decoder.

        Raises:
            ValueError: as :meth:`encode`, or for ``k`` below 1.
        """
        if k < 1:
            raise ValueError(f"expected k of at least 1 draw, got {k}")
        mean, log_variance = self.encode(x)
        noise = torch.randn(k, *mean.shape, dtype=x.dtype, device=x.device, generator=_generator(seed, x.device))
        z = mean + (log_variance / 2).exp() * noise
        log_prior_over_posterior = (noise.square() + log_variance - z.square()).sum(dim=2) / 2
        return (self._log_likelihood(x, z) + log_prior_over_posterior).logsumexp(dim=0) - math.log(k)

    @torch.no_grad()
    def sample(self, n: int, *, seed: int | None = None) -> Float[Tensor, "batch inputs"]:
        r"""The means of :math:`p(x \mid z)` for ``n`` draws of z; what the likelihood would scatter is not added.

        Raises:
            ValueError: for ``n`` below 1.
        """
        weight = next(self.parameters())
        return self.decode(draw_normal(n, self.config.sizes[-1], like=weight, seed=seed))

    def _log_likelihood(
        self, x: Float[Tensor, "batch inputs"], z: Float[Tensor, "*draw batch latent"]
    ) -> Float[Tensor, "*draw batch"]:
        out = self.decoder(z).to(x.dtype)
        if self.config.likelihood == "bernoulli":  # from logits: the logarithm of a rounded probability could be -∞
            return -F.binary_cross_entropy_with_logits(out, x.expand_as(out), reduction="none").sum(dim=-1)
        fixed = self.config.variance
        log_variance = self.log_variance if fixed is None else x.new_tensor(math.log(fixed))
        return -((x - out).square() / log_variance.exp() + log_variance + math.log(2 * math.pi)).sum(dim=-1) / 2


def draw_normal(n: int, width: int, *, like: Tensor, seed: int | None) -> Float[Tensor, "batch latent"]:
    """``n`` standard normal rows, of the dtype and on the device of ``like``; the same for the same seed.

    Raises:
        ValueError: for ``n`` below 1.
    """
    if n < 1:
        raise ValueError(f"expected n of at least 1 sample, got {n}")
    return torch.randn(n, width, dtype=like.dtype, device=like.device, generator=_generator(seed, like.device))


def _generator(seed: int | None, device: torch.device) -> torch.Generator | None:
    return None if seed is None else torch.Generator(device).manual_seed(seed)
