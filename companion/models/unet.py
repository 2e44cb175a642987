r"""U-Net: a class for every pixel (Ronneberger, Fischer & Brox 2015).

The encoder halves height and width at each level and keeps what it found; the decoder doubles them again and reads,
at each level, both what comes from below and what the encoder kept (the skip):

.. math::

    e_0 = D_0(x), \qquad e_l = D_l(\mathrm{pool}(e_{l-1})),

    d_L = e_L, \qquad d_l = M_l\bigl([\,e_l;\ \mathrm{up}_l(d_{l+1})\,]\bigr), \qquad z = H d_0,

with :math:`D` and :math:`M` two 3×3 convolutions, each followed by batch-norm and ReLU, up a transposed 2×2 convolution
of stride 2, [;] channels side by side, and :math:`H` a 1×1 convolution to the logits :math:`z`.

Departures from the paper. Convolutions are padded, so that the output is as large as the input, where the paper's lose
a border. Any height and width will do: pooling rounds an odd size up (its last window holds one row or column), and
what comes up is cropped at the bottom and the right to the size of the skip. Where :math:`2^L` divides both sizes
neither happens. Batch-norm (Ioffe & Szegedy 2015) is new, and makes training faster. The loss weighs all pixels alike,
where the paper's favors the borders between cells. There is no dropout.

Axes: batch; channel; height and width in pixels (h and w within a level); class.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_sizes
from companion.models.checks import IGNORED, check_targets, check_tensor, count_targets
from companion.models.images import check_counts, check_images, init_before_relu


@dataclass(frozen=True)
class UNetConfig:
    """The shape of a :class:`UNet`. The defaults are those of the paper.

    Attributes:
        channels: numbers a pixel: 1 for gray, 3 for color.
        n_classes: number of classes, the background among them; at least 2.
        widths: channels of each level, the full size first; every further level halves height and width.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(UNetConfig())
        31036546
    """

    channels: int = 1
    n_classes: int = 2
    widths: tuple[int, ...] = (64, 128, 256, 512, 1_024)

    def __post_init__(self) -> None:
        check_sizes(self, "channels", "n_classes")
        check_counts(self, "widths")
        if self.n_classes < 2:
            raise ValueError(f"expected n_classes of at least 2, background and object, got n_classes={self.n_classes}")


class UNet(nn.Module):
    """A U-Net. :class:`UNetConfig` without arguments gives the widths of the paper, and 31,036,546 parameters.

    The weights before ReLU start as in He et al. 2015, which the paper asks for. In training batch-norm makes an
    image's logits depend on its batch, and needs more than one number a channel in the deepest level.

    Example:
        >>> model = UNet(UNetConfig(channels=1, n_classes=11, widths=(8, 16)))
        >>> model(torch.rand(3, 1, 32, 32)).argmax(dim=1).shape  # a class a pixel
        torch.Size([3, 32, 32])
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        upwards = list(pairwise(reversed(config.widths)))
        self.encoder = nn.ModuleList(_twice(*pair) for pair in pairwise((config.channels, *config.widths)))
        self.up = nn.ModuleList(nn.ConvTranspose2d(below, width, 2, stride=2) for below, width in upwards)
        self.decoder = nn.ModuleList(_twice(2 * width, width) for _, width in upwards)
        self.apply(init_before_relu)
        self.head = nn.Conv2d(config.widths[0], config.n_classes, 1)  # no ReLU follows it

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class height width"]:
        """The logits of each pixel's class.

        Raises:
            ValueError: where the images have another number of channels or dtype than the model, or where a training
                batch leaves batch-norm one number a channel.
        """
        check_images(images, self.config.channels, "height", "width", weight=self.head.weight)
        first, *deeper = self.encoder
        x, skips = first(images), []
        for level in deeper:
            skips.append(x)
            x = level(F.max_pool2d(x, 2, ceil_mode=True))
        for up, level, skip in zip(self.up, self.decoder, reversed(skips), strict=True):
            height, width = skip.shape[2:]
            x = level(torch.cat([skip, up(x)[:, :, :height, :width]], dim=1))
        return self.head(x)

    def loss(
        self, images: Float[Tensor, "batch channel height width"], masks: Int[Tensor, "batch height width"]
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats a pixel; pixels of -100 do not count.

        Raises:
            ValueError: as :meth:`forward`, or where the masks are not one class number a pixel, or are -100 throughout.
        """
        logits = self(images)
        batch, classes, height, width = logits.shape
        check_tensor("masks", masks, batch, height, width, dtype=torch.int64, do="give one class number a pixel")
        do = f"the model has n_classes={classes}, counting from 0, and {IGNORED} marks what does not count"
        check_targets("masks", masks, classes, do=do)
        return F.cross_entropy(logits, masks, ignore_index=IGNORED)

    def n_targets(
        self, images: Float[Tensor, "batch channel height width"], masks: Int[Tensor, "batch height width"]
    ) -> int:
        """The number of pixels that count: what the mean of :meth:`loss` is over."""
        return count_targets(masks)


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3×3 convolutions with batch-norm, which has the offset, and ReLU; they keep height and width."""
    first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(first, nn.BatchNorm2d(outputs), nn.ReLU(), second, nn.BatchNorm2d(outputs), nn.ReLU())
