"""companion.models.gan against losses composed from torch.nn.functional, finite differences and known optima."""

import itertools
import math

import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

from companion.data import TensorBatches
from companion.economics.compute import parameter_count
from companion.models import GAN, GANConfig
from companion.models.gan import gradient_penalty
from companion.training import TrainConfig, fit

NOISE, BATCH = 5, 13
DENSE = {"shape": (3,), "hidden": (7, 11)}
IMAGES = {"shape": (3, 16, 16), "hidden": (7, 5)}
LOSSES = ["non_saturating", "wgan_gp"]
KINDS = [
    pytest.param({**sizes, "loss": loss}, id=f"{name}-{loss}")
    for (name, sizes), loss in itertools.product([("dense", DENSE), ("images", IMAGES)], LOSSES)
]


def make(**options) -> GAN:
    model = GAN(GANConfig(noise=NOISE, **options)).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def batch(model: GAN) -> tuple[torch.Tensor, torch.Tensor]:
    real = torch.rand(BATCH, *model.config.shape, dtype=torch.float64) * 2 - 1
    return real, torch.randn(BATCH, model.config.noise, dtype=torch.float64)


def penalty_by_autograd(model: GAN, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """As most implementations compute it: torch.autograd.grad on a point that requires it."""
    u = torch.rand(BATCH, *[1] * (real.ndim - 1), dtype=real.dtype)
    point = (u * real + (1 - u) * fake).requires_grad_()
    [gradient] = torch.autograd.grad(model.discriminator(point).sum(), point, create_graph=True)
    return (gradient.pow(2).flatten(1).sum(1).sqrt() - 1).pow(2).mean()


def players(model: GAN, real: torch.Tensor, fake: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both losses, composed independently."""
    on_real, on_fake, on_fixed = (model.discriminator(x) for x in (real, fake, fake.detach()))
    if model.config.loss == "wgan_gp":
        penalty = penalty_by_autograd(model, real, fake.detach())
        return on_fixed.mean() - on_real.mean() + model.config.penalty * penalty, -on_fake.mean()
    entropy = F.binary_cross_entropy_with_logits
    one, zero = torch.ones_like(on_real), torch.zeros_like(on_real)
    return entropy(on_real, one) + entropy(on_fixed, zero), entropy(on_fake, one)


def minimize(loss, parameters) -> torch.Tensor:
    optimizer = torch.optim.LBFGS(parameters, max_iter=200, line_search_fn="strong_wolfe", tolerance_change=0)

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    return loss().detach()


@pytest.mark.parametrize("options", KINDS)
def test_one_loss_has_the_gradients_of_both_players(options):
    model = make(**options)
    real, _ = batch(model)
    torch.manual_seed(5)
    found = model.loss(real)
    found.backward()
    torch.manual_seed(5)
    fake = model(torch.randn(BATCH, NOISE, dtype=torch.float64))
    of_discriminator, of_generator = players(model, real, fake)
    torch.testing.assert_close(found, of_discriminator + of_generator)
    for player, loss in ((model.generator, of_generator), (model.discriminator, of_discriminator)):
        expected = torch.autograd.grad(loss, list(player.parameters()), retain_graph=True)
        for (name, parameter), gradient in zip(player.named_parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-9, atol=1e-12, msg=name)
            assert gradient.abs().max() > 0 or (name, options["loss"]) == (last_bias(player), "wgan_gp")


def last_bias(player: torch.nn.Module) -> str:
    """A critic's last bias cancels: scores count by their differences only."""
    return list(dict(player.named_parameters()))[-1]


@pytest.mark.parametrize("options", KINDS)
def test_each_loss_equals_its_composition_and_reaches_its_own_player_only(options):
    model = make(**options)
    real, noise = batch(model)
    fake = model(noise)
    torch.manual_seed(5)
    of_discriminator, of_generator = players(model, real, fake)
    torch.manual_seed(5)
    found = model.discriminator_loss(real, noise)
    torch.testing.assert_close(found, of_discriminator)
    found.backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert all(p.grad is not None for p in model.discriminator.parameters())
    model.zero_grad()
    found = model.generator_loss(noise)
    torch.testing.assert_close(found, of_generator)
    found.backward()
    assert all(p.grad is not None for p in model.generator.parameters())
    assert all(p.grad is None for p in model.discriminator.parameters())


@pytest.mark.parametrize("loss", LOSSES)
def test_gradcheck_of_each_player(loss):
    model = make(shape=(3,), hidden=(5,), loss=loss)
    real, noise = batch(model)
    for player, of in (("discriminator", (real, noise)), ("generator", (noise,))):
        names, values = zip(*getattr(model, player).named_parameters(), strict=True)
        prefixed = [f"model.{player}.{name}" for name in names]

        def of_parameters(*parameters, player=player, of=of, prefixed=prefixed):
            torch.manual_seed(5)  # the same u at every call
            new = dict(zip(prefixed, parameters, strict=True))
            return torch.func.functional_call(_Loss(model, f"{player}_loss"), new, of)

        assert torch.autograd.gradcheck(of_parameters, values)


class _Loss(torch.nn.Module):
    """functional_call calls forward; this makes a loss the forward."""

    def __init__(self, model, loss):
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, *batch):
        return getattr(self.model, self.loss)(*batch)


def test_the_best_discriminator_is_the_ratio_of_densities():
    """Goodfellow et al. 2014, proposition 1 and theorem 1: D* = p/(p + q), and its loss is log 4 − 2 JSD(p, q).

    On three outcomes, one-hot: a linear discriminator is a table, and a generator that copies its noise has any law.
    """
    p, q = torch.tensor([1, 2, 8], dtype=torch.float64), torch.tensor([5, 3, 3], dtype=torch.float64)
    model = GAN(GANConfig(shape=(3,), hidden=(), noise=3)).double()
    with torch.no_grad():
        model.generator[0].weight.copy_(torch.eye(3))
        model.generator[0].bias.zero_()
    outcomes = torch.eye(3, dtype=torch.float64)
    real, noise = (outcomes.repeat_interleave(counts.long(), 0) for counts in (p, q))
    found = minimize(lambda: model.discriminator_loss(real, noise), model.discriminator.parameters())
    torch.testing.assert_close(model.discriminator(outcomes).sigmoid()[:, 0], p / (p + q), rtol=0, atol=1e-6)
    p, q = p / 11, q / 11
    jensen_shannon = ((p * (2 * p / (p + q)).log()).sum() + (q * (2 * q / (p + q)).log()).sum()) / 2
    torch.testing.assert_close(found, math.log(4) - 2 * jensen_shannon, rtol=0, atol=1e-9)


@pytest.mark.parametrize("distance", [0.5, 7.0])
def test_the_best_critic_of_two_points_measures_their_distance(distance):
    """Slope s costs −s·d + λ(s − 1)²: the best is 1 + d/2λ, so the estimate s·d exceeds d by d²/2λ."""
    model = GAN(GANConfig(shape=(3,), hidden=(), noise=NOISE, loss="wgan_gp", penalty=31.0)).double()
    step = F.normalize(torch.tensor([2.0, -3.0, 5.0], dtype=torch.float64), dim=0) * distance
    with torch.no_grad():
        model.generator[0].weight.zero_()
    generated = model(torch.zeros(1, NOISE).double()).detach()
    real, noise = (generated + step).expand(BATCH, 3), torch.zeros(BATCH, NOISE).double()
    found = minimize(lambda: model.discriminator_loss(real, noise), model.discriminator.parameters())
    estimate = (model.discriminator(real) - model.discriminator(generated)).mean().item()
    assert estimate == pytest.approx(distance + distance**2 / (2 * 31), rel=1e-6)
    assert found.item() == pytest.approx(-distance - distance**2 / (4 * 31), rel=1e-6)


def test_the_penalty_of_a_linear_critic_is_the_same_everywhere():
    model = make(shape=(7,), hidden=(), loss="wgan_gp")
    weight = model.discriminator[0].weight
    for points in (torch.zeros(2, 7).double(), torch.randn(BATCH, 7).double()):
        torch.testing.assert_close(gradient_penalty(model.discriminator, points), (weight.norm() - 1) ** 2)


def test_the_penalty_equals_finite_differences():
    model = make(**DENSE, loss="wgan_gp")
    real, _ = batch(model)
    h = 1e-6
    slopes = [
        (model.discriminator(real + h * axis) - model.discriminator(real - h * axis)) / (2 * h)
        for axis in torch.eye(3, dtype=torch.float64)
    ]
    expected = (torch.cat(slopes, dim=1).norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(gradient_penalty(model.discriminator, real), expected, rtol=1e-7, atol=0)


def test_a_flat_critic_has_a_penalty_of_one_and_finite_gradients():
    model = make(**DENSE, loss="wgan_gp")
    torch.nn.init.zeros_(model.discriminator[4].weight)
    real, noise = batch(model)
    assert gradient_penalty(model.discriminator, real).item() == 1
    model.discriminator_loss(real, noise).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.discriminator.parameters())


@pytest.mark.parametrize("sure", [0.0, 5.0, 50.0])
def test_the_generator_still_learns_where_the_discriminator_is_sure(sure):
    """For one sample ∇L_G and that of log(1 − D) differ by the factor (1 − D)/D: at D → 0 the second vanishes."""
    model = make(**DENSE)
    with torch.no_grad():
        model.discriminator[4].bias.fill_(-sure)
    noise = torch.randn(1, NOISE, dtype=torch.float64)
    parameters = list(model.generator.parameters())
    score = model.discriminator(model(noise))
    ours = torch.autograd.grad(model.generator_loss(noise), parameters)
    saturating = torch.autograd.grad(F.logsigmoid(-score).mean(), parameters)
    d = score.sigmoid()[0, 0]
    for found, weak in zip(ours, saturating, strict=True):
        torch.testing.assert_close(found, weak / d * (1 - score.sigmoid()[0, 0]), rtol=1e-9, atol=0)
    assert max(gradient.abs().max() for gradient in ours) > 0.001
    if sure == 50:
        assert max(gradient.abs().max() for gradient in saturating) < 1e-18


def test_the_order_of_a_batch_does_not_matter():
    model = make(**DENSE)
    real, noise = batch(model)
    one, other = torch.randperm(BATCH), torch.randperm(BATCH)
    torch.testing.assert_close(model.discriminator_loss(real[one], noise[other]), model.discriminator_loss(real, noise))
    torch.testing.assert_close(model.generator_loss(noise[other]), model.generator_loss(noise))
    critic = make(**DENSE, loss="wgan_gp").discriminator
    torch.testing.assert_close(gradient_penalty(critic, real[one]), gradient_penalty(critic, real))


def test_a_critic_scores_each_image_by_itself():
    """So its penalty means what the paper says; the discriminator's batch normalization mixes the batch."""
    for loss, alone in (("wgan_gp", True), ("non_saturating", False)):
        model = make(**IMAGES, loss=loss)
        real, _ = batch(model)
        scores, other = model.discriminator(real), model.discriminator(torch.cat([real[:2], -real[2:]]))
        assert torch.allclose(scores[:2], other[:2]) == alone


def test_only_the_generator_keeps_running_statistics():
    model = make(**IMAGES)
    real, _ = batch(model)
    model.loss(real)
    counts = {name: int(value) for name, value in model.named_buffers() if name.endswith("num_batches_tracked")}
    assert counts == {"generator.2.num_batches_tracked": 1, "generator.5.num_batches_tracked": 1}
    assert not list(model.discriminator.buffers())


def test_a_dcgan_is_that_of_the_paper():
    model = GAN(GANConfig(shape=(3, 64, 64), hidden=(64, 32, 16, 8)))
    image = model(torch.randn(2, 100))
    assert image.shape == (2, 3, 64, 64)
    assert image.abs().max() <= 1
    sides = []
    for layer in model.discriminator:
        image = layer(image)
        if isinstance(layer, torch.nn.Conv2d):
            sides.append(tuple(image.shape[1:3]))
    assert sides == [(8, 32), (16, 16), (32, 8), (64, 4)]
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.1), name


