"""The classifier: a small convolutional network, what it is shown in training, and its recorded weights.

Axes: picture; height and width in pixels; channel; class; description.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from companion.cases.pictures.features import color_histogram
from companion.cases.pictures.photographs import CLASSES, EDGE
from companion.data import TensorBatches
from companion.models import ConvNet, ConvNetConfig

_WEIGHTS = Path(__file__).with_name("network.safetensors")
_BATCH = 500

Images = Float[Tensor, "picture 3 height width"]
Pixels = UInt8[np.ndarray, "picture height width 3"]


def picture_network(n_classes: int = len(CLASSES)) -> ConvNet:
    """The network, untrained: three 3×3 convolutions of 16, 32 and 64 channels, each halved; 25,634 numbers."""
    return ConvNet(ConvNetConfig((EDGE, EDGE), channels=3, stages=((16,), (32,), (64,)), n_classes=n_classes))


def as_images(pixels: Pixels) -> Images:
    """Pixels as the network takes them: about -2 to 2, channels first (and stored last, which is faster on a CPU)."""
    images = torch.tensor(pixels).permute(0, 3, 1, 2).float()
    return (images / 255 - 0.5).div_(0.25).contiguous(memory_format=torch.channels_last)


class AugmentedBatches:
    """Batches of pictures that are mirrored, moved by up to two pixels and tinted anew at each step.

    Each change keeps the label true of these pictures, so that one label teaches many pictures. What is drawn depends
    on seed and step alone.

    Args:
        images: of which batches are drawn.
        labels: their classes.
        tint: largest change of a channel's strength, as a fraction.

    Example:
        >>> batches = AugmentedBatches(torch.rand(20, 3, 32, 32), torch.arange(20) % 2)
        >>> [each.shape for each in batches.batch(0, 8, seed=0)]
        [torch.Size([8, 3, 32, 32]), torch.Size([8])]
    """

    def __init__(self, images: Images, labels: Int[Tensor, " picture"], *, tint: float = 0.2) -> None:
        self.plain, self.tint = TensorBatches((images, labels)), tint

    def batch(self, step: int, batch_size: int, *, seed: int) -> tuple[Tensor, ...]:
        """The pictures that training step ``step`` sees, changed, and their labels."""
        images, labels = self.plain.batch(step, batch_size, seed=seed)
        rng = np.random.default_rng([seed, step])
        mirrored = torch.from_numpy(rng.random(len(images)) < 0.5)[:, None, None, None]
        images = torch.where(mirrored, images.flip(3), images)
        down, right = (int(value) for value in rng.integers(0, 5, 2))
        height, width = images.shape[2:]
        images = F.pad(images, (2, 2, 2, 2), mode="reflect")[:, :, down : down + height, right : right + width]
        tint = rng.uniform(1 - self.tint, 1 + self.tint, (len(images), 3, 1, 1)).astype(np.float32)
        return (images * torch.from_numpy(tint)).contiguous(memory_format=torch.channels_last), labels

    def fingerprint(self) -> dict[str, Any]:
        """What tells these batches from others."""
        return self.plain.fingerprint() | {"tint": self.tint}

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, ...]]:
        """None: whoever trains this network scores it elsewhere."""
        return iter(())


@cache
def trained_network() -> ConvNet:
    """The network with the weights of the recorded run ``book/recorded/image_classification``."""
    model = picture_network()
    model.load_state_dict({name: value.float() for name, value in load_file(_WEIGHTS).items()})
    return model.eval().requires_grad_(False)


def logits(model: torch.nn.Module, pixels: Pixels) -> Float32[np.ndarray, "picture class"]:
    """What the network says of each picture, before calibration."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(as_images(each)) for each in _batches(pixels)]).numpy()


def descriptions(model: ConvNet, pixels: Pixels) -> Float32[np.ndarray, "picture description"]:
    """What makes two pictures near: 64 numbers of the network and 64 of their colors, each half at length 1.

    The network's half is its last convolution averaged over places. It alone finds colored noise familiar, since it was
    never asked to tell noise from anything: hence the colors.
    """
    model.eval()
    with torch.inference_mode():
        pooled = torch.cat([model.features(as_images(each)).mean(dim=(2, 3)) for each in _batches(pixels)])
    return np.concatenate([F.normalize(pooled, dim=1).numpy(), color_histogram(pixels)], axis=1)


def _batches(pixels: Pixels) -> list[Pixels]:
    return [pixels[start : start + _BATCH] for start in range(0, len(pixels), _BATCH)]
