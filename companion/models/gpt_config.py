"""The sizes and options of a GPT; the defaults are GPT-2's."""

from dataclasses import dataclass
from typing import Literal

from companion.checks import check_choices, check_sizes
from companion.models.checks import check_dropout
from companion.models.rope_scaling import RopeScaling

PositionName = Literal["learned", "rotary"]
NormName = Literal["layer", "rms"]
FeedForwardName = Literal["gelu", "swiglu"]


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a :class:`GPT`. The defaults are those of GPT-2 'small', but for ``bias``.

    Attributes:
        vocab_size: number of distinct tokens.
        block_size: longest sequence, in tokens.
        n_layer: number of blocks.
        n_head: attention heads a block; divides ``n_embd``, unless there is a ``head_size``.
        n_embd: width of the residual stream, in numbers a token.
        dropout: probability with which activations are dropped in training.
        bias: whether linear layers and layer normalizations have biases, as GPT-2 has.
        positions: ``learned`` adds a vector a position to the embeddings; ``rotary`` turns queries and keys.
        rope_theta: base of the rotary angles; larger ones turn more slowly. Without effect on learned positions.
        norm: ``layer`` normalization, or ``rms``, which subtracts no mean.
        norm_eps: what the normalizations add to the mean square before the root is taken.
        feed_forward: ``gelu``, two layers; or ``swiglu``, three layers, one of which gates another.
        n_inner: width between the feed-forward layers; None is 4 · ``n_embd``.
        n_kv_head: heads of keys and values, shared by ``n_head`` of queries, which it divides; None is ``n_head``.
        tied: whether the output weights are the token embeddings.
        head_size: dimensions of a head; None is ``n_embd`` / ``n_head``.
        qkv_bias: whether queries, keys and values have biases where no other layer has, as Qwen2's.
        qk_norm: whether each head's queries and keys are normalized (RMS) before they are turned, as Qwen3's.
        rope_scaling: how the rotary angles are changed for long texts; None leaves them.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(GPTConfig(bias=True))  # GPT-2 small
        124439808
        >>> llama = GPTConfig(positions="rotary", norm="rms", feed_forward="swiglu", n_inner=2_048, n_kv_head=4)
        >>> parameter_count(llama)
        114114048
    """

    vocab_size: int = 50_257
    block_size: int = 1_024
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    dropout: float = 0.0
    bias: bool = False
    positions: PositionName = "learned"
    rope_theta: float = 10_000.0
    norm: NormName = "layer"
    norm_eps: float = 1e-5
    feed_forward: FeedForwardName = "gelu"
    n_inner: int | None = None
    n_kv_head: int | None = None
    tied: bool = True
    head_size: int | None = None
    qkv_bias: bool = False
    qk_norm: bool = False
    rope_scaling: RopeScaling | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("n_inner", "n_kv_head", "head_size") if getattr(self, name) is not None]
        check_sizes(self, "vocab_size", "block_size", "n_layer", "n_head", "n_embd", *given)
        check_choices(self, positions=PositionName, norm=NormName, feed_forward=FeedForwardName)
        check_dropout(self)
        for name in ("rope_theta", "norm_eps"):
            if not getattr(self, name) > 0:
                raise ValueError(f"expected {name} above 0, got {getattr(self, name)}")
        if self.head_size is None and self.n_embd % self.n_head:
            lower, upper = self.n_embd // self.n_head * self.n_head, -(-self.n_embd // self.n_head) * self.n_head
            near = " or ".join(str(width) for width in (lower, upper) if width)
            raise ValueError(
                f"expected n_embd to be a multiple of n_head, got n_embd={self.n_embd} and n_head={self.n_head}: "
                f"take n_embd={near}"
            )
        if self.n_head % self.kv_heads:
            fitting = [count for count in range(1, self.n_head + 1) if self.n_head % count == 0]
            raise ValueError(
                f"expected n_kv_head to divide n_head={self.n_head}, got {self.n_kv_head}: take one of {fitting}"
            )
        if self.rope_scaling is not None and self.positions != "rotary":
            raise ValueError("expected rope_scaling with positions='rotary', got positions='learned'")
        if self.positions == "rotary" and self.head_dim % 2:
            raise ValueError(
                f"expected an even number of dimensions a head with positions='rotary', which turns pairs of them, got "
                f"{self.head_dim}: change n_embd, n_head or head_size"
            )

    @property
    def head_dim(self) -> int:
        """``head_size``, or what None stands for."""
        return self.n_embd // self.n_head if self.head_size is None else self.head_size

    @property
    def kv_heads(self) -> int:
        """``n_kv_head``, or what None stands for."""
        return self.n_head if self.n_kv_head is None else self.n_kv_head

    @property
    def inner(self) -> int:
        """``n_inner``, or what None stands for."""
        return 4 * self.n_embd if self.n_inner is None else self.n_inner
