"""The actor of an actor-critic beside ``torch.nn.Sequential``."""

import torch
from torch import nn

from companion.models import ActorCritic, ActorCriticConfig
from reference.case import Case, gradients


def case(*, large: bool = False) -> Case:
    """Trunks of two layers; large: 2,048 observations through widths of 1,024."""
    features, hidden, actions, batch = (64, (1_024, 1_024), 17, 2_048) if large else (5, (11, 7), 3, 13)
    model = ActorCritic(ActorCriticConfig(features=features, actions=actions, hidden=hidden, entropy_weight=0.01))
    theirs = nn.Sequential(
        nn.Linear(features, hidden[0]), nn.Tanh(), nn.Linear(*hidden), nn.Tanh(), nn.Linear(hidden[1], actions)
    )
    ours = {"0": "trunks.0.0", "2": "trunks.0.2", "4": "actor"}
    for theirs_at, ours_at in ours.items():
        theirs.get_submodule(theirs_at).load_state_dict(model.get_submodule(ours_at).state_dict())
    observations = torch.randn(batch, features)
    taken = torch.randint(actions, (batch,))
    return Case(
        model=model,
        inputs=(observations,),
        batch=(observations, taken, *torch.randn(2, batch), -torch.rand(batch)),
        reference=theirs,
        reference_name="torch.nn.Sequential",
        reference_gradients=gradients(theirs, lambda name: ours[name[0]] + name[1:]),
        sizes={"batch": batch},
    )
