"""VAE beside ``torch.nn.Sequential`` through the mean's half of the encoder's last layer."""

import torch
from torch import Tensor, nn

from companion.models import VAE, VAEConfig
from reference.case import Case


def case(*, large: bool = False) -> Case:
    """One hidden layer each way; large: 1,024 images of 784 pixels through 1,024 units to 32 numbers."""
    (inputs, hidden, latent), batch = ((784, 1_024, 32), 1_024) if large else ((11, 7, 3), 13)
    model = VAE(VAEConfig(sizes=(inputs, hidden, latent)))
    theirs = nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, latent),
        nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, inputs),
    )  # fmt: skip
    names = {"0": "encoder.0", "2": "encoder.2", "3": "decoder.0", "5": "decoder.2"}
    ours = model.state_dict()
    sizes = {name: len(tensor) for name, tensor in theirs.state_dict().items()}
    theirs.load_state_dict({name: ours[names[name[0]] + name[1:]][:size] for name, size in sizes.items()})

    def reference_gradients() -> dict[str, Tensor]:
        found = {names[name[0]] + name[1:]: parameter.grad for name, parameter in theirs.named_parameters()}
        for name in ("encoder.2.weight", "encoder.2.bias"):  # the rows of the log-variance do not act on forward
            found[name] = torch.cat([found[name], torch.zeros_like(found[name])])
        return found

    x = torch.randn(batch, inputs)
    return Case(
        model=model,
        inputs=(x,),
        batch=(x,),
        reference=theirs,
        reference_name="torch.nn.Sequential",
        reference_gradients=reference_gradients,
        sizes={"batch": batch},
    )
