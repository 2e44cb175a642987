"""Counts of the families that are neither language nor vision: MLP, graphs, policies, embeddings."""

from itertools import pairwise

from companion.economics.compute.count import forward_flops, parameter_count
from companion.economics.compute.layers import linear, linear_flops
from companion.models.mlp import MLPConfig


@parameter_count.register
def _(config: MLPConfig) -> int:
    return sum(linear(*pair) for pair in pairwise(config.sizes))


@forward_flops.register
def _(config: MLPConfig, *, batch: int) -> int:
    return sum(linear_flops(batch, *pair) for pair in pairwise(config.sizes))
