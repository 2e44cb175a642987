r"""CLIP, images and texts in one space (Radford et al. 2021, section 2.3 and figure 3).

An image tower and a text tower end in vectors of one width. With :math:`x_i` and :math:`y_j` these vectors at length 1
for N pairs of an image and its text, and a learned temperature :math:`\tau`:

.. math::

    S_{ij} = x_i^\top y_j / \tau, \qquad
    L = -\frac{1}{2N} \sum_{i=1}^{N} \left( \log \frac{e^{S_{ii}}}{\sum_j e^{S_{ij}}}
        + \log \frac{e^{S_{ii}}}{\sum_j e^{S_{ji}}} \right)

Each image is to be told which of the N texts is its own, and each text which image: the others of the batch are the
wrong answers. :math:`1/\tau` is learned as its logarithm, starts at 1/0.07, and counts as 100 where it is larger.

Departures from the paper: the image tower is a plain stack of convolutions, which keeps where things are, not a ResNet
or a vision transformer. The text tower looks in both directions and is averaged over the words, where the paper's is
causal and read at the last token. Sizes are small.

Axes: images, texts (both ``batch`` where they are pairs); channel, height, width (pixels); time (position in a text);
embed (the shared space).
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_sizes
from companion.models.blocks import BlockConfig, EncoderBlock, Stack
from companion.models.checks import check_tensor, check_values

PADDING = 0
_LARGEST_SCALE = 100.0


@dataclass(frozen=True, kw_only=True)
class CLIPConfig(BlockConfig):
    """The sizes of a :class:`CLIP`, with the fields of :class:`BlockConfig` for the text tower.

    Attributes:
        vocab_size: number of distinct tokens; token 0 is padding.
        block_size: longest text, in tokens.
        image_size: pixels a side.
        image_channels: numbers a pixel.
        channels: channels of each convolution, which halves the side.
        embed: width of the shared space.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(CLIPConfig(vocab_size=19, block_size=8))
        195041
    """

    vocab_size: int
    block_size: int
    image_size: int = 32
    image_channels: int = 3
    channels: tuple[int, ...] = (16, 32, 64)
    embed: int = 64
    n_embd: int = 64
    n_head: int = 4
    n_layer: int = 2
    n_hidden: int = 256
    dropout: float = 0.0
    activation: Literal["relu", "gelu"] = "gelu"
    norm_first: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, "vocab_size", "block_size", "image_size", "image_channels", "embed")
        if not self.channels or min(self.channels) < 1:
            raise ValueError(f"expected channels to hold at least one size of at least 1, got {self.channels}")

    @property
    def sides(self) -> tuple[int, ...]:
        """Pixels a side of the image and after each convolution, rounded up."""
        return tuple(-(-self.image_size // 2**depth) for depth in range(len(self.channels) + 1))


class ImageTower(nn.Module):
    """Convolutions of stride 2, then one linear map of all that is left, place by place."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        inputs = (config.image_channels, *config.channels[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(fan_in, fan_out, kernel_size=3, stride=2, padding=1)
            for fan_in, fan_out in zip(inputs, config.channels, strict=True)
        )
        self.projection = nn.Linear(config.channels[-1] * config.sides[-1] ** 2, config.embed, bias=False)

    def forward(self, images: Float[Tensor, "images channel height width"]) -> Float[Tensor, "images embed"]:
        """The images' vectors, of any length."""
        for convolution in self.convolutions:
            images = F.gelu(convolution(images))
        return self.projection(images.flatten(1))


class TextTower(nn.Module):
    """Words and positions, encoder blocks, and the mean over the words that are no padding."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.words = nn.Embedding(config.vocab_size, config.n_embd)
        self.positions = nn.Embedding(config.block_size, config.n_embd)
        self.encoder = Stack(config, EncoderBlock)
        self.projection = nn.Linear(config.n_embd, config.embed, bias=False)

    def forward(self, tokens: Int[Tensor, "texts time"]) -> Float[Tensor, "texts embed"]:
        """The texts' vectors, of any length."""
        padding_mask = tokens != PADDING
        x = self.encoder(self.words(tokens) + self.positions.weight[: tokens.shape[1]], padding_mask)
        mean = (x * padding_mask[:, :, None]).sum(dim=1) / padding_mask.sum(dim=1, keepdim=True)
        return self.projection(mean)


