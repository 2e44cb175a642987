r"""Keys and values in 8 bits: half the memory of a bfloat16 cache, a quarter of a float32 one.

Each head's vector of each position keeps 8-bit codes and one scale :math:`s = \max|x| / 127`, so that no number is off
by more than :math:`s / 2`. What many long conversations take is cache, not weights
(:func:`companion.economics.kv_cache_bytes`). The numbers are made whole again before attention reads them: this cache
saves memory, not time.

Axes: batch; head; time (position); dim (of a head).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from companion.models import GPTConfig
from companion.models.gpt_layers.cache import KVCache


class QuantizedKVCache(KVCache):
    """A cache in 8 bits: ``model.generate(..., cache_class=QuantizedKVCache)``, or by hand in ``cached_logits``.

    Args:
        config: the model's sizes.
        batch: sequences at a time.
        block: positions of each.
        like: a tensor of the dtype and on the device that keys and values have.

    Example:
        >>> from companion.models import GPT
        >>> config = GPTConfig(vocab_size=11, block_size=32, n_layer=2, n_head=2, n_embd=64)
        >>> model, prompt = GPT(config).eval(), torch.tensor([[1, 2, 3]])
        >>> model.generate(prompt, 5, cache_class=QuantizedKVCache).shape
        torch.Size([1, 8])
        >>> cache = QuantizedKVCache(config, 1, 32, model.wte.weight)
        >>> KVCache(config, 1, 32, model.wte.weight).layers[0].nbytes * 2 / cache.n_bytes
        3.5555555555555554
    """

    def __init__(self, config: GPTConfig, batch: int, block: int, like: Tensor) -> None:
        super().__init__(config, batch, block, torch.empty(0, dtype=torch.int8, device=like.device))
        self.scales = [like.new_empty(*codes.shape[:-1], 1) for codes in self.layers]

    def extend(self, layer: int, new: Float[Tensor, "batch head new dim"]) -> Float[Tensor, "batch head time dim"]:
        """Stores a layer's new keys and values; returns all of that layer's, as the codes have them."""
        scale = (new.abs().amax(dim=-1, keepdim=True) / 127).clamp(min=torch.finfo(new.dtype).tiny)
        count, end = new.shape[2], self.length + new.shape[2]
        # In float32, and cut: half precision may round a scale down so far that 127 becomes 128, an int8's -128.
        codes = (new.float() / scale.float()).round().clamp(-127, 127)
        self.layers[layer].narrow(2, self.length, count).copy_(codes)
        self.scales[layer].narrow(2, self.length, count).copy_(scale)
        return self.layers[layer].narrow(2, 0, end) * self.scales[layer].narrow(2, 0, end)

    @property
    def n_bytes(self) -> int:
        """What codes and scales take in memory, full or not."""
        return sum(tensor.nbytes for tensor in [*self.layers, *self.scales])
