"""GCN beside torch_geometric's GCNConv."""

import warnings

import torch
from torch import Tensor, nn

from companion.models import GCN, GCNConfig
from reference.case import Case

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "`torch.jit.script", DeprecationWarning)  # its own, at import
    from torch_geometric import nn as geometric
    from torch_geometric.nn.conv.gcn_conv import gcn_norm


class Network(nn.Module):
    """Two layers of torch_geometric with a nonlinearity between them, on edges or a matrix of its own."""

    def __init__(self, first: nn.Module, second: nn.Module, activate: nn.Module, edges: Tensor) -> None:
        super().__init__()
        self.first, self.second, self.activate = first, second, activate
        self.register_buffer("edges", edges)

    def forward(self, x: Tensor, _ours: object) -> Tensor:
        """The logits; our adjacency is passed over."""
        return self.second(self.activate(self.first(x, self.edges)), self.edges)


def random_edges(nodes: int, edges: int) -> Tensor:
    """Directed edges, each once (by chance a few less): in CSR, torch_geometric's mean counts a repeated one once."""
    pairs = torch.randint(nodes**2, (edges,)).unique()
    return torch.stack([pairs // nodes, pairs % nodes])


def as_matrix(edges: Tensor, weights: Tensor, nodes: int) -> Tensor:
    """[targets, sources] in CSR: what torch_geometric is fastest with where no other package is installed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        matrix = torch.sparse_coo_tensor(edges.flip(0), weights, (nodes, nodes), check_invariants=True)
        return matrix.to_sparse_csr()


def case(*, large: bool = False) -> Case:
    """Two layers; large: 100,000 nodes and a million edges."""
    features, hidden, classes, nodes, count = (128, 64, 16, 100_000, 1_000_000) if large else (7, 5, 11, 23, 61)
    model = GCN(GCNConfig(features=features, n_hidden=hidden, n_classes=classes))
    edges = random_edges(nodes, count)
    adjacency = model.adjacency(edges, nodes)
    convs = [geometric.GCNConv(features, hidden, normalize=False), geometric.GCNConv(hidden, classes, normalize=False)]
    with torch.no_grad():
        for ours, theirs in zip(model.layers, convs, strict=True):
            theirs.lin.weight.copy_(ours.linear.weight)
            theirs.bias.copy_(ours.linear.bias)
    x = torch.randn(nodes, features)
    return Case(
        model=model,
        inputs=(x, adjacency),
        batch=(x, adjacency, torch.randint(classes, (nodes,))),
        reference=Network(*convs, nn.ReLU(), as_matrix(*gcn_norm(edges, None, nodes), nodes)),
        reference_name="torch_geometric.nn.GCNConv, CSR",
        reference_gradients=lambda: {
            f"layers.{i}.linear.{name}": p.grad
            for i, conv in enumerate(convs)
            for name, p in (("weight", conv.lin.weight), ("bias", conv.bias))
        },
        sizes={"nodes": nodes, "edges": len(adjacency.sources)},
    )
