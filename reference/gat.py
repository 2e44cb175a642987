"""GAT beside torch_geometric's GATConv."""

import torch
from torch import nn

from companion.models import GAT, GATConfig
from reference.case import Case
from reference.gcn import Network, geometric, random_edges


def case(*, large: bool = False) -> Case:
    """Two layers; large: 30,000 nodes, 300,000 edges and eight heads."""
    features, hidden, classes, nodes, count = (128, 8, 16, 30_000, 300_000) if large else (7, 5, 11, 23, 61)
    heads, last_heads = (8, 1) if large else (2, 3)
    model = GAT(GATConfig(features, hidden, classes, heads=heads, last_heads=last_heads))
    edges = random_edges(nodes, count)
    adjacency = model.adjacency(edges, nodes)
    convs = [
        geometric.GATConv(features, hidden, heads),
        geometric.GATConv(heads * hidden, classes, last_heads, concat=False),
    ]
    with torch.no_grad():
        for ours, theirs in zip(model.layers, convs, strict=True):
            theirs.lin.weight.copy_(ours.linear.weight)
            theirs.att_src[0].copy_(ours.source)
            theirs.att_dst[0].copy_(ours.target)
            theirs.bias.copy_(ours.bias)
    x = torch.randn(nodes, features)
    return Case(
        model=model,
        inputs=(x, adjacency),
        batch=(x, adjacency, torch.randint(classes, (nodes,))),
        reference=Network(*convs, nn.ELU(), edges),
        reference_name="torch_geometric.nn.GATConv",
        reference_gradients=lambda: {
            f"layers.{i}.{name}": gradient
            for i, conv in enumerate(convs)
            for name, gradient in (
                ("linear.weight", conv.lin.weight.grad),
                ("source", conv.att_src.grad[0]),
                ("target", conv.att_dst.grad[0]),
                ("bias", conv.bias.grad),
            )
        },
        sizes={"nodes": nodes, "edges": len(adjacency.sources)},
    )
