"""MLP with batch normalization beside ``torch.nn.Sequential``."""

import torch
from torch import nn

from companion.models import MLP, MLPConfig
from reference.case import Case, gradients


def case(*, large: bool = False) -> Case:
    """Three layers; large: 1,024 samples through widths of 1,024."""
    sizes, batch = ((1_024, 1_024, 1_024, 10), 1_024) if large else ((7, 11, 5, 3), 13)
    model = MLP(MLPConfig(sizes=sizes, activation="gelu", normalization="batch"))
    theirs = nn.Sequential(
        nn.Linear(*sizes[:2]), nn.BatchNorm1d(sizes[1]), nn.GELU(),
        nn.Linear(*sizes[1:3]), nn.BatchNorm1d(sizes[2]), nn.GELU(),
        nn.Linear(*sizes[2:]),
    )  # fmt: skip
    ours = {"0": "layers.0", "1": "norms.0", "3": "layers.1", "4": "norms.1", "6": "layers.2"}
    for theirs_at, ours_at in ours.items():
        theirs.get_submodule(theirs_at).load_state_dict(model.get_submodule(ours_at).state_dict())
    x = torch.randn(batch, sizes[0])
    return Case(
        model=model,
        inputs=(x,),
        batch=(x, torch.randint(sizes[-1], (batch,))),
        reference=theirs,
        reference_name="torch.nn.Sequential",
        reference_gradients=gradients(theirs, lambda name: ours[name[0]] + name[1:]),
        sizes={"batch": batch},
    )
