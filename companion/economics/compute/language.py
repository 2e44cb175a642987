"""Counts of the families that read sequences of tokens."""

from companion.economics.compute.count import forward_flops, parameter_count
from companion.economics.compute.layers import attention_flops, linear, linear_flops
from companion.models.gpt import GPTConfig


@parameter_count.register
def _(config: GPTConfig) -> int:
    width, bias = config.n_embd, config.bias
    norm = width + width * bias
    attention = linear(width, 3 * width, bias=bias) + linear(width, width, bias=bias)
    feed_forward = linear(width, 4 * width, bias=bias) + linear(4 * width, width, bias=bias)
    embeddings = (config.vocab_size + config.block_size) * width
    return embeddings + config.n_layer * (attention + feed_forward + 2 * norm) + norm


@forward_flops.register
def _(config: GPTConfig, *, batch: int, time: int, causal: bool = False) -> int:
    width, rows = config.n_embd, batch * time
    products = linear_flops(rows, width, 3 * width + width) + 2 * linear_flops(rows, width, 4 * width)
    scores = batch * attention_flops(time, time, width) // (2 if causal else 1)
    return config.n_layer * (products + scores) + linear_flops(rows, width, config.vocab_size)
