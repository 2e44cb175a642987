r"""Multi-head attention, of a sequence to itself or to another (Vaswani et al. 2017, section 3.2).

With queries from one sequence, keys and values from another or the same, and :math:`d` numbers a head (equation 1):

.. math::

    \mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d}} + M\right) V,

where :math:`M` is :math:`-\infty` at keys that a query may not see, and 0 elsewhere. Several heads side by side, each
on its own projections, are concatenated and projected once more. Departure from the paper: dropout acts on the
probabilities, as in most later code.

Axes: batch; time (position in a sequence), called queries and keys where there are two; width; head; dim (width/head).
``padding_mask`` is True where a token is there and False where it is padding: the opposite of ``key_padding_mask`` of
torch's ``MultiheadAttention``.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_sizes
from companion.models.checks import Kind, check_dropout, check_tensor, values_are_hidden


@dataclass(frozen=True, kw_only=True)
class AttentionConfig:
    """The sizes of a :class:`MultiHeadAttention`.

    Attributes:
        n_embd: numbers a position, in and out.
        n_head: attention heads; divides ``n_embd``.
        dropout: probability with which activations are dropped in training.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> AttentionConfig(n_embd=64, n_head=8)
        AttentionConfig(n_embd=64, n_head=8, dropout=0.1)
        >>> AttentionConfig(n_embd=64, n_head=5)
        Traceback (most recent call last):
        ValueError: expected n_embd to be a multiple of n_head, got n_embd=64 and n_head=5: take n_embd=65
    """

    n_embd: int = 512
    n_head: int = 8
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_sizes(self, "n_embd", "n_head")
        check_dropout(self)
        if self.n_embd % self.n_head:
            raise ValueError(
                f"expected n_embd to be a multiple of n_head, got n_embd={self.n_embd} and n_head={self.n_head}: "
                f"take n_embd={-(-self.n_embd // self.n_head) * self.n_head}"
            )


class MultiHeadAttention(nn.Module):
    """Attention of a sequence to itself or to another, several heads side by side.

    Computed by torch's fused kernel, whose memory is linear in time (Dao et al. 2022). ``key_value`` holds both
    projections, one above the other.

    Example:
        >>> attention = MultiHeadAttention(AttentionConfig(n_embd=64, n_head=8))
        >>> words, image = torch.randn(2, 5, 64), torch.randn(2, 9, 64)
        >>> attention(words, image).shape  # for each word a mixture of places
        torch.Size([2, 5, 64])
    """

    def __init__(self, config: AttentionConfig) -> None:
        super().__init__()
        self.config = config
        self.query = nn.Linear(config.n_embd, config.n_embd)
        self.key_value = nn.Linear(config.n_embd, 2 * config.n_embd)
        self.output = nn.Linear(config.n_embd, config.n_embd)

    def forward(
        self,
        x: Float[Tensor, "batch queries width"],
        context: Float[Tensor, "batch keys width"] | None = None,
        padding_mask: Bool[Tensor, "batch keys"] | None = None,
        *,
        causal: bool = False,
    ) -> Float[Tensor, "batch queries width"]:
        """What each position of ``x`` gathers.

        Args:
            x: where the queries come from.
            context: where keys and values come from; ``x`` itself if None.
            padding_mask: True at keys that are tokens, False at padding, which no query sees; all are tokens if None.
            causal: whether a position of ``x`` sees itself and earlier ones only. Where that leaves padding alone, as
                before the first token, padding is seen after all: a softmax over nothing would be NaN.

        Raises:
            ValueError: for tensors of other shapes or dtypes, ``causal`` with a ``context``, or a row of
                ``padding_mask`` without a token (checked on the CPU only).
        """
        self._check(x, context, padding_mask, causal)
        context = x if context is None else context
        query, (key, value) = self._heads(self.query(x)), self._heads(self.key_value(context)).chunk(2, dim=1)
        y = F.scaled_dot_product_attention(
            query, key, value,
            attn_mask=None if padding_mask is None else visible_keys(padding_mask, causal=causal),
            dropout_p=self.config.dropout if self.training else 0.0,
            is_causal=causal and padding_mask is None,
        )  # fmt: skip
        return self.output(y.transpose(1, 2).flatten(2))

    def _heads(self, x: Float[Tensor, "batch time widths"]) -> Float[Tensor, "batch heads time dim"]:
        return x.unflatten(2, (-1, self.config.n_embd // self.config.n_head)).transpose(1, 2)

    def _check(self, x: Tensor, context: Tensor | None, padding_mask: Tensor | None, causal: bool) -> None:
        # Under autocast the layers before may return another dtype than the weights', and this one takes it.
        dtype: torch.dtype | Kind = "floating"
        # The meta device, on which operations are counted, knows no autocast, and says so with an error.
        if x.is_meta or not torch.is_autocast_enabled(x.device.type):
            dtype = self.query.weight.dtype
        check_tensor("x", x, "batch", "queries", self.config.n_embd, dtype=dtype)
        if context is not None:
            check_tensor("context", context, len(x), "keys", self.config.n_embd, dtype=dtype)
            if causal:
                raise ValueError("expected causal=False with a context, whose positions are not x's, got causal=True")
        if padding_mask is not None:
            check_padding_mask(padding_mask, *(x if context is None else context).shape[:2])


def visible_keys(padding_mask: Bool[Tensor, "batch keys"], *, causal: bool) -> Bool[Tensor, "batch 1 queries keys"]:
    """Which keys each query sees, for every head; one row for all queries where not ``causal``."""
    keys = padding_mask.shape[1]
    pairs = torch.ones(keys if causal else 1, keys, dtype=torch.bool, device=padding_mask.device)
    allowed = pairs.tril() if causal else pairs
    visible = allowed & padding_mask[:, None, None, :]
    return visible | (allowed & ~visible.any(dim=3, keepdim=True))


def check_padding_mask(padding_mask: Tensor, batch: int, time: int, *, name: str = "padding_mask") -> None:
    """Refuses a mask of another shape or dtype, or with a row of padding alone (looked for on the CPU only)."""
    check_tensor(name, padding_mask, batch, time, dtype=torch.bool, do="it is True at tokens, False at padding")
    if not values_are_hidden(padding_mask) and not padding_mask.any(dim=1).all():
        empty = (~padding_mask.any(dim=1)).nonzero()[:, 0].tolist()
        raise ValueError(
            f"expected {name} to mark a token in every row, got none in rows {empty}: leave these rows out"
        )
