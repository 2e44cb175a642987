r"""Graph neural networks that classify nodes: GCN, GraphSAGE and GAT.

Each layer mixes a node's features with those of the nodes that have an edge to it. With features :math:`\mathbf{h}_j`
of node j, :math:`N(i)` the sources of the edges into i, :math:`\sigma` a nonlinearity and learned :math:`\mathbf{W}`,
:math:`\mathbf{b}` and :math:`\mathbf{a}`:

GCN (Kipf & Welling 2017, eq. 8), where :math:`d_i` is the number of edges into i, its own loop included:

.. math::

    \mathbf{h}'_i = \sigma\Bigl(\mathbf{W} \sum_{j \in N(i) \cup \{i\}}
    \frac{\mathbf{h}_j}{\sqrt{d_i d_j}} + \mathbf{b}\Bigr).

GraphSAGE (Hamilton et al. 2017, algorithm 1, mean aggregator), with the matrix on both halves of the paper's
concatenation written apart:

.. math::

    \mathbf{h}'_i = \sigma\Bigl(\mathbf{W}_{\mathrm{own}} \mathbf{h}_i +
    \mathbf{W}_{\mathrm{in}} \frac{1}{|N(i)|} \sum_{j \in N(i)} \mathbf{h}_j + \mathbf{b}\Bigr).

GAT (Veličković et al. 2018, eq. 3 to 6), a head; heads stand side by side, and in the last layer they are averaged:

.. math::

    \alpha_{ij} = \mathop{\mathrm{softmax}}_{j \in N(i) \cup \{i\}} \mathrm{LeakyReLU}\bigl(
    \mathbf{a}_{\mathrm{to}}^\top \mathbf{W} \mathbf{h}_i + \mathbf{a}_{\mathrm{from}}^\top \mathbf{W} \mathbf{h}_j
    \bigr), \qquad
    \mathbf{h}'_i = \sigma\Bigl(\sum_j \alpha_{ij} \mathbf{W} \mathbf{h}_j + \mathbf{b}\Bigr).

Departures: edges may be directed. GCN's layers have :math:`\mathbf{b}`. GraphSAGE takes all neighbors and no sample of
them, does not scale features to length 1, and a node that no edge enters gets a mean of 0. Edges that occur twice
count twice. GCN and GAT give each node exactly one loop, whatever loops there were; GraphSAGE takes loops as any edge.
All of this is what PyTorch Geometric does. A graph without edges is allowed.

Axes: nodes; edges; features; classes.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_sizes
from companion.models.adjacency import Adjacency, check_edges, with_loops
from companion.models.checks import IGNORED, check_dropout, check_targets, check_tensor, count_targets
from companion.models.graph_layers import GATLayer, GCNLayer, GraphSAGELayer


@dataclass(frozen=True)
class GraphConfig:
    """The sizes that the three families share.

    Attributes:
        features: numbers a node at the input.
        n_hidden: numbers a node in between; in a :class:`GAT`, a head.
        n_classes: classes a node may have.
        n_layer: number of layers: how many edges away a node sees.
        dropout: probability with which the numbers that enter a layer are dropped in training; in a :class:`GAT`,
            attention weights too.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> GCNConfig(features=16, n_hidden=32, n_classes=4, n_layer=3)  # of the three families
        GCNConfig(features=16, n_hidden=32, n_classes=4, n_layer=3, dropout=0.0)
        >>> GraphConfig(features=16, n_hidden=32, n_classes=4, dropout=1.5)
        Traceback (most recent call last):
        ValueError: expected dropout in [0, 1), got 1.5
    """

    features: int
    n_hidden: int
    n_classes: int
    n_layer: int = 2
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self, "features", "n_hidden", "n_classes", "n_layer")
        check_dropout(self)


@dataclass(frozen=True)
class GCNConfig(GraphConfig):
    """The sizes of a :class:`GCN`.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(GCNConfig(features=1_433, n_hidden=16, n_classes=7))
        23063
    """


@dataclass(frozen=True)
class GraphSAGEConfig(GraphConfig):
    """The sizes of a :class:`GraphSAGE`.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(GraphSAGEConfig(features=1_433, n_hidden=16, n_classes=7))
        46103
    """


@dataclass(frozen=True)
class GATConfig(GraphConfig):
    """The sizes of a :class:`GAT`.

    Attributes:
        heads: attention heads of all layers but the last; the next layer reads ``heads · n_hidden`` numbers a node.
        last_heads: attention heads of the last layer, which are averaged.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(GATConfig(features=1_433, n_hidden=8, n_classes=7))
        92373
    """

    heads: int = 8
    last_heads: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, "heads", "last_heads")


class NodeClassifier(nn.Module):
    """What the three families share: layers with a nonlinearity between them, checks, and the loss.

    Example:
        >>> all(issubclass(family, NodeClassifier) for family in (GCN, GraphSAGE, GAT))
        True
    """

    config: GraphConfig
    layers: nn.ModuleList

    def _weights(self) -> Tensor:
        """The first layer's weights: features must have their dtype."""
        return next(self.parameters())

    def _activate(self, x: Tensor) -> Tensor:
        return F.relu(x)

    def forward(self, x: Float[Tensor, "nodes features"], adjacency: Adjacency) -> Float[Tensor, "nodes classes"]:
        """The logits of each node's class.

        Raises:
            ValueError: where ``x`` is not [nodes, features] of the weights' dtype, with the nodes of ``adjacency``.
        """
        nodes, do = adjacency.offsets.shape[0] - 1, "one row a node of the adjacency"
        check_tensor("x", x, nodes, self.config.features, dtype=self._weights().dtype, do=do)
        for index, layer in enumerate(self.layers):
            x = layer(F.dropout(x, self.config.dropout, self.training), adjacency)
            x = self._activate(x) if index < len(self.layers) - 1 else x
        return x

    def loss(
        self, x: Float[Tensor, "nodes features"], adjacency: Adjacency, labels: Int[Tensor, " nodes"]
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats a labeled node; a label of -100 marks a node that does not count.

        Raises:
            ValueError: as :meth:`forward`; where ``labels`` are not int64 [nodes], name no class, or are all -100.
        """
        logits = self(x, adjacency)
        check_tensor("labels", labels, logits.shape[0], dtype=torch.int64)
        check_targets("labels", labels, self.config.n_classes, do="number the classes from 0")
        return F.cross_entropy(logits, labels, ignore_index=IGNORED)

    def n_targets(self, x: Float[Tensor, "nodes features"], adjacency: Adjacency, labels: Int[Tensor, " nodes"]) -> int:
        """The number of labeled nodes: what the mean of :meth:`loss` is over."""
        return count_targets(labels)


class GCN(NodeClassifier):
    """Graph convolutional network with ReLU between its layers.

    Args:
        config: the sizes.

    Example:
        >>> from companion.data import planted_graph
        >>> graph = planted_graph(nodes=100, features=16, classes=4)
        >>> model = GCN(GCNConfig(features=16, n_hidden=8, n_classes=4))
        >>> model(graph.features, model.adjacency(graph.edges, 100)).shape  # a logit a class, of each node
        torch.Size([100, 4])
    """

    def __init__(self, config: GCNConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.features, *[config.n_hidden] * (config.n_layer - 1), config.n_classes]
        self.layers = nn.ModuleList(map(GCNLayer, widths[:-1], widths[1:]))

    def adjacency(self, edges: Int[Tensor, "2 edges"], nodes: int) -> Adjacency:
        r"""The graph with a loop a node and weights :math:`1/\sqrt{d_i d_j}`, of the model's dtype: made once a graph.

        Args:
            edges: sources in the first row, targets in the second; an undirected graph has each edge both ways.
            nodes: number of nodes.

        Raises:
            ValueError: where ``edges`` are no int64 [2, edges] between nodes 0 to ``nodes`` - 1.
        """
        check_edges(edges, nodes)
        edges = with_loops(edges, nodes)
        scale = torch.bincount(edges[1], minlength=nodes).to(self._weights().dtype).rsqrt()
        return Adjacency.of(edges, nodes, scale[edges[0]] * scale[edges[1]])


class GraphSAGE(NodeClassifier):
    """GraphSAGE with the mean aggregator and ReLU between its layers.

    Args:
        config: the sizes.

    Example:
        >>> from companion.data import planted_graph
        >>> model = GraphSAGE(GraphSAGEConfig(features=16, n_hidden=8, n_classes=4))
        >>> for nodes in (100, 50):  # its neighbors' mean serves graphs that it never saw
        ...     graph = planted_graph(nodes=nodes, features=16, seed=nodes)
        ...     print(model(graph.features, model.adjacency(graph.edges, nodes)).shape)
        torch.Size([100, 4])
        torch.Size([50, 4])
    """

    def __init__(self, config: GraphSAGEConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.features, *[config.n_hidden] * (config.n_layer - 1), config.n_classes]
        self.layers = nn.ModuleList(map(GraphSAGELayer, widths[:-1], widths[1:]))

    def adjacency(self, edges: Int[Tensor, "2 edges"], nodes: int) -> Adjacency:
        """The graph with weights 1 / (edges that enter the target): made once; arguments as :meth:`GCN.adjacency`.

        Raises:
            ValueError: as :meth:`GCN.adjacency`.
        """
        check_edges(edges, nodes)
        degree = torch.bincount(edges[1], minlength=nodes).to(self._weights().dtype)
        return Adjacency.of(edges, nodes, 1 / degree[edges[1]])


class GAT(NodeClassifier):
    """Graph attention network with ELU between its layers.

    Args:
        config: the sizes.

    Example:
        >>> from companion.data import planted_graph, split_nodes
        >>> graph = planted_graph(nodes=200, features=16, classes=4)
        >>> train, _, _ = split_nodes(graph.labels, train_per_class=5)
        >>> model = GAT(GATConfig(features=16, n_hidden=8, n_classes=4))
        >>> labels = torch.where(train, graph.labels, -100)  # 20 of 200 are known
        >>> model.loss(graph.features, model.adjacency(graph.edges, 200), labels).backward()
    """

    def __init__(self, config: GATConfig) -> None:
        super().__init__()
        self.config = config
        wide, dropout = config.heads * config.n_hidden, config.dropout
        inputs = [config.features, *[wide] * (config.n_layer - 1)]
        layers = [GATLayer(n, config.n_hidden, config.heads, average=False, dropout=dropout) for n in inputs[:-1]]
        last = GATLayer(inputs[-1], config.n_classes, config.last_heads, average=True, dropout=dropout)
        self.layers = nn.ModuleList([*layers, last])

    def _activate(self, x: Tensor) -> Tensor:
        return F.elu(x)

    def adjacency(self, edges: Int[Tensor, "2 edges"], nodes: int) -> Adjacency:
        """The graph with a loop a node; its weights of 1 are not read. Made once; arguments as :meth:`GCN.adjacency`.

        Raises:
            ValueError: as :meth:`GCN.adjacency`.
        """
        check_edges(edges, nodes)
        edges = with_loops(edges, nodes)
        return Adjacency.of(edges, nodes, torch.ones(edges.shape[1], dtype=self._weights().dtype, device=edges.device))
