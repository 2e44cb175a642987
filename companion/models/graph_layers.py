"""The layers of ``companion.models.graph``, each before its nonlinearity; the formulas stand there.

Axes: nodes; edges; inputs, outputs (of a layer); head; width (of a head).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from companion.models.adjacency import Adjacency, edge_softmax, propagate


class GCNLayer(nn.Module):
    """One layer of a GCN."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = _glorot(nn.Linear(inputs, outputs))

    def forward(self, x: Float[Tensor, "nodes inputs"], adjacency: Adjacency) -> Float[Tensor, "nodes outputs"]:
        """Both orders of the two products give the same; the sparse one runs at the smaller width."""
        if self.linear.in_features <= self.linear.out_features:
            return self.linear(propagate(x, adjacency.weights, adjacency))
        return propagate(F.linear(x, self.linear.weight), adjacency.weights, adjacency) + self.linear.bias


class GraphSAGELayer(nn.Module):
    """One layer of a GraphSAGE."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.own = _glorot(nn.Linear(inputs, outputs))
        self.incoming = _glorot(nn.Linear(inputs, outputs, bias=False))

    def forward(self, x: Float[Tensor, "nodes inputs"], adjacency: Adjacency) -> Float[Tensor, "nodes outputs"]:
        """As in :class:`GCNLayer`, the sparse product runs at the smaller width."""
        if self.own.in_features <= self.own.out_features:
            return self.own(x) + self.incoming(propagate(x, adjacency.weights, adjacency))
        return self.own(x) + propagate(self.incoming(x), adjacency.weights, adjacency)


class GATLayer(nn.Module):
    """One layer of a GAT: its heads side by side, or their mean."""

    def __init__(self, inputs: int, width: int, heads: int, *, average: bool, dropout: float) -> None:
        super().__init__()
        self.average, self.dropout = average, dropout
        self.linear = _glorot(nn.Linear(inputs, heads * width, bias=False))
        self.source = nn.Parameter(nn.init.xavier_uniform_(torch.empty(heads, width)))
        self.target = nn.Parameter(nn.init.xavier_uniform_(torch.empty(heads, width)))
        self.bias = nn.Parameter(torch.zeros(width if average else heads * width))

    def forward(self, x: Float[Tensor, "nodes inputs"], adjacency: Adjacency) -> Float[Tensor, "nodes outputs"]:
        """A head at a time: no tensor of edges by width is made, which would be the largest by far."""
        h = self.linear(x).unflatten(1, self.source.shape).transpose(0, 1).contiguous()  # [head, nodes, width]
        from_, to = ((h * a[:, None]).sum(dim=2) for a in (self.source, self.target))
        heads = [self._attend(*head, adjacency) for head in zip(h, from_, to, strict=True)]
        return (torch.stack(heads).mean(dim=0) if self.average else torch.cat(heads, dim=1)) + self.bias

    def _attend(
        self,
        h: Float[Tensor, "nodes width"],
        from_: Float[Tensor, " nodes"],
        to: Float[Tensor, " nodes"],
        adjacency: Adjacency,
    ) -> Float[Tensor, "nodes width"]:
        scores = from_.index_select(0, adjacency.sources) + to.index_select(0, adjacency.targets)
        weights = edge_softmax(F.leaky_relu(scores, 0.2), adjacency)  # the paper's slope
        return propagate(h, F.dropout(weights, self.dropout, self.training), adjacency)


def _glorot(linear: nn.Linear) -> nn.Linear:
    """Starts as Kipf & Welling and Veličković et al. do (Glorot & Bengio 2010), with constants of 0."""
    nn.init.xavier_uniform_(linear.weight)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear
