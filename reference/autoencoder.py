"""Autoencoder beside ``torch.nn.Sequential``."""

import torch
from torch import nn

from companion.models import Autoencoder, AutoencoderConfig
from reference.case import Case, gradients


def case(*, large: bool = False) -> Case:
    """Three layers each way; large: 1,024 images of 784 pixels to 32 numbers."""
    sizes, batch = ((784, 1_024, 512, 32), 1_024) if large else ((11, 7, 5, 3), 13)
    model = Autoencoder(AutoencoderConfig(sizes=sizes))
    inputs, wide, narrow, latent = sizes
    theirs = nn.Sequential(
        nn.Sequential(
            nn.Linear(inputs, wide), nn.ReLU(), nn.Linear(wide, narrow), nn.ReLU(), nn.Linear(narrow, latent)
        ),
        nn.Sequential(
            nn.Linear(latent, narrow), nn.ReLU(), nn.Linear(narrow, wide), nn.ReLU(), nn.Linear(wide, inputs)
        ),
    )
    names = {"0": "encoder", "1": "decoder"}
    ours = model.state_dict()
    theirs.load_state_dict({name: ours[names[name[0]] + name[1:]] for name in theirs.state_dict()})
    x = torch.randn(batch, inputs)
    return Case(
        model=model,
        inputs=(x,),
        batch=(x,),
        reference=theirs,
        reference_name="torch.nn.Sequential",
        reference_gradients=gradients(theirs, lambda name: names[name[0]] + name[1:]),
        sizes={"batch": batch},
    )