@pytest.mark.parametrize("loss", LOSSES)
def test_fit_moves_samples_toward_digits(loss):
    """Their mean, that is. Validation runs without gradients: the penalty takes its own there."""
    images = torch.from_numpy(load_digits().images / 8 - 1).float()[:, None]
    model = GAN(GANConfig(shape=(1, 8, 8), hidden=(17,), noise=NOISE, loss=loss))

    def error():
        return (model.sample(500, seed=1).mean(0) - images.mean(0)).square().mean().item()

    before = error()
    data = TensorBatches([images[:1_500]], [images[1_500:]])
    betas, no_clipping = (0.5, 0.9), math.inf
    config = TrainConfig(steps=100, batch_size=20, lr=5e-3, betas=betas, weight_decay=0.0, grad_clip=no_clipping)
    history = fit(model, data, config)
    assert error() < before / 2
    assert history.validation.notna().all()


def test_samples_depend_on_the_seed_alone():
    model = make(**IMAGES).train()
    x = model.sample(7, seed=3)
    assert x.shape == (7, 3, 16, 16)
    assert not x.requires_grad
    assert model.training
    model.sample(2, seed=1)
    assert torch.equal(x, model.sample(7, seed=3))
    assert not torch.equal(x, model.sample(7, seed=4))
    noise = torch.randn(7, NOISE, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(model.eval()(noise[:2]), x[:2])  # evaluation mode: no sample depends on the others


@pytest.mark.parametrize("options", [*KINDS, {"shape": (1, 8, 8), "hidden": (17,)}, {"shape": (7,), "hidden": ()}])
def test_parameters_by_formula(options):
    model = make(**options)
    assert parameter_count(model.config) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (3, 16)}, r"shape to be \(features,\) or \(channels, side, side\), got \(3, 16\)"),
        ({"shape": (0,)}, "positive integers in shape and hidden, got shape=.0,. and hidden"),
        ({"hidden": (7, 0)}, r"positive integers in shape and hidden, got .* hidden=\(7, 0\)"),
        ({"shape": (3, 16, 8)}, r"hidden=\(7, 11\) and shape=\(3, 16, 8\); 2 layers make a side of 16"),
        ({"shape": (3, 32, 32)}, "2 layers make a side of 16"),
        ({"shape": (3, 4, 4), "hidden": ()}, "hidden to hold one layer for each doubling"),
        ({"noise": 0}, "noise to be a positive integer, got 0"),
        ({"loss": "hinge"}, "loss to be one of .* got 'hinge'"),
        ({"penalty": 0.0}, "penalty to be positive, got 0.0"),
    ],
)
def test_config_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        GANConfig(**({"noise": NOISE, **DENSE} | options))


