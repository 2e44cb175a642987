"""Formulas of the language model and of attention, which the cost of a model is planned by before there is one."""

from companion.economics.compute.built import built, counted_flops
from companion.economics.compute.count import forward_flops, parameter_count
from companion.economics.compute.layers import attention_flops, linear, linear_flops
from companion.models.attention import AttentionConfig
from companion.models.blocks import BlockConfig
from companion.models.gpt import GPTConfig


@parameter_count.register
def _(config: GPTConfig) -> int:
    width, bias = config.n_embd, config.bias
    norm = width + width * (bias and config.norm == "layer")
    heads = config.n_head * config.head_dim
    attention = linear(width, _qkv_width(config), bias=bias or config.qkv_bias) + linear(heads, width, bias=bias)
    attention += 2 * config.head_dim * config.qk_norm
    feed_forward = _wide_layers(config) * linear(width, config.inner, bias=bias) + linear(
        config.inner, width, bias=bias
    )
    positions = config.block_size if config.positions == "learned" else 0
    embeddings = (config.vocab_size * (1 if config.tied else 2) + positions) * width
    return embeddings + config.n_layer * (attention + feed_forward + 2 * norm) + norm


@forward_flops.register
def _(config: GPTConfig, *, batch: int, time: int, causal: bool = False) -> int:
    width, rows = config.n_embd, batch * time
    heads = config.n_head * config.head_dim
    attention = linear_flops(rows, width, _qkv_width(config) + heads)
    scores = batch * attention_flops(time, time, heads) // (2 if causal else 1)
    feed_forward = (_wide_layers(config) + 1) * linear_flops(rows, width, config.inner)
    return config.n_layer * (attention + scores + feed_forward) + linear_flops(rows, width, config.vocab_size)


def _qkv_width(config: GPTConfig) -> int:
    """Queries, keys and values of a position together, in numbers."""
    return (config.n_head + 2 * config.kv_heads) * config.head_dim


def _wide_layers(config: GPTConfig) -> int:
    """Layers from the width of the residual stream to ``inner``: with a gate there are two."""
    return 2 if config.feed_forward == "swiglu" else 1


@parameter_count.register
def _(config: AttentionConfig) -> int:
    return 4 * linear(config.n_embd, config.n_embd)


@forward_flops.register
def _(config: AttentionConfig, *, batch: int, queries: int, keys: int) -> int:
    products = linear_flops(queries, config.n_embd, 2 * config.n_embd) + linear_flops(
        keys, config.n_embd, 2 * config.n_embd
    )
    return batch * (products + attention_flops(queries, keys, config.n_embd))


@parameter_count.register
def _(config: BlockConfig) -> int:
    """Counted, as its base ``AttentionConfig`` would answer with the count of attention alone."""
    return sum(parameter.numel() for parameter in built(config).parameters())


@forward_flops.register
def _(config: BlockConfig, **sizes: int) -> int:
    return counted_flops(config, **sizes)
