"""Counts of the families without a formula: the model is built on torch's meta device, without memory, and counted."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import companion.models
from companion.models import Adjacency
from companion.models.autoencoder import AutoencoderConfig, VAEConfig
from companion.models.bert import BERTConfig
from companion.models.clip import CLIPConfig
from companion.models.convnet import ConvNetConfig
from companion.models.diffusion import DiffusionConfig
from companion.models.embedding import SkipGramConfig
from companion.models.gan import GANConfig
from companion.models.graph import GraphConfig
from companion.models.hub.unfilled import unfilled
from companion.models.mlp import MLPConfig
from companion.models.resnet import ResNetConfig
from companion.models.rl.policy import ActorCriticConfig
from companion.models.seq2seq import Seq2SeqConfig
from companion.models.sequence_classifier import SequenceClassifierConfig
from companion.models.transformer import TransformerConfig
from companion.models.unet import UNetConfig


def built(config: object) -> nn.Module:
    """The model that ``config`` describes, on the meta device.

    Raises:
        TypeError: where ``config`` is that of no model.
    """
    for name in companion.models.__all__:
        model = getattr(companion.models, name)
        if not hasattr(model, "loss"):
            continue
        if getattr(model, "config_class", model.__init__.__annotations__.get("config")) is type(config):
            with unfilled():
                return model(config)
    raise TypeError(f"expected the config of a model of companion.models, got {type(config).__name__}")


def counted_flops(config: object, **sizes: int) -> int:
    """Operations of ``model(*inputs)`` with inputs of the given ``sizes``; attention as its formula says, unfused."""
    model = built(config)
    make = next(make for family, make in _INPUTS.items() if isinstance(config, family))
    with torch.device("meta"):
        inputs = make(config, **sizes)
    counter = FlopCounterMode(display=False, custom_mapping=_BAGS)
    with counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        model(*inputs)
    return int(counter.get_total_flops())


def _tokens(*sizes: int) -> Tensor:
    return torch.empty(sizes, dtype=torch.int64)


def _graph(config: GraphConfig, nodes: int, edges: int) -> tuple[Tensor, Adjacency]:
    """Features, and ``edges`` of the adjacency: a loop a node is among them where the family has loops."""
    ends, starts = torch.empty(edges, dtype=torch.int32), torch.empty(nodes + 1, dtype=torch.int32)
    return torch.empty(nodes, config.features), Adjacency(ends, ends, torch.empty(edges), starts, ends, starts)


def _weighted_bag_flops(table: Any, rows: Any, *options: Any, **_: Any) -> int:
    """A sparse product is a bag of embeddings with weights, which torch's counter passes over."""
    weights = options[4] if len(options) > 4 else None  # after offsets, scale_grad_by_freq, mode and sparse
    return 2 * rows[0] * table[1] if weights is not None else 0


_BAGS = dict.fromkeys([torch.ops.aten._embedding_bag, torch.ops.aten._embedding_bag_forward_only], _weighted_bag_flops)

#: What ``forward`` takes, by the family and the sizes it needs.
_INPUTS: dict[type, Callable[..., tuple[Any, ...]]] = {
    MLPConfig: lambda c, batch: (torch.empty(batch, c.sizes[0]),),
    AutoencoderConfig: lambda c, batch: (torch.empty(batch, c.sizes[0]),),
    VAEConfig: lambda c, batch: (torch.empty(batch, c.sizes[0]),),
    DiffusionConfig: lambda c, batch: (torch.empty(batch, c.features), _tokens(batch)),
    GANConfig: lambda c, batch: (torch.empty(batch, c.noise),),
    ActorCriticConfig: lambda c, batch: (torch.empty(batch, c.features),),
    ConvNetConfig: lambda c, batch: (torch.empty(batch, c.channels, *c.image_size),),
    ResNetConfig: lambda c, batch, height, width: (torch.empty(batch, c.channels, height, width),),
    UNetConfig: lambda c, batch, height, width: (torch.empty(batch, c.channels, height, width),),
    CLIPConfig: lambda c, images, texts, time: (
        torch.empty(images, c.image_channels, c.image_size, c.image_size),
        _tokens(texts, time),
    ),
    SkipGramConfig: lambda c, batch, candidates: (_tokens(batch), _tokens(batch, candidates)),
    BERTConfig: lambda c, batch, time: (_tokens(batch, time),),
    SequenceClassifierConfig: lambda c, batch, time: (_tokens(batch, time),),
    Seq2SeqConfig: lambda c, batch, source, target: (_tokens(batch, source), _tokens(batch, target)),
    TransformerConfig: lambda c, batch, source, target: (_tokens(batch, source), _tokens(batch, target)),
    GraphConfig: _graph,
}
