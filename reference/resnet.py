"""ResNet beside transformers' ResNet."""

import re

import torch
import transformers
from torch import Tensor, nn

from companion.models import ResNet, ResNetConfig
from companion.models.hub.weights import named_weights
from reference.case import Case, gradients

_PARTS = {
    "embedder.embedder.convolution": "stem.0",
    "embedder.embedder.normalization": "stem.1",
    "layer.0.convolution": "conv1",
    "layer.0.normalization": "bn1",
    "layer.1.convolution": "conv2",
    "layer.1.normalization": "bn2",
    "shortcut.convolution": "shortcut.0",
    "shortcut.normalization": "shortcut.1",
    "classifier.1": "head",
}


class Logits(nn.Module):
    """A transformers classifier that returns its logits alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """What :class:`ResNet` returns."""
        return self.model(images).logits


def case(*, large: bool = False) -> Case:
    """Two stages of two and one blocks; large: ResNet-18, 2 images of 224×224 pixels."""
    batch, height, width = (2, 224, 224) if large else (3, 37, 29)
    config = ResNetConfig() if large else ResNetConfig(blocks=(2, 1), widths=(7, 11), channels=2, n_classes=5)
    model = ResNet(config)
    theirs = transformers.ResNetForImageClassification(
        transformers.ResNetConfig(
            num_channels=config.channels, embedding_size=config.widths[0], hidden_sizes=list(config.widths),
            depths=list(config.blocks), layer_type="basic", num_labels=config.n_classes,
        )
    ).train()  # fmt: skip

    def ours(name: str) -> str:
        name, kind = name.removeprefix("resnet.").rsplit(".", 1)
        block = re.match(r"encoder\.stages\.(\d+)\.layers\.(\d+)\.", name)
        if not block:
            return f"{_PARTS[name]}.{kind}"
        stage, index = map(int, block.groups())  # they count blocks within a stage, we count them all
        return f"stages.{sum(config.blocks[:stage]) + index}.{_PARTS[name[block.end() :]]}.{kind}"

    theirs.load_state_dict({name: named_weights(model)[ours(name)] for name in theirs.state_dict()})
    images = torch.randn(batch, config.channels, height, width)
    return Case(
        model=model,
        inputs=(images,),
        batch=(images, torch.randint(config.n_classes, (batch,))),
        reference=Logits(theirs),
        reference_name="transformers.ResNetForImageClassification",
        reference_gradients=gradients(theirs, ours),
        sizes={"batch": batch, "height": height, "width": width},
    )
