"""companion.models.diffusion against Gaussians and finite sets, whose best predictions are known."""

import math

import pytest
import torch
from torch import distributions as D

from companion.data import TensorBatches
from companion.models import Diffusion, DiffusionConfig, ancestral_sample, noise_schedule
from companion.training import TrainConfig, fit

MEAN = torch.tensor([1.0, -0.5, 0.25]).double()
ROTATION = torch.linalg.qr(torch.tensor([[2.0, 1, 0], [-1, 3, 1], [0, 1, 5]]).double())[0]
VARIANCES = torch.tensor([2.0, 0.5, 0.03]).double()
COVARIANCE = ROTATION @ VARIANCES.diag() @ ROTATION.T


def best_prediction(alpha_bar):
    """E[ε | x] of a Gaussian, by the regression of ε on x: Cov(ε, x) Var(x)⁻¹ (x − E x)."""

    def predict(x, step):
        left = alpha_bar[step[0]]
        marginal = left * COVARIANCE + (1 - left) * torch.eye(3, dtype=torch.float64)
        return (1 - left).sqrt() * torch.linalg.solve(marginal, (x - left.sqrt() * MEAN).T).T

    return predict


def variances_of_samples(alpha_bar):
    """What the best prediction leads to along each eigenvector of the covariance, step by step."""
    found, before = torch.ones(3).double(), torch.cat([torch.ones(1).double(), alpha_bar[:-1]])
    for left, previous in zip(alpha_bar.flip(0), before.flip(0), strict=True):
        beta = 1 - left / previous
        slope = (1 - beta / (left * VARIANCES + 1 - left)) / (1 - beta).sqrt()
        found = slope**2 * found + beta * (1 - previous) / (1 - left)
    return found


def least_loss(alpha_bar, variances):
    """E‖ε − E[ε | x]‖², the sum over eigenvectors of ᾱλ / (ᾱλ + 1 − ᾱ), averaged over the steps."""
    signal = alpha_bar[:, None] * variances
    return (signal / (signal + 1 - alpha_bar[:, None])).sum(1).mean().item()


def test_the_schedule_is_the_published_one():
    """Ho et al. 2020, section 4: KL(q(x_T | x_0) ‖ N(0, I)) of about 1e-5 bits a dimension, for data in [-1, 1]."""
    alpha_bar = noise_schedule(1_000)
    assert alpha_bar.shape == (1_000,)
    assert alpha_bar[0].item() == pytest.approx(1 - 1e-4)
    assert (alpha_bar[-1] / alpha_bar[-2]).item() == pytest.approx(1 - 0.02)
    left = alpha_bar[-1]
    posterior = D.Normal(left.sqrt() * 0.5, (1 - left).sqrt())
    bits = D.kl_divergence(posterior, D.Normal(left.new_zeros(()), left.new_ones(()))).item() / math.log(2)
    assert 0.3e-5 < bits < 3e-5
    for n_steps in (40, 200):
        assert noise_schedule(n_steps)[-1].log().item() == pytest.approx(left.log().item(), rel=0.3)


