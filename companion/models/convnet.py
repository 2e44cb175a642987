r"""A plain convolutional classifier, such as LeNet and VGG.

A convolution with kernel :math:`W` of :math:`k \times k` pixels and padding :math:`p = \lfloor k/2 \rfloor` computes

.. math::

    z_{o,y,x} = b_o + \sum_i \sum_{u,v=0}^{k-1} W_{o,i,u,v}\; a_{i,\,y+u-p,\,x+v-p}

with 0 outside the image: the same weights at every place, so that a shifted image gives shifted features. Max-pooling
keeps the largest of each 2×2 pixels, so that the next convolution sees twice as far.

Axes: batch; channel; height and width in pixels; class.
"""

from dataclasses import dataclass
from itertools import chain, pairwise

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_sizes
from companion.models.images import check_counts, check_images, init_before_relu, label_loss


@dataclass(frozen=True)
class ConvNetConfig:
    """The shape of a :class:`ConvNet`. The defaults fit images of 8×8 pixels in gray.

    Attributes:
        image_size: height and width of the images, in pixels.
        channels: numbers a pixel: 1 for gray, 3 for color.
        stages: for each stage the output channels of its convolutions; a stage ends by halving height and width.
        kernel: edge of every convolution, in pixels; odd.
        hidden: units of the hidden layers between the last stage and the logits.
        n_classes: number of classes.

    Raises:
        ValueError: naming the field and the value that cannot be: so for images that the stages would halve to nothing.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> vgg16 = ConvNetConfig(
        ...     image_size=(224, 224), channels=3, n_classes=1_000, hidden=(4_096, 4_096),
        ...     stages=((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
        ... )
        >>> parameter_count(vgg16)
        138357544
    """

    image_size: tuple[int, int] = (8, 8)
    channels: int = 1
    stages: tuple[tuple[int, ...], ...] = ((32,), (64,))
    kernel: int = 3
    hidden: tuple[int, ...] = ()
    n_classes: int = 10

    def __post_init__(self) -> None:
        check_sizes(self, "channels", "kernel", "n_classes")
        check_counts(self, "image_size")
        check_counts(self, "hidden", least=0)
        if len(self.image_size) != 2:
            raise ValueError(f"expected image_size to be (height, width), got {self.image_size}")
        if not self.stages or not all(stage and min(stage) > 0 for stage in self.stages):
            raise ValueError(f"expected stages to hold the channels of one convolution or more each, got {self.stages}")
        if self.kernel % 2 == 0:
            raise ValueError(f"expected an odd kernel, which has a center, got kernel={self.kernel}")
        if min(self.image_size) < 2 ** len(self.stages):
            raise ValueError(
                f"expected image_size of at least {2 ** len(self.stages)} pixels each way, which {len(self.stages)} "
                f"stages halve to 1, got image_size={self.image_size}: take larger images, or fewer stages"
            )

    @property
    def head_sizes(self) -> tuple[int, ...]:
        """Units of the fully connected layers, from the flattened features to the logits."""
        height, width = (edge >> len(self.stages) for edge in self.image_size)
        return (self.stages[-1][-1] * height * width, *self.hidden, self.n_classes)


class ConvNet(nn.Module):
    """Convolutions with ReLU, max-pooling after each stage, then fully connected layers (LeCun et al. 1998).

    With two or three 3×3 convolutions a stage this is VGG (Simonyan & Zisserman 2015): ``image_size=(224, 224)``,
    ``stages=((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)``, ``hidden=(4096, 4096)`` and 1,000 classes
    make VGG-16 with its 138,357,544 parameters. Departures: convolutions are padded, the function is ReLU and pooling
    takes the largest, none of which LeCun's network does; there is no dropout, which VGG's hidden layers have. Pooling
    passes over the last row or column of an odd size.

    Example:
        >>> from companion.data import TensorBatches, digits
        >>> from companion.training import TrainConfig, fit
        >>> images, labels = digits()
        >>> model = ConvNet(ConvNetConfig())
        >>> history = fit(model, TensorBatches((images, labels)), TrainConfig(steps=50, batch_size=64, lr=3e-3))
        >>> bool((model(images).argmax(dim=1) == labels).float().mean() > 0.8)
        True
    """

    def __init__(self, config: ConvNetConfig) -> None:
        super().__init__()
        self.config = config
        channels = pairwise((config.channels, *chain.from_iterable(config.stages)))
        features: list[nn.Module] = []
        for stage in config.stages:
            for _ in stage:
                features += [nn.Conv2d(*next(channels), config.kernel, padding=config.kernel // 2), nn.ReLU()]
            features.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*features)
        *hidden, head = pairwise(config.head_sizes)
        self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in hidden)
        self.head = nn.Linear(*head)
        self.apply(init_before_relu)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """The logits of each image's class.

        Raises:
            ValueError: where the images have another size, number of channels or dtype than the model.
        """
        check_images(images, self.config.channels, *self.config.image_size, weight=self.head.weight)
        x = self.features(images).flatten(1)
        for layer in self.hidden:
            x = F.relu(layer(x))
        return self.head(x)

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
