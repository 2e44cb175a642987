"""Counts of the families that are neither language nor vision: MLP, graphs, policies, embeddings."""

from itertools import pairwise

from companion.economics.compute.count import forward_flops, parameter_count
from companion.economics.compute.layers import linear, linear_flops
from companion.models.embedding import SkipGramConfig
from companion.models.graph import GATConfig, GCNConfig, GraphConfig, GraphSAGEConfig
from companion.models.mlp import MLPConfig
from companion.models.rl.policy import ActorCriticConfig


@parameter_count.register
def _(config: MLPConfig) -> int:
    gains_and_shifts = 0 if config.normalization == "none" else 2 * sum(config.sizes[1:-1])
    return sum(linear(*pair) for pair in pairwise(config.sizes)) + gains_and_shifts


@forward_flops.register
def _(config: MLPConfig, *, batch: int) -> int:
    return sum(linear_flops(batch, *pair) for pair in pairwise(config.sizes))


@parameter_count.register
def _(config: SkipGramConfig) -> int:
    return 2 * config.vocab_size * config.width


@forward_flops.register
def _(config: SkipGramConfig, *, batch: int, candidates: int) -> int:
    return linear_flops(batch, config.width, candidates)


def _widths(config: GraphConfig) -> list[tuple[int, int]]:
    """Widths before and after each layer of a :class:`GCN` or a :class:`GraphSAGE`."""
    return list(pairwise([config.features, *[config.hidden] * (config.layers - 1), config.classes]))


@parameter_count.register
def _(config: GCNConfig) -> int:
    return sum(linear(*pair) for pair in _widths(config))


@forward_flops.register
def _(config: GCNConfig, *, nodes: int, edges: int) -> int:
    """``edges`` of the adjacency: a loop a node is among them. The sparse product runs at the smaller width."""
    return sum(linear_flops(nodes, *pair) + 2 * edges * min(pair) for pair in _widths(config))


@parameter_count.register
def _(config: GraphSAGEConfig) -> int:
    return sum(linear(*pair) + linear(*pair, bias=False) for pair in _widths(config))


@forward_flops.register
def _(config: GraphSAGEConfig, *, nodes: int, edges: int) -> int:
    return sum(2 * linear_flops(nodes, *pair) + 2 * edges * min(pair) for pair in _widths(config))


def _heads(config: GATConfig) -> list[tuple[int, int]]:
    """Numbers a node that each layer of a :class:`GAT` reads, and that its heads compute together."""
    wide = config.heads * config.hidden
    return list(pairwise([config.features, *[wide] * (config.layers - 1), config.last_heads * config.classes]))


@parameter_count.register
def _(config: GATConfig) -> int:
    averaged = (config.last_heads - 1) * config.classes  # the last layer has one bias for all of its heads
    return sum(linear(inputs, width) + 2 * width for inputs, width in _heads(config)) - averaged


@forward_flops.register
def _(config: GATConfig, *, nodes: int, edges: int) -> int:
    return sum(linear_flops(nodes, *pair) + 2 * edges * pair[1] for pair in _heads(config))


@parameter_count.register
def _(config: ActorCriticConfig) -> int:
    trunk = sum(linear(*pair) for pair in pairwise((config.features, *config.hidden)))
    heads = linear(config.hidden[-1], config.actions) + linear(config.hidden[-1], 1)
    return trunk * (1 if config.one_trunk else 2) + heads


@forward_flops.register
def _(config: ActorCriticConfig, *, batch: int, values: bool = False) -> int:
    """Of acting, which needs no critic; with ``values=True`` of both, as the loss does."""
    trunk = sum(linear_flops(batch, *pair) for pair in pairwise((config.features, *config.hidden)))
    trunks = trunk * (2 if values and not config.one_trunk else 1)
    return trunks + linear_flops(batch, config.hidden[-1], config.actions + values)
