r"""A residual network: every block adds its input to what it computes (He et al. 2016, equations 1 and 2).

.. math::

    y = \mathrm{ReLU}\bigl(\mathrm{BN}(W_2 * \mathrm{ReLU}(\mathrm{BN}(W_1 * x))) + S(x)\bigr)

The shortcut :math:`S` is the identity wherever the shapes allow it; :math:`*` is a convolution, BN batch-norm (Ioffe &
Szegedy 2015).

Axes: batch; channel (inputs and outputs of a block); height and width in pixels (h and w after a block); class.
"""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_choices, check_sizes
from companion.models.images import check_counts, check_images, init_before_relu, label_loss

StemName = Literal["imagenet", "cifar"]
ShortcutName = Literal["projection", "padding"]


@dataclass(frozen=True)
class ResNetConfig:
    """The shape of a :class:`ResNet`. The defaults are those of ResNet-18.

    Attributes:
        blocks: number of residual blocks, a stage each.
        widths: channels, a stage each; every stage but the first halves height and width.
        stem: what comes before the stages: ``imagenet``, a 7×7 convolution and max-pooling that quarter height and
            width, or ``cifar``, a 3×3 convolution that keeps them.
        shortcut: what stands in for the identity where a stage begins: ``projection``, a 1×1 convolution with
            batch-norm (option B of the paper), or ``padding``, every second pixel with channels of 0 added (option A),
            which has no parameters.
        channels: numbers a pixel: 1 for gray, 3 for color.
        n_classes: number of classes.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> resnet20 = ResNetConfig((3, 3, 3), (16, 32, 64), stem="cifar", shortcut="padding", n_classes=10)
        >>> parameter_count(resnet20)
        269722
    """

    blocks: tuple[int, ...] = (2, 2, 2, 2)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    stem: StemName = "imagenet"
    shortcut: ShortcutName = "projection"
    channels: int = 3
    n_classes: int = 1_000

    def __post_init__(self) -> None:
        check_sizes(self, "channels", "n_classes")
        check_counts(self, "blocks", "widths")
        check_choices(self, stem=StemName, shortcut=ShortcutName)
        if len(self.blocks) != len(self.widths):
            raise ValueError(f"expected blocks and widths of one length, got {self.blocks} and {self.widths}")
        if self.shortcut == "padding" and list(self.widths) != sorted(self.widths):
            raise ValueError(
                f"expected widths that do not shrink with shortcut='padding', which only adds channels, "
                f"got widths={self.widths}: choose shortcut='projection'"
            )


class PaddedShortcut(nn.Module):
    """Every ``stride``-th pixel, followed by channels of 0; on which side these stand makes no difference."""

    def __init__(self, added: int, stride: int) -> None:
        super().__init__()
        self.added, self.stride = added, stride

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs h w"]:
        """The smaller image with more channels."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions added to what came in: the basic block of He et al. 2016, figure 5 left."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: ShortcutName) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)  # batch-norm has the offset
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module
        if stride == 1 and inputs == outputs:
            self.shortcut = nn.Identity()
        elif shortcut == "padding":
            self.shortcut = PaddedShortcut(outputs - inputs, stride)
        else:
            project = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(project, nn.BatchNorm2d(outputs))

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs h w"]:
        """The sum of both paths, after ReLU."""
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.shortcut(x))


class ResNet(nn.Module):
    """A residual network of basic blocks (He et al. 2016): stem, stages, mean over all places, one linear layer.

    ================  ===================  ================  ============  ==================  ==================
    network           ``blocks``           ``widths``        ``stem``      A: ``padding``      B: ``projection``
    ================  ===================  ================  ============  ==================  ==================
    ResNet-18         ``(2, 2, 2, 2)``     64 to 512         ``imagenet``  11,515,688          **11,689,512**
    ResNet-34         ``(3, 4, 6, 3)``     64 to 512         ``imagenet``  21,623,848          **21,797,672**
    ResNet-20, CIFAR  ``(3, 3, 3)``        ``(16, 32, 64)``  ``cifar``     **269,722**         272,474
    ================  ===================  ================  ============  ==================  ==================

    Bold are the counts that are usually quoted. They mix options: for ResNet-18 that of B, though the paper's table 2
    takes A; for CIFAR that of A, as in the paper, whose 0.27 million both options give. Images of any height and width
    will do. In training batch-norm makes an image's logits depend on its batch, and needs more than one number a
    channel in the last stage. The weights start as in He et al. 2015.

    Example:
        >>> import torch
        >>> config = ResNetConfig(blocks=(1, 1), widths=(8, 16), stem="cifar", channels=1, n_classes=10)
        >>> ResNet(config)(torch.rand(5, 1, 8, 8)).shape  # a logit a class
        torch.Size([5, 10])
    """

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        first = config.widths[0]
        if config.stem == "imagenet":
            convolution: nn.Module = nn.Conv2d(config.channels, first, 7, 2, padding=3, bias=False)
            pool: nn.Module = nn.MaxPool2d(3, 2, padding=1)
        else:
            convolution, pool = nn.Conv2d(config.channels, first, 3, padding=1, bias=False), nn.Identity()
        self.stem = nn.Sequential(convolution, nn.BatchNorm2d(first), nn.ReLU(), pool)
        self.stages = nn.Sequential()
        inputs = first
        for stage, (count, width) in enumerate(zip(config.blocks, config.widths, strict=True)):
            for block in range(count):
                stride = 2 if stage and not block else 1
                self.stages.append(ResidualBlock(inputs, width, stride, config.shortcut))
                inputs = width
        self.head = nn.Linear(inputs, config.n_classes)
        self.apply(init_before_relu)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """The logits of each image's class.

        Raises:
            ValueError: where the images have another number of channels or dtype than the model, or where a training
                batch leaves batch-norm one number a channel.
        """
        check_images(images, self.config.channels, "height", "width", weight=self.head.weight)
        return self.head(self.stages(self.stem(images)).mean(dim=(2, 3)))

    def loss(
        self, images: Float[Tensor, "batch channel height width"], labels: Int[Tensor, " batch"]
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats an image.

        Raises:
            ValueError: as :meth:`forward`, or where the labels are not one class number an image.
        """
        return label_loss(self(images), labels)

    def n_targets(self, images: Float[Tensor, "batch channel height width"], labels: Int[Tensor, " batch"]) -> int:
        """The number of images: what the mean of :meth:`loss` is over."""
        return len(labels)
