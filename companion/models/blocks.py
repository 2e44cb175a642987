r"""The blocks that encoders and decoders are stacks of (Vaswani et al. 2017, section 3.1).

A sub-layer :math:`f`, attention or the feed-forward layers :math:`W_2\,\sigma(W_1 x + b_1) + b_2` (equation 2), stands
in a residual connection. The normalization comes after the sum, as in the paper, or before the sub-layer:

.. math::

    x &\leftarrow \mathrm{LN}(x + f(x)) \quad \text{(post-norm)}, \\
    x &\leftarrow x + f(\mathrm{LN}(x)) \quad \text{(pre-norm, with one more LN at the end of the stack)}.

Axes: batch; time, called source and target where there are two sequences; width.
"""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor, nn

from companion.checks import check_choices, check_sizes
from companion.models.attention import AttentionConfig, MultiHeadAttention


@dataclass(frozen=True, kw_only=True)
class BlockConfig(AttentionConfig):
    """The sizes of a stack of blocks, with the fields of :class:`AttentionConfig`.

    Attributes:
        n_layer: number of blocks.
        n_hidden: width inside a block's feed-forward layers.
        activation: the function between them; ``gelu`` is the exact one.
        norm_first: normalize before each sub-layer (pre-norm), not after the sum.
        norm_eps: what layer normalization adds to the variance.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> BlockConfig(n_layer=2, n_embd=64, n_head=4, activation="gelu", norm_first=True).n_hidden
        2048
        >>> BlockConfig(activation="swish")
        Traceback (most recent call last):
        ValueError: expected activation to be one of relu, gelu; got 'swish'
    """

    n_layer: int = 6
    n_hidden: int = 2_048
    activation: Literal["relu", "gelu"] = "relu"
    norm_first: bool = False
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, "n_layer", "n_hidden")
        check_choices(self, activation=Literal["relu", "gelu"])
        if not self.norm_eps > 0:
            raise ValueError(f"expected norm_eps above 0, got {self.norm_eps}")


class PositionwiseFeedForward(nn.Module):
    """Two linear layers with an activation between them, a position at a time."""

    def __init__(self, config: BlockConfig) -> None:
        super().__init__()
        self.inner = nn.Linear(config.n_embd, config.n_hidden)
        self.outer = nn.Linear(config.n_hidden, config.n_embd)
        self.activation = nn.ReLU() if config.activation == "relu" else nn.GELU()

    def forward(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """The transformed positions."""
        return self.outer(self.activation(self.inner(x)))


class Residual(nn.Module):
    """A sub-layer with its residual connection, normalization and dropout; further arguments go to the sub-layer."""

    def __init__(self, config: BlockConfig, layer: nn.Module) -> None:
        super().__init__()
        self.norm_first = config.norm_first
        self.layer = layer
        self.norm = nn.LayerNorm(config.n_embd, eps=config.norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Float[Tensor, "batch time width"], *args: Tensor | None, **kwargs: bool
    ) -> Float[Tensor, "batch time width"]:
        """The residual stream after this sub-layer."""
        if self.norm_first:
            return x + self.dropout(self.layer(self.norm(x), *args, **kwargs))
        return self.norm(x + self.dropout(self.layer(x, *args, **kwargs)))


class EncoderBlock(nn.Module):
    """Self-attention in both directions, then the feed-forward layers."""

    def __init__(self, config: BlockConfig) -> None:
        super().__init__()
        self.attention = Residual(config, MultiHeadAttention(config))
        self.feed_forward = Residual(config, PositionwiseFeedForward(config))

    def forward(
        self, x: Float[Tensor, "batch time width"], padding_mask: Bool[Tensor, "batch time"] | None
    ) -> Float[Tensor, "batch time width"]:
        """The residual stream after this block."""
        return self.feed_forward(self.attention(x, None, padding_mask))


class DecoderBlock(nn.Module):
    """Causal self-attention, attention to the encoder's output, then the feed-forward layers."""

    def __init__(self, config: BlockConfig) -> None:
        super().__init__()
        self.self_attention = Residual(config, MultiHeadAttention(config))
        self.cross_attention = Residual(config, MultiHeadAttention(config))
        self.feed_forward = Residual(config, PositionwiseFeedForward(config))

    def forward(
        self,
        x: Float[Tensor, "batch target width"],
        memory: Float[Tensor, "batch source width"],
        padding_mask: Bool[Tensor, "batch source"] | None,
    ) -> Float[Tensor, "batch target width"]:
        """The residual stream after this block."""
        # No mask of the target's padding: it stands behind the tokens, where a causal position does not look.
        x = self.self_attention(x, causal=True)
        return self.feed_forward(self.cross_attention(x, memory, padding_mask))


class Stack(nn.Module):
    """Blocks one after the other, and with pre-norm the normalization of what they have added up."""

    def __init__(self, config: BlockConfig, block: type[EncoderBlock] | type[DecoderBlock]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(block(config) for _ in range(config.n_layer))
        self.norm = nn.LayerNorm(config.n_embd, eps=config.norm_eps) if config.norm_first else nn.Identity()

    def forward(self, x: Float[Tensor, "batch time width"], *args: Tensor | None) -> Float[Tensor, "batch time width"]:
        """Each position in its context; ``args`` are what the blocks take beyond ``x``."""
        for block in self.blocks:
            x = block(x, *args)
        return self.norm(x)
