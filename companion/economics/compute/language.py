"""Counts of the families that read sequences of tokens."""

from companion.economics.compute.count import forward_flops, parameter_count
from companion.economics.compute.layers import attention_flops, linear, linear_flops
from companion.models.attention import AttentionConfig
from companion.models.bert import BERTConfig
from companion.models.bert_heads import BERTClassifierConfig, BERTSpanConfig
from companion.models.blocks import BlockConfig
from companion.models.gpt import GPTConfig
from companion.models.recurrent import GATES, CellName
from companion.models.sentence_encoder import SentenceEncoderConfig
from companion.models.seq2seq import Seq2SeqConfig
from companion.models.sequence_classifier import SequenceClassifierConfig
from companion.models.transformer import TransformerConfig


@parameter_count.register
def _(config: GPTConfig) -> int:
    width, bias = config.n_embd, config.bias
    norm = width + width * (bias and config.norm == "layer")
    attention = linear(width, _qkv_width(config), bias=bias) + linear(width, width, bias=bias)
    feed_forward = _wide_layers(config) * linear(width, config.inner, bias=bias) + linear(
        config.inner, width, bias=bias
    )
    positions = config.block_size if config.positions == "learned" else 0
    embeddings = (config.vocab_size * (1 if config.tied else 2) + positions) * width
    return embeddings + config.n_layer * (attention + feed_forward + 2 * norm) + norm


@forward_flops.register
def _(config: GPTConfig, *, batch: int, time: int, causal: bool = False) -> int:
    width, rows = config.n_embd, batch * time
    attention = linear_flops(rows, width, _qkv_width(config) + width)
    scores = batch * attention_flops(time, time, width) // (2 if causal else 1)
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
    return 4 * linear(config.width, config.width)


@forward_flops.register
def _(config: AttentionConfig, *, batch: int, queries: int, keys: int) -> int:
    products = linear_flops(queries, config.width, 2 * config.width) + linear_flops(
        keys, config.width, 2 * config.width
    )
    return batch * (products + attention_flops(queries, keys, config.width))


@parameter_count.register
@forward_flops.register
def _(config: BlockConfig, **sizes: int) -> int:
    """Its base, ``AttentionConfig``, would answer with the count of attention alone."""
    raise TypeError(f"expected the config of a model of companion.models, got {type(config).__name__}, a part of one")


@parameter_count.register
def _(config: TransformerConfig) -> int:
    width, norm = config.width, 2 * config.width
    attention = 4 * linear(width, width) + norm
    feed_forward = linear(width, config.hidden) + linear(config.hidden, width) + norm
    stacks = config.n_layer * (3 * attention + 2 * feed_forward) + 2 * norm * config.norm_first
    return stacks + (config.source_vocab + (config.target_vocab or 0)) * width


@forward_flops.register
def _(config: TransformerConfig, *, batch: int, source: int, target: int) -> int:
    width, vocab = config.width, config.target_vocab or config.source_vocab

    def attention(queries: int, keys: int) -> int:
        projections = linear_flops(queries, width, 2 * width) + linear_flops(keys, width, 2 * width)
        return projections + attention_flops(queries, keys, width)

    mixing = attention(source, source) + attention(target, target) + attention(target, source)
    feed_forward = 2 * linear_flops(source + target, width, config.hidden)
    return batch * (config.n_layer * (mixing + feed_forward) + linear_flops(target, width, vocab))


def _recurrent(cell: CellName, inputs: int, width: int) -> int:
    """Parameters of a recurrent layer in one direction."""
    return linear(inputs, GATES[cell] * width) + linear(width, GATES[cell] * width)


def _recurrent_flops(rows: int, cell: CellName, inputs: int, width: int) -> int:
    return linear_flops(rows, inputs + width, GATES[cell] * width)


@parameter_count.register
def _(config: SequenceClassifierConfig) -> int:
    outputs = config.directions * config.n_hidden
    widths = [config.n_embd] + [outputs] * (config.n_layer - 1)
    layers = config.directions * sum(_recurrent(config.cell, width, config.n_hidden) for width in widths)
    return config.vocab_size * config.n_embd + layers + linear(outputs, config.n_classes)


@forward_flops.register
def _(config: SequenceClassifierConfig, *, batch: int, time: int) -> int:
    outputs, rows = config.directions * config.n_hidden, batch * time
    widths = [config.n_embd] + [outputs] * (config.n_layer - 1)
    layers = config.directions * sum(_recurrent_flops(rows, config.cell, width, config.n_hidden) for width in widths)
    return layers + linear_flops(batch, outputs, config.n_classes)


@parameter_count.register
def _(config: Seq2SeqConfig) -> int:
    width = config.n_hidden
    embeddings = (config.source_vocab + config.target_vocab) * config.n_embd
    layers = 2 * (_recurrent("gru", config.n_embd, width) + (config.n_layer - 1) * _recurrent("gru", width, width))
    return embeddings + layers + (width + 2 * width + config.target_vocab) * width


@forward_flops.register
def _(config: Seq2SeqConfig, *, batch: int, source: int, target: int) -> int:
    width, rows = config.n_hidden, batch * (source + target)
    first, others = _recurrent_flops(rows, "gru", config.n_embd, width), _recurrent_flops(rows, "gru", width, width)
    products = linear_flops(source, width, width) + linear_flops(target, width, 2 * width + config.target_vocab)
    return first + (config.n_layer - 1) * others + batch * (products + attention_flops(source, target, width))


def _bert_parameters(config: BERTConfig) -> int:
    """Those of the encoder, which every head stands on."""
    width, norm = config.width, 2 * config.width
    embeddings = (config.vocab_size + config.block_size + config.n_segment) * width + norm
    attention = 4 * linear(width, width) + norm
    feed_forward = linear(width, config.hidden) + linear(config.hidden, width) + norm
    return embeddings + config.n_layer * (attention + feed_forward) + norm * config.norm_first


def _bert_flops(config: BERTConfig, batch: int, time: int) -> int:
    width, rows = config.width, batch * time
    products = linear_flops(rows, width, 4 * width) + 2 * linear_flops(rows, width, config.hidden)
    return config.n_layer * (products + batch * attention_flops(time, time, width))


@parameter_count.register
def _(config: BERTConfig) -> int:
    return _bert_parameters(config) + linear(config.width, config.width) + 2 * config.width + config.vocab_size


@forward_flops.register
def _(config: BERTConfig, *, batch: int, time: int) -> int:
    return _bert_flops(config, batch, time) + linear_flops(batch * time, config.width, config.width + config.vocab_size)


@parameter_count.register
def _(config: BERTClassifierConfig) -> int:
    return _bert_parameters(config) + linear(config.width, config.width) + linear(config.width, config.n_class)


@forward_flops.register
def _(config: BERTClassifierConfig, *, batch: int, time: int) -> int:
    return _bert_flops(config, batch, time) + linear_flops(batch, config.width, config.width + config.n_class)


@parameter_count.register
def _(config: BERTSpanConfig) -> int:
    return _bert_parameters(config) + linear(config.width, 2)


@forward_flops.register
def _(config: BERTSpanConfig, *, batch: int, time: int) -> int:
    return _bert_flops(config, batch, time) + linear_flops(batch * time, config.width, 2)


@parameter_count.register
def _(config: SentenceEncoderConfig) -> int:
    return _bert_parameters(config)


@forward_flops.register
def _(config: SentenceEncoderConfig, *, batch: int, time: int) -> int:
    return _bert_flops(config, batch, time)
