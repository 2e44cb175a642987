"""DCGAN's generator beside transposed convolutions alone: the first takes the noise as an image of one pixel."""

import torch
from torch import Tensor, nn

from companion.models import GAN, GANConfig
from reference.case import Case


def case(*, large: bool = False) -> Case:
    """Images of 16 × 16; large: 16 images of 64 × 64, 3.6 million parameters in the generator."""
    hidden, noise, channels, batch = ((512, 256, 128, 64), 100, 3, 16) if large else ((7, 5), 11, 3, 13)
    side = 4 * 2 ** len(hidden)
    model = GAN(GANConfig(shape=(channels, side, side), hidden=hidden, noise=noise))
    theirs = _reference(noise, hidden, channels)
    ours = model.generator.state_dict()
    projection = ours["0.weight"].T.reshape(noise, hidden[0], 4, 4)
    theirs.load_state_dict({n: projection if n == "1.weight" else ours[n] for n in theirs.state_dict()})

    def reference_gradients() -> dict[str, Tensor]:
        found = {f"generator.{name}": p.grad for name, p in theirs.named_parameters()}
        return found | {"generator.0.weight": found.pop("generator.1.weight").flatten(1).T}

    return Case(
        model=model,
        inputs=(torch.randn(batch, noise),),
        batch=(torch.rand(batch, channels, side, side) * 2 - 1,),
        reference=theirs,
        reference_name="torch.nn.ConvTranspose2d",
        reference_gradients=reference_gradients,
        sizes={"batch": batch},
    )


def _reference(noise: int, hidden: tuple[int, ...], channels: int) -> nn.Sequential:
    """The layers one after the other, numbered as ours are."""
    layers: list[nn.Module] = [nn.Unflatten(1, (noise, 1, 1)), nn.ConvTranspose2d(noise, hidden[0], 4, bias=False)]
    for index, width in enumerate(hidden):
        last = index == len(hidden) - 1
        out = channels if last else hidden[index + 1]
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.ConvTranspose2d(width, out, kernel_size=4, stride=2, padding=1, bias=last)]
    return nn.Sequential(*layers, nn.Tanh())
