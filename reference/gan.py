"""The generator of a fully connected GAN, trained with a gradient penalty, beside ``torch.nn.Sequential``."""

import torch
from torch import nn

from companion.models import GAN, GANConfig
from reference.case import Case, gradients


def case(*, large: bool = False) -> Case:
    """Two hidden layers; large: 512 samples of 784 numbers through widths of 1,024."""
    (noise, first, second, features), batch = ((128, 1_024, 1_024, 784), 512) if large else ((5, 7, 11, 3), 13)
    model = GAN(GANConfig(shape=(features,), hidden=(first, second), noise=noise, loss="wgan_gp"))
    theirs = nn.Sequential(
        nn.Linear(noise, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, features)
    )
    theirs.load_state_dict(model.generator.state_dict())
    return Case(
        model=model,
        inputs=(torch.randn(batch, noise),),
        batch=(torch.randn(batch, features),),
        reference=theirs,
        reference_name="torch.nn.Sequential",
        reference_gradients=gradients(theirs, lambda name: f"generator.{name}"),
        sizes={"batch": batch},
    )