class CLIP(nn.Module):
    """An image tower and a text tower, trained to agree on pairs.

    Example:
        >>> import numpy as np
        >>> from companion.data import draw_captions, encode_captions
        >>> captions = ["a red circle", "a blue square left of a red circle"]
        >>> images = torch.from_numpy(draw_captions(captions, np.random.default_rng(0)))
        >>> model = CLIP(CLIPConfig(vocab_size=19, block_size=8))
        >>> similarity = model.encode_image(images) @ model.encode_text(encode_captions(captions)).T
        >>> similarity.shape  # how well each image fits each caption
        torch.Size([2, 2])
    """

    #: Why a batch cannot be divided.
    joins_examples: ClassVar[str] = "CLIP's loss compares each pair with all others of the batch"

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.image_tower = ImageTower(config)
        self.text_tower = TextTower(config)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(
        self, images: Float[Tensor, "images channel height width"], tokens: Int[Tensor, "texts time"]
    ) -> Float[Tensor, "images texts"]:
        """The logits of each image: which text is its own. With texts that name classes, a zero-shot classifier.

        Raises:
            ValueError: for images of another shape or dtype than the config's, tokens that are not int64, too long or
                outside the vocabulary, or a text of padding alone (values are checked on the CPU only).
        """
        return self.scale * self.encode_image(images) @ self.encode_text(tokens).T

    def loss(
        self, images: Float[Tensor, "batch channel height width"], tokens: Int[Tensor, "batch time"]
    ) -> Float[Tensor, ""]:
        """The symmetric contrastive loss of the pairs (``images[i]``, ``tokens[i]``), in nats.

        Raises:
            ValueError: as :meth:`forward`, or where there are not as many texts as images.
        """
        check_tensor("tokens", tokens, len(images), "time", dtype=torch.int64, do="give each image one text")
        return self.joined_loss(*self.embed_batch(images, tokens))

    def embed_batch(
        self, images: Float[Tensor, "batch channel height width"], tokens: Int[Tensor, "batch time"]
    ) -> tuple[Float[Tensor, "batch embed"], Float[Tensor, "batch embed"]]:
        """The vectors of images and of texts, which :meth:`joined_loss` takes; errors as :meth:`forward`."""
        return self.encode_image(images), self.encode_text(tokens)

    def joined_loss(
        self, images: Float[Tensor, "batch embed"], texts: Float[Tensor, "batch embed"]
    ) -> Float[Tensor, ""]:
        """:meth:`loss` from the vectors of a batch, of which several processes may each have made some."""
        logits = self.scale * images @ texts.T
        own = torch.arange(len(images), device=logits.device)
        return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2

    def n_targets(self, images: Float[Tensor, "batch channel height width"], tokens: Int[Tensor, "batch time"]) -> int:
        """The number of pairs: what the mean of :meth:`loss` is over."""
        return len(images)

    def encode_image(self, images: Float[Tensor, "images channel height width"]) -> Float[Tensor, "images embed"]:
        """The images' vectors, of length 1; errors as :meth:`forward`."""
        side, dtype = self.config.image_size, self.image_tower.projection.weight.dtype
        check_tensor("images", images, "images", self.config.image_channels, side, side, dtype=dtype)
        return F.normalize(self.image_tower(images), dim=1)

    def encode_text(self, tokens: Int[Tensor, "texts time"]) -> Float[Tensor, "texts embed"]:
        """The texts' vectors, of length 1; errors as :meth:`forward`."""
        check_tensor("tokens", tokens, "texts", "time", dtype=torch.int64)
        if tokens.shape[1] > self.config.block_size:
            raise ValueError(f"expected at most block_size={self.config.block_size} tokens, got {tokens.shape[1]}")
        check_values("tokens", tokens, 0, self.config.vocab_size - 1, do="or enlarge vocab_size")
        return F.normalize(self.text_tower(tokens), dim=1)

    @property
    def scale(self) -> Float[Tensor, ""]:
        """What cosines are multiplied by, 1/τ, at most 100."""
        excess = (self.log_scale - math.log(_LARGEST_SCALE)).clamp(min=0)
        # The gradient is that at the limit, not 0: a scale that has stepped over it can come back.
        return (self.log_scale - excess.detach()).exp()