@pytest.mark.parametrize(
    ("options", "call", "message"),
    [
        (DENSE, lambda m: m(torch.zeros(13, 3)), r"noise of shape \[batch, 5\] .* got \[13, 3\]"),
        (DENSE, lambda m: m.generator_loss(torch.zeros(13, 5).double()), "dtype torch.float32, got"),
        (DENSE, lambda m: m.loss(torch.zeros(13, 5)), r"real of shape \[batch, 3\] .* got \[13, 5\]"),
        (DENSE, lambda m: m.loss(torch.zeros(0, 3)), "at least one element"),
        (DENSE, lambda m: m.loss(torch.zeros(13, 3).double()), "dtype torch.float32, got"),
        (DENSE, lambda m: m.discriminator_loss(torch.zeros(13, 3), torch.zeros(1, 5)), r"noise of shape \[13, 5\]"),
        (IMAGES, lambda m: m.loss(torch.zeros(13, 1, 16, 16)), r"real of shape \[batch, 3, 16, 16\]"),
        (
            IMAGES,
            lambda m: m.loss(torch.full((2, 3, 16, 16), 255.0)),
            "real from -1 to 1, got 255.0 .* scale the images",
        ),
        (DENSE, lambda m: m.sample(0), "n of at least 1 sample, got 0"),
    ],
)
def test_bad_batches_are_refused(options, call, message):
    with pytest.raises(ValueError, match=message):
        call(GAN(GANConfig(noise=NOISE, **options)))
