"""companion.models.autoencoder against PCA, torch.distributions, and a linear model whose log p(x) is known."""

import math

import pytest
import torch
from sklearn.datasets import load_digits
from torch import distributions as D
from torch import nn

from companion.economics.compute import parameter_count
from companion.models import VAE, Autoencoder, AutoencoderConfig, VAEConfig

SIZES = (11, 7, 3)  # primes, so that a swapped axis fails
BATCH = 13
KINDS = [
    pytest.param({"likelihood": "gaussian"}, id="gaussian-learned"),
    pytest.param({"likelihood": "gaussian", "variance": 0.3}, id="gaussian-fixed"),
    pytest.param({"likelihood": "bernoulli"}, id="bernoulli"),
]


def make(sizes=SIZES, **options) -> VAE:
    model = VAE(VAEConfig(sizes, **options)).double()
    for parameter in model.parameters():  # the log-variances too: away from 0, where mistakes cancel
        nn.init.normal_(parameter, std=0.5)
    return model


def batch(model: VAE) -> torch.Tensor:
    x = torch.rand(BATCH, model.config.sizes[0], dtype=torch.float64)
    return x.round() if model.config.likelihood == "bernoulli" else 3 * x


def likelihood(model: VAE, z: torch.Tensor) -> D.Distribution:
    """p(x | z) by torch.distributions."""
    if model.config.likelihood == "bernoulli":
        return D.Bernoulli(model.decode(z))
    fixed = model.config.variance
    return D.Normal(model.decode(z), math.sqrt(fixed) if fixed else model.log_variance.exp().sqrt())


def posterior(model: VAE, x: torch.Tensor) -> D.Normal:
    mean, log_variance = model.encode(x)
    return D.Normal(mean, log_variance.exp().sqrt())


class LinearGaussian:
    """x = W z + b + noise with orthogonal columns in W, so that the true posterior's covariance is diagonal."""

    def __init__(self) -> None:
        inputs, latent, variance = 7, 3, 0.5
        self.weight = torch.linalg.qr(torch.randn(inputs, latent).double()).Q * torch.tensor([0.7, 1.1, 1.9])
        self.bias = torch.randn(inputs).double()
        covariance = self.weight @ self.weight.T + variance * torch.eye(inputs)
        self.marginal = D.MultivariateNormal(self.bias, covariance)
        self.precision = self.weight.square().sum(0) / variance + 1  # of z given x; its own prior adds the 1
        self.variance = variance

    @torch.no_grad()
    def model(self, *, true_posterior: bool) -> VAE:
        """The VAE with this decoder; its encoder is the true posterior, or else knows the prior only."""
        model = VAE(VAEConfig((7, 3), variance=self.variance)).double()
        model.decoder[0].weight.copy_(self.weight)
        model.decoder[0].bias.copy_(self.bias)
        for parameter in model.encoder.parameters():
            parameter.zero_()
        if true_posterior:
            model.encoder[0].weight[:3] = self.weight.T / self.variance / self.precision[:, None]
            model.encoder[0].bias[:3] = -model.encoder[0].weight[:3] @ self.bias
            model.encoder[0].bias[3:] = -self.precision.log()
        return model


