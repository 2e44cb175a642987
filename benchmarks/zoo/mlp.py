"""MLP beside ``torch.nn.Sequential``."""

import torch
from torch import nn

from benchmarks.zoo.case import Case, gradients
from companion.models import MLP, MLPConfig


def case(*, large: bool = False) -> Case:
    """Three layers; large: 1,024 samples through widths of 1,024."""
    sizes, batch = ((1_024, 1_024, 1_024, 10), 1_024) if large else ((7, 11, 5, 3), 13)
    model = MLP(MLPConfig(sizes=sizes, activation="gelu"))
    layers = [layer for pair in zip(model.layers, (nn.GELU(), nn.GELU(), nn.Identity()), strict=True) for layer in pair]
    reference = nn.Sequential(*layers)
    theirs = nn.Sequential(*[type(m)(m.in_features, m.out_features) if isinstance(m, nn.Linear) else m for m in layers])
    theirs.load_state_dict(reference.state_dict())
    x = torch.randn(batch, sizes[0])
    return Case(
        model=model,
        inputs=(x,),
        batch=(x, torch.randint(sizes[-1], (batch,))),
        reference=theirs,
        reference_name="torch.nn.Sequential",
        reference_gradients=gradients(theirs, lambda name: f"layers.{int(name[0]) // 2}{name[1:]}"),
        sizes={"batch": batch},
    )