def test_the_best_prediction_samples_the_gaussian():
    alpha_bar, n = noise_schedule(200), 40_000
    noise = torch.randn(n, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = ancestral_sample(best_prediction(alpha_bar), noise, alpha_bar, seed=2)
    expected = variances_of_samples(alpha_bar)
    along = (found - MEAN) @ ROTATION
    assert (along.mean(0) / (expected / n).sqrt()).abs().max() < 4
    assert ((along.var(0) / expected - 1) / math.sqrt(2 / n)).abs().max() < 4
    correlations = torch.corrcoef(along.T) - torch.eye(3)
    assert correlations.abs().max() < 4 / math.sqrt(n)


def test_more_steps_come_closer_to_the_gaussian():
    errors = [(variances_of_samples(noise_schedule(n)) / VARIANCES).log().abs().max().item() for n in (50, 200, 1_000)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.05


def test_a_trained_model_approaches_the_least_loss():
    """No prediction is better than the best, so over many draws the loss stays above it."""
    x = D.MultivariateNormal(MEAN, COVARIANCE).sample((20_000,)).float()
    torch.manual_seed(0)
    model = Diffusion(DiffusionConfig(features=3, hidden=(64, 64)))
    floor = least_loss(model.alpha_bar.double(), VARIANCES)
    config = TrainConfig(
        steps=600, batch_size=256, lr=5e-3, min_lr_ratio=0.0, weight_decay=0.0, precision="fp32", device="cpu"
    )
    with torch.no_grad():
        untrained = model.loss(x).item()
    fit(model, TensorBatches((x,)), config)
    with torch.no_grad():
        trained = torch.stack([model.loss(x) for _ in range(10)])
    assert untrained > 2.9
    assert floor - 4 * trained.std().item() < trained.mean().item() < 1.1 * floor
    samples = model.sample(4_000, seed=0).double()
    assert (samples.mean(0) - MEAN).abs().max() < 0.15
    assert torch.linalg.matrix_norm(samples.T.cov() - COVARIANCE) < 0.15 * torch.linalg.matrix_norm(COVARIANCE)


def test_the_best_prediction_for_a_finite_set_leads_back_to_it():
    """E[x₀ | x] is the mean of the set, weighted by how likely each has become x."""
    alpha_bar, points = noise_schedule(200), torch.tensor([[3.0, 1.0], [-1.0, 2.0], [0.5, -4.0]]).double()

    def predict(x, step):
        left = alpha_bar[step[0]]
        weights = (-torch.cdist(x, left.sqrt() * points).square() / (2 * (1 - left))).softmax(dim=1)
        return (x - left.sqrt() * weights @ points) / (1 - left).sqrt()

    found = ancestral_sample(predict, torch.randn(600, 2, dtype=torch.float64), alpha_bar, seed=1)
    nearest = torch.cdist(found, points).min(dim=1)
    assert nearest.values.max() < 1e-6
    assert torch.bincount(nearest.indices).min() > 150


def test_noise_is_added_as_the_formula_says():
    model = Diffusion(DiffusionConfig(features=2))
    x, noise, step = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.ones(2, 2), torch.tensor([0, 199])
    found = model.add_noise(x, step, noise)
    for row, left in enumerate(noise_schedule(200)[[0, 199]].tolist()):
        expected = math.sqrt(left) * x[row] + math.sqrt(1 - left)
        torch.testing.assert_close(found[row], expected, rtol=1e-6, atol=1e-7)


def test_the_loss_is_that_of_its_draws():
    model, x = Diffusion(DiffusionConfig(features=2, n_steps=41)), torch.randn(7, 2)
    torch.manual_seed(3)
    found = model.loss(x)
    torch.manual_seed(3)
    step, noise = (torch.rand(7) * 41).long(), torch.randn_like(x)
    expected = torch.nn.functional.mse_loss(model(model.add_noise(x, step, noise), step), noise, reduction="sum") / 7
    torch.testing.assert_close(found, expected)


def test_the_same_seed_gives_the_same_samples():
    model = Diffusion(DiffusionConfig(features=2, hidden=(8,)))
    assert torch.equal(model.sample(5, seed=1), model.sample(5, seed=1))
    assert not torch.equal(model.sample(5, seed=1), model.sample(5, seed=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": 0}, "features to be a positive integer, got 0"),
        ({"features": 2, "hidden": (8, 0)}, r"hidden to hold positive integers, got \(8, 0\)"),
        ({"features": 2, "n_steps": 39}, "n_steps to be an integer of at least 40, got 39"),
        ({"features": 2, "n_embd": 7}, "n_embd to be even, .* got 7"),
    ],
)
def test_a_config_that_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        DiffusionConfig(**options)


def test_what_does_not_fit_is_refused():
    model = Diffusion(DiffusionConfig(features=2))
    with pytest.raises(ValueError, match=r"expected x of shape \[batch, 2\]"):
        model.loss(torch.randn(3, 5))
    with pytest.raises(ValueError, match=r"expected step of shape \[3\].*got \[2\]"):
        model(torch.randn(3, 2), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="expected step from 0 to 199, got 0 to 200"):
        model(torch.randn(2, 2), torch.tensor([0, 200]))
    with pytest.raises(ValueError, match="at least 1 sample"):
        model.sample(0)
    with pytest.raises(ValueError, match="n_steps of at least 40, got 7"):
        noise_schedule(7)