@pytest.mark.parametrize("options", KINDS)
def test_both_terms_equal_torch_distributions(options):
    model = make(**options)
    x = batch(model)
    q = posterior(model, x)
    torch.manual_seed(5)
    found = model.elbo(x)
    torch.manual_seed(5)
    z = q.mean + q.stddev * torch.randn_like(q.mean)
    expected = likelihood(model, z).log_prob(x).sum(1), D.kl_divergence(q, D.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(tuple(found), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("options", KINDS)
def test_the_importance_weighted_bound_equals_torch_distributions(options):
    model = make(**options)
    x, k = batch(model), 5
    q = posterior(model, x)
    noise = torch.randn(k, BATCH, SIZES[-1], dtype=torch.float64, generator=torch.Generator().manual_seed(17))
    z = q.mean + q.stddev * noise
    log_likelihood = torch.stack([likelihood(model, draw).log_prob(x).sum(1) for draw in z])
    log_weights = log_likelihood + (D.Normal(0, 1).log_prob(z) - q.log_prob(z)).sum(2)
    expected = torch.logsumexp(log_weights, 0) - math.log(k)
    torch.testing.assert_close(model.importance_weighted_bound(x, k, seed=17), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("beta", [0.0, 0.7, 1.0, 4.0])
def test_beta_weighs_the_divergence_alone(beta):
    model = make(beta=beta)
    x = batch(model)
    torch.manual_seed(5)
    found = model.loss(x)
    torch.manual_seed(5)
    log_likelihood, divergence = model.elbo(x)
    torch.testing.assert_close(found, -log_likelihood.mean() + beta * divergence.mean())
    assert divergence.min() > 0


@pytest.mark.parametrize("options", KINDS)
def test_gradcheck_of_the_loss(options):
    model = make((5, 3, 2), beta=0.7, **options)
    x = batch(model)
    names, values = zip(*model.named_parameters(), strict=True)

    def of_parameters(*parameters):
        torch.manual_seed(5)  # the same noise at every call
        return torch.func.functional_call(_Loss(model), dict(zip(prefixed, parameters, strict=True)), (x,))

    prefixed = [f"model.{name}" for name in names]
    assert torch.autograd.gradcheck(of_parameters, values)


class _Loss(nn.Module):
    """functional_call calls forward; this makes the loss the forward."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model.loss(x)


def test_with_the_true_posterior_the_bounds_are_the_log_likelihood():
    """p(x, z) / q(z | x) is then p(x) whatever z is: every draw gives it. The ELBO gives it on average over draws."""
    exact = LinearGaussian()
    model, x = exact.model(true_posterior=True), exact.marginal.sample((BATCH,))
    expected = exact.marginal.log_prob(x)
    for k in (1, 7):
        torch.testing.assert_close(model.importance_weighted_bound(x, k, seed=1), expected, rtol=1e-10, atol=0)
    repeated = x.repeat_interleave(2_000, 0)
    log_likelihood, divergence = model.elbo(repeated)
    draws = (log_likelihood - divergence).detach().view(BATCH, -1)
    z_scores = (draws.mean(1) - expected) / draws.std(1) * math.sqrt(draws.shape[1])
    assert z_scores.abs().max() < 4


def test_the_bound_rises_with_k_toward_the_log_likelihood():
    """With the prior for a posterior. Differences over 2,003 samples, each beyond four of their standard errors."""
    exact = LinearGaussian()
    model, x = exact.model(true_posterior=False), exact.marginal.sample((2_003,))
    log_likelihood, divergence = model.elbo(x)
    bounds = [log_likelihood - divergence, *(model.importance_weighted_bound(x, k, seed=k) for k in (3, 30, 300))]
    assert (exact.marginal.log_prob(x) - bounds[0]).mean() > 5
    for lower, higher in zip(bounds, [*bounds[1:], exact.marginal.log_prob(x)], strict=True):
        rise = (higher - lower).detach()
        assert rise.mean() > 4 * rise.std() / math.sqrt(len(rise))
    assert rise.mean() < 0.1  # the last: 300 draws leave little of the gap


@pytest.mark.parametrize("options", KINDS)
def test_what_is_a_density_integrates_to_one(options):
    """Over one input, with z fixed by a posterior without width: gray values get no density from Bernoulli."""
    model = make((1, 2), **options)
    with torch.no_grad():
        model.encoder[0].weight.zero_()
        model.encoder[0].bias[2:] = -200
    low, high = (0, 1) if options["likelihood"] == "bernoulli" else (-20, 20)
    x = torch.linspace(low, high, 10_001, dtype=torch.float64)
    with torch.no_grad():
        density = model.elbo(x[:, None]).log_likelihood.exp()
        binary = model.elbo(torch.tensor([[0.0], [1.0]]).double()).log_likelihood.exp().sum()
    integral = torch.trapezoid(density, x).item()
    if options["likelihood"] == "bernoulli":
        assert binary.item() == pytest.approx(1)
        assert integral < 0.9
    else:
        assert integral == pytest.approx(1)


def test_a_probability_that_rounds_to_one_costs_a_finite_loss():
    model = VAE(VAEConfig((1, 1), likelihood="bernoulli"))
    with torch.no_grad():
        model.decoder[0].bias.fill_(1_000.0)
        model.decoder[0].weight.zero_()
    assert model.decode(torch.zeros(1, 1)).item() == 1
    assert model.elbo(torch.zeros(1, 1)).log_likelihood.item() == -1_000


def test_a_linear_autoencoder_learns_the_principal_components():
    """The least squared error of any 3 dimensions is the sum of the remaining squared singular values."""
    x = torch.from_numpy(load_digits().data[:100] / 16)
    expected = torch.linalg.svdvals(x - x.mean(0))[3:].square().sum() / len(x)
    model = Autoencoder(AutoencoderConfig((64, 3))).double()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=400, line_search_fn="strong_wolfe", tolerance_change=0)

    def closure():
        optimizer.zero_grad()
        loss = model.loss(x)
        loss.backward()
        return loss

    optimizer.step(closure)
    found = model.loss(x)
    assert found > expected * (1 - 1e-12)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_a_trained_vae_beats_independent_pixels():
    """On digits that it did not see, in nats an image; without z the best is each pixel's own frequency."""
    x = torch.from_numpy(load_digits().data / 16).round().float()
    train, test = x[:1_500], x[1_500:]
    frequency = (train.sum(0) + 1) / (len(train) + 2)
    baseline = D.Bernoulli(frequency).log_prob(test).sum(1).mean()
    model = VAE(VAEConfig((64, 128, 5), likelihood="bernoulli"))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(150):
        loss = model.loss(train[step % 15 :: 15])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        assert model.importance_weighted_bound(test, 20, seed=1).mean() > baseline + 3


def test_forward_draws_nothing_and_decodes_the_mean():
    model = make()
    x = batch(model)
    assert torch.equal(model(x), model(x))
    assert torch.equal(model(x), model.decode(model.encode(x)[0]))
    assert not torch.equal(model.loss(x), model.loss(x))


def test_samples_are_decoded_from_the_prior():
    exact = LinearGaussian()
    model = exact.model(true_posterior=True)
    x = model.sample(20_000, seed=3)
    assert x.shape == (20_000, 7)
    assert torch.equal(x, model.sample(20_000, seed=3))
    assert not torch.equal(x, model.sample(20_000, seed=4))
    torch.testing.assert_close(x.mean(0), exact.bias, rtol=0, atol=0.06)  # four standard errors
    torch.testing.assert_close(x.T.cov(), exact.weight @ exact.weight.T, rtol=0, atol=0.15)


def test_under_autocast_the_statistics_keep_float32():
    model = VAE(VAEConfig(SIZES))
    x = torch.randn(BATCH, SIZES[0])
    torch.manual_seed(5)
    expected = model.loss(x)
    torch.manual_seed(5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model.loss(x)
        assert model.encode(x)[1].dtype is torch.float32
        assert model(x).dtype is torch.bfloat16, "what the last layer answers, as of every other model"
        assert model.decode(model.encode(x)[0]).shape == x.shape
        autoencoder = Autoencoder(AutoencoderConfig(SIZES))
        assert autoencoder.decode(autoencoder.encode(x)).shape == x.shape
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0)


@pytest.mark.parametrize("options", KINDS)
def test_parameters_by_formula(options):
    model = VAE(VAEConfig(SIZES, **options))
    assert parameter_count(model.config) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (AutoencoderConfig, {"sizes": (5,)}, "at least two layers of at least one unit, got"),
        (AutoencoderConfig, {"sizes": (5, 0)}, "at least two layers of at least one unit, got"),
        (VAEConfig, {"sizes": (5, 2.0)}, "at least two layers of at least one unit, got"),
        (VAEConfig, {"sizes": SIZES, "likelihood": "laplace"}, "likelihood to be one of .* got 'laplace'"),
        (VAEConfig, {"sizes": SIZES, "variance": 0.0}, "variance to be positive, or None to learn it, got 0.0"),
        (VAEConfig, {"sizes": SIZES, "likelihood": "bernoulli", "variance": 1.0}, "None with likelihood='bernoulli'"),
        (VAEConfig, {"sizes": SIZES, "beta": -1.0}, "beta of at least 0, got -1.0"),
        (VAEConfig, {"sizes": SIZES, "beta": math.nan}, "beta of at least 0, got nan"),
    ],
)
def test_config_refuses(config, options, message):
    with pytest.raises(ValueError, match=message):
        config(**options)


@pytest.mark.parametrize("model", [Autoencoder(AutoencoderConfig(SIZES)), VAE(VAEConfig(SIZES))])
@pytest.mark.parametrize("method", ["forward", "loss"])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(11), r"shape \[batch, 11\] .* got \[11\]"),
        (torch.zeros(13, 7), r"shape \[batch, 11\] .* got \[13, 7\]"),
        (torch.zeros(13, 1, 11), r"got \[13, 1, 11\] and torch.float32; flatten"),
        (torch.zeros(0, 11), "at least one element"),
        (torch.zeros(13, 11).double(), "dtype torch.float32, got .* torch.float64"),
    ],
)
def test_bad_inputs_are_refused(model, method, x, message):
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda vae: vae.elbo(torch.full((2, 11), 1.5)), "x from 0 to 1, got 1.5 to 1.5; scale the inputs"),
        (lambda vae: vae.elbo(torch.full((2, 11), torch.nan)), "x from 0 to 1, got nan to nan"),
        (lambda vae: vae.decode(torch.zeros(2, 11)), r"z of shape \[batch, 3\] .* got \[2, 11\]"),
        (lambda vae: vae.importance_weighted_bound(torch.zeros(2, 11), 0), "k of at least 1 draw, got 0"),
        (lambda vae: vae.sample(0), "n of at least 1 sample, got 0"),
        (lambda _: Autoencoder(AutoencoderConfig(SIZES)).decode(torch.zeros(2, 11)), r"z of shape \[batch, 3\]"),
    ],
)
def test_bad_calls_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(VAE(VAEConfig(SIZES, likelihood="bernoulli")))
