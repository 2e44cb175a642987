"""The keys and values of the positions that a decoder has seen, so that each new token costs one position's work."""

import torch
from jaxtyping import Float
from torch import Tensor

from companion.models.gpt_config import GPTConfig


class KVCache:
    """Room for ``block`` positions of every layer.

    Memory: 2 · n_layer · batch · block · n_kv_head · (n_embd / n_head) numbers. Fewer heads of keys and values make it
    smaller by n_head / n_kv_head.

    Args:
        config: the model's sizes.
        batch: sequences at a time.
        block: positions of each.
        like: a tensor of the dtype and on the device that keys and values have.
    """

    def __init__(self, config: GPTConfig, batch: int, block: int, like: Tensor) -> None:
        shape = (batch, 2 * config.kv_heads, block, config.head_dim)  # keys' heads, then values': copied in one go
        self.layers = [torch.empty(shape, dtype=like.dtype, device=like.device) for _ in range(config.n_layer)]
        self.length = 0

    def extend(self, layer: int, new: Float[Tensor, "batch head new dim"]) -> Float[Tensor, "batch head time dim"]:
        """Stores a layer's new keys and values; returns all of that layer's. ``length`` moves once a forward pass."""
        count = new.shape[2]
        self.layers[layer].narrow(2, self.length, count).copy_(new)
        return self.layers[layer].narrow(2, 0, self.length + count)
