"""ConvNet beside a flat ``torch.nn.Sequential``."""

import torch
from torch import nn

from companion.models import ConvNet, ConvNetConfig
from companion.models.hub.weights import named_weights
from reference.case import Case, gradients


def case(*, large: bool = False) -> Case:
    """Two stages and a hidden layer; large: 16 color images of 64×64 pixels through VGG's widths up to 128."""
    size, channels, (a, b, c), kernel, hidden, classes, batch = (
        ((64, 64), 3, (64, 64, 128), 3, 256, 10, 16) if large else ((13, 11), 2, (5, 7, 3), 5, 17, 19, 3)
    )
    stages = ((a, b), (c,))
    model = ConvNet(ConvNetConfig(size, channels, stages, kernel=kernel, hidden=(hidden,), n_classes=classes))
    reference = nn.Sequential(
        nn.Conv2d(channels, a, kernel, padding="same"), nn.ReLU(),
        nn.Conv2d(a, b, kernel, padding="same"), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(b, c, kernel, padding="same"), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(c * (size[0] // 4) * (size[1] // 4), hidden), nn.ReLU(), nn.Linear(hidden, classes),
    )  # fmt: skip
    names = {"0": "features.0", "2": "features.2", "5": "features.5", "9": "hidden.0", "11": "head"}

    def ours(name: str) -> str:
        layer, kind = name.split(".")
        return f"{names[layer]}.{kind}"

    reference.load_state_dict({name: named_weights(model)[ours(name)] for name in reference.state_dict()})
    images = torch.randn(batch, channels, *size)
    return Case(
        model=model,
        inputs=(images,),
        batch=(images, torch.randint(classes, (batch,))),
        reference=reference,
        reference_name="torch.nn.Sequential",
        reference_gradients=gradients(reference, ours),
        sizes={"batch": batch},
    )
