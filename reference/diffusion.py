"""The network of a diffusion model beside ``torch.nn.Sequential`` on sines and cosines made by NumPy."""

import numpy as np
import torch
from torch import Tensor, nn

from companion.models import Diffusion, DiffusionConfig
from reference.case import Case, gradients


def case(*, large: bool = False) -> Case:
    """Two hidden layers; large: 512 samples of 784 numbers through widths of 1,024."""
    (features, first, second, width), batch = ((784, 1_024, 1_024, 128), 512) if large else ((5, 7, 11, 6), 13)
    config = DiffusionConfig(features=features, hidden=(first, second), n_steps=47, n_embd=width)
    model = Diffusion(config)
    theirs = nn.Sequential(
        nn.Linear(features + width, first), nn.SiLU(), nn.Linear(first, second), nn.SiLU(), nn.Linear(second, features)
    )
    theirs.load_state_dict(model.network.state_dict())

    def reference(x: Tensor, step: Tensor) -> Tensor:
        angles = np.outer(step.cpu(), 10_000.0 ** (-2 * np.arange(width // 2) / width))
        waves = torch.from_numpy(np.hstack([np.sin(angles), np.cos(angles)])).to(x)
        return theirs(torch.cat([x, waves], dim=1))

    return Case(
        model=model,
        inputs=(torch.randn(batch, features), torch.randint(config.n_steps, (batch,))),
        batch=(torch.randn(batch, features),),
        reference=reference,
        reference_name="torch.nn.Sequential",
        reference_gradients=gradients(theirs, lambda name: f"network.{name}"),
        sizes={"batch": batch},
    )
