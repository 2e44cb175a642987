"""Causal self-attention of a GPT: with shared heads of keys and values, rotary positions and a cache as it has them."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from companion.models.gpt_config import GPTConfig
from companion.models.gpt_layers.cache import KVCache
from companion.models.gpt_layers.rotary import Rotation, rotate

#: Positions up to which :func:`causal_attention` is faster than the fused kernel, in bfloat16 on a CPU.
SHORT = 512


class CausalSelfAttention(nn.Module):
    r"""Multi-head attention, :math:`\mathrm{softmax}(QK^\top/\sqrt{d} + M)V` with M = -∞ where a position is later.

    With ``n_kv_head`` below ``n_head``, groups of query heads share a head of keys and values (Ainslie et al. 2023).
    Computed by torch's fused kernel, whose memory is linear in time (Dao et al. 2022), not by the formula as it stands;
    but for short sequences in bfloat16 on a CPU, where two plain matrix products take half the time.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head, self.kv_heads, self.head_dim = config.n_head, config.kv_heads, config.head_dim
        self.dropout = config.dropout
        self.c_attn = nn.Linear(
            config.n_embd,
            (config.n_head + 2 * config.kv_heads) * config.head_dim,
            bias=config.bias or config.qkv_bias,
        )
        self.c_proj = nn.Linear(config.n_head * config.head_dim, config.n_embd, bias=config.bias)
        self.q_norm: nn.RMSNorm | None = None
        self.k_norm: nn.RMSNorm | None = None
        if config.qk_norm:
            self.q_norm = nn.RMSNorm(config.head_dim, eps=config.norm_eps)
            self.k_norm = nn.RMSNorm(config.head_dim, eps=config.norm_eps)

    def heads(
        self, x: Float[Tensor, "batch new width"], turn: Rotation | None = None
    ) -> Float[Tensor, "batch new head dim"]:
        """The heads of queries, then of keys, then of values, as attention takes them: normalized and turned."""
        heads = self.c_attn(x).view(*x.shape[:2], -1, self.head_dim)
        if self.q_norm is not None and self.k_norm is not None:
            q, k, v = heads.split_with_sizes((self.n_head, self.kv_heads, self.kv_heads), dim=2)
            heads = torch.cat([self.q_norm(q), self.k_norm(k), v], dim=2)
        if turn is not None:
            qk, v = heads.split_with_sizes((self.n_head + self.kv_heads, self.kv_heads), dim=2)
            heads = torch.cat([rotate(qk, *turn), v], dim=2)
        return heads

    def forward(
        self,
        x: Float[Tensor, "batch new width"],
        cache: KVCache | None,
        layer: int,
        turn: Rotation | None = None,
        mask: Bool[Tensor, "batch 1 new seen"] | None = None,
    ) -> Float[Tensor, "batch new width"]:
        """Mixes positions; with a cache, ``x`` holds the new positions only.

        Without a mask, which is True where a position may be seen, all that are not later are seen.
        """
        heads = self.heads(x, turn)
        if cache is None:  # split before the axes are swapped, so that gradients join as they lie in memory
            parts = heads.split_with_sizes((self.n_head, self.kv_heads, self.kv_heads), dim=2)
            q, k, v = (part.transpose(1, 2) for part in parts)
        else:  # the cache takes both in one go
            q, kv = (part.transpose(1, 2) for part in heads.split_with_sizes((self.n_head, 2 * self.kv_heads), dim=2))
            k, v = cache.extend(layer, kv).chunk(2, dim=1)
        if cache is None and mask is None and self._by_formula(q):
            return self.c_proj(causal_attention(q, k, v).transpose(1, 2).flatten(2))
        # Where there is no mask, one new position sees everything. Several are only ever asked for on an empty cache.
        y = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=mask is None and (cache is None or x.shape[1] > 1),  # no test of a size that may be dynamic
            enable_gqa=self.kv_heads < self.n_head,  # copying each head for its group takes longer
        )
        return self.c_proj(y.transpose(1, 2).flatten(2))

    def _by_formula(self, q: Float[Tensor, "batch head new dim"]) -> bool:
        plain = self.kv_heads == self.n_head and not (self.training and self.dropout)
        return plain and q.dtype is torch.bfloat16 and q.device.type == "cpu" and q.shape[2] <= SHORT


def causal_attention(
    q: Float[Tensor, "batch head time dim"],
    k: Float[Tensor, "batch head time dim"],
    v: Float[Tensor, "batch head time dim"],
) -> Float[Tensor, "batch head time dim"]:
    """What each position gathers, by the formula: memory grows with the square of time."""
    rows, (time, dim) = q.shape[:2], q.shape[2:]
    q, k, v = (part.flatten(0, 1) for part in (q, k, v))
    later = torch.full((time, time), -torch.inf, dtype=q.dtype, device=q.device).triu(1)
    scores = torch.baddbmm(later, q, k.mT, alpha=dim**-0.5)
    return torch.bmm(scores.softmax(dim=-1), v).unflatten(0, rows)
