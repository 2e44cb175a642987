"""From a slice to regions, and from a region to its kind: a U-Net proposes, a small classifier names.

Axes: slice; height and width in pixels of 1.5 mm; region; class: 0 for nothing, then ``LESION_TYPES``.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from safetensors.torch import load_file
from scipy import ndimage
from scipy.special import logsumexp
from torch import Tensor

from companion.cases.segmentation.patients import LESION_TYPES
from companion.models import ConvNet, ConvNetConfig, UNet, UNetConfig

#: Edge of the square around a region that the classifier sees, in pixels.
PATCH = 24

#: A pixel belongs to a region from this probability on; low, since the classifier may still say "nothing".
PROPOSE = 0.2

_WEIGHTS = Path(__file__).parent


def region_network() -> UNet:
    """The U-Net that says of each pixel whether it belongs to a lesion, untrained."""
    return UNet(UNetConfig(widths=(8, 16, 32)))


def type_network() -> ConvNet:
    """The network that names a region from brightness and the U-Net's probability around it, untrained."""
    stages = ((16, 16), (32,), (32,))
    return ConvNet(ConvNetConfig((PATCH, PATCH), channels=2, stages=stages, n_classes=1 + len(LESION_TYPES)))


@cache
def trained_networks() -> tuple[UNet, ConvNet]:
    """Both networks with the weights of the recorded run ``book/recorded/medical_imaging``."""
    regions, types = region_network(), type_network()
    for model, name in ((regions, "regions"), (types, "types")):
        model.load_state_dict(weights(name))
        model.eval().requires_grad_(False)
    return regions, types


def weights(name: str) -> dict[str, Tensor]:
    """The recorded weights of ``regions`` or ``types``, float16 in the file, as float32."""
    tensors = load_file(_WEIGHTS / f"{name}.safetensors")
    return {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}


def normalize(image: Float[np.ndarray, "height width"]) -> Float32[np.ndarray, "height width"]:
    """Brightness with the 98th percentile of what is no background at 1; a picture without any stays 0.

    Example:
        >>> float(normalize(np.array([[0.0, 0.5], [0.5, 0.5]])).max())
        1.0
    """
    seen = image[image > 0.1 * image.max()] if image.max() > 0 else np.ones(1)
    return np.clip(image / np.percentile(seen, 98), 0, 1.5).astype(np.float32)


def lesion_probability(
    model: UNet, images: Float32[np.ndarray, "slice height width"]
) -> Float32[np.ndarray, "slice height width"]:
    """The U-Net's probability of each pixel, of images that :func:`normalize` has prepared."""
    model.eval()
    with torch.inference_mode():
        logits = torch.cat([model(torch.from_numpy(image)[None, None]) for image in images])
    return logits.softmax(dim=1)[:, 1].numpy()


@dataclass(frozen=True)
class Proposals:
    """Regions of one slice.

    Attributes:
        numbers: 0, or the number of the region, from 1, of each pixel.
        patches: what the classifier sees of each region: brightness and probability.
    """

    numbers: Int[np.ndarray, "height width"]
    patches: Float[Tensor, "region 2 24 24"]


def propose(image: Float32[np.ndarray, "height width"], probability: Float32[np.ndarray, "height width"]) -> Proposals:
    """The regions in which the probability is at least ``PROPOSE``; pixels that touch at a corner belong together."""
    numbers, count = ndimage.label(probability >= PROPOSE, structure=np.ones((3, 3)))
    half = PATCH // 2
    both = np.pad(np.stack([image, probability]), ((0, 0), (half, half), (half, half)))
    centers = np.round(ndimage.center_of_mass(probability, numbers, range(1, count + 1))).astype(int).reshape(count, 2)
    patches = np.empty((count, 2, PATCH, PATCH), dtype=np.float32)
    for patch, (y, x) in zip(patches, centers, strict=True):
        patch[:] = both[:, y : y + PATCH, x : x + PATCH]
    return Proposals(numbers.astype(np.int64), torch.from_numpy(patches))


def type_logits(model: ConvNet, patches: Float[Tensor, "region 2 24 24"]) -> Float[np.ndarray, "region class"]:
    """The classifier's logits, no region included."""
    if not len(patches):
        return np.empty((0, 1 + len(LESION_TYPES)))
    with torch.inference_mode():
        return model(patches).numpy().astype(float)


def most_suspicious(logits: Float[np.ndarray, "region class"]) -> int:
    """The region whose probability of being nothing is least."""
    return int((logits[:, 0] - logsumexp(logits[:, 1:], axis=1)).argmin())
