"""UNet beside a composition of ``torch.nn`` layers that nest: each level holds the one below it."""

import torch
from torch import Tensor, nn

from companion.models import UNet, UNetConfig
from companion.models.hub.weights import named_weights
from reference.case import Case, gradients


class Level(nn.Module):
    """One level, with all that is below it inside."""

    def __init__(self, inputs: int, width: int, below: "Level | None", width_below: int) -> None:
        super().__init__()
        self.encode = _twice(inputs, width)
        self.below = below
        if below is not None:
            self.pool = nn.MaxPool2d(2, ceil_mode=True)
            self.up = nn.ConvTranspose2d(width_below, width, 2, stride=2)
            self.decode = _twice(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the size of ``x``."""
        skip = self.encode(x)
        if self.below is None:
            return skip
        up = self.up(self.below(self.pool(skip)))
        excess = [edge - wanted for edge, wanted in zip(up.shape[2:], skip.shape[2:], strict=True)]
        return self.decode(torch.cat([skip, nn.functional.pad(up, (0, -excess[1], 0, -excess[0]))], dim=1))


def _twice(inputs: int, width: int) -> nn.Sequential:
    layers = []
    for channels in (inputs, width):
        layers += [nn.Conv2d(channels, width, 3, padding="same", bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers)


def case(*, large: bool = False) -> Case:
    """Three levels, odd sizes; large: the paper's five levels, one image of 64×64 pixels."""
    config = UNetConfig() if large else UNetConfig(channels=2, n_classes=3, widths=(5, 7, 11))
    batch, height, width = (1, 64, 64) if large else (2, 13, 19)
    model, depth = UNet(config), len(config.widths) - 1
    inputs = [config.channels, *config.widths]
    level, below = None, 0
    for index in reversed(range(depth + 1)):
        level, below = Level(inputs[index], config.widths[index], level, below), config.widths[index]
    reference = nn.Sequential(level, nn.Conv2d(config.widths[0], config.n_classes, 1))

    def ours(name: str) -> str:
        index = name.count("below.")
        top, rest = name.replace("below.", "").split(".", 1)
        if top == "1":
            return f"head.{rest}"
        part, rest = rest.split(".", 1)
        place = {
            "encode": f"encoder.{index}",
            "up": f"up.{depth - 1 - index}",
            "decode": f"decoder.{depth - 1 - index}",
        }
        return f"{place[part]}.{rest}"

    reference.load_state_dict({name: named_weights(model)[ours(name)] for name in reference.state_dict()})
    images = torch.randn(batch, config.channels, height, width)
    return Case(
        model=model,
        inputs=(images,),
        batch=(images, torch.randint(config.n_classes, (batch, height, width))),
        reference=reference,
        reference_name="torch.nn layers, nested",
        reference_gradients=gradients(reference, ours),
        sizes={"batch": batch, "height": height, "width": width},
    )
