"""GraphSAGE beside torch_geometric's SAGEConv."""

import torch
from torch import nn

from companion.models import GraphSAGE, GraphSAGEConfig
from reference.case import Case
from reference.gcn import Network, as_matrix, geometric, random_edges


def case(*, large: bool = False) -> Case:
    """Two layers; large: 100,000 nodes and a million edges."""
    features, hidden, classes, nodes, count = (128, 64, 16, 100_000, 1_000_000) if large else (7, 5, 11, 23, 61)
    model = GraphSAGE(GraphSAGEConfig(features=features, n_hidden=hidden, n_classes=classes))
    edges = random_edges(nodes, count)
    adjacency = model.adjacency(edges, nodes)
    convs = [geometric.SAGEConv(features, hidden), geometric.SAGEConv(hidden, classes)]
    with torch.no_grad():
        for ours, theirs in zip(model.layers, convs, strict=True):
            theirs.lin_l.weight.copy_(ours.incoming.weight)
            theirs.lin_l.bias.copy_(ours.own.bias)
            theirs.lin_r.weight.copy_(ours.own.weight)
    x = torch.randn(nodes, features)
    return Case(
        model=model,
        inputs=(x, adjacency),
        batch=(x, adjacency, torch.randint(classes, (nodes,))),
        reference=Network(*convs, nn.ReLU(), as_matrix(edges, torch.ones(edges.shape[1]), nodes)),
        reference_name="torch_geometric.nn.SAGEConv, CSR",
        reference_gradients=lambda: {
            f"layers.{i}.{name}": p.grad
            for i, conv in enumerate(convs)
            for name, p in (
                ("incoming.weight", conv.lin_l.weight),
                ("own.bias", conv.lin_l.bias),
                ("own.weight", conv.lin_r.weight),
            )
        },
        sizes={"nodes": nodes, "edges": len(adjacency.sources)},
    )
