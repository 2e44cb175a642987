"""Graphs whose nodes have classes: the type, a planted one, and the split of its nodes."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

#: What the mark of an unlabeled node is: a model's loss passes over it.
UNLABELED = -100

Mask = Bool[Tensor, " nodes"]


@dataclass(frozen=True)
class Graph:
    """A graph with features and classes of its nodes.

    Attributes:
        features: numbers of each node.
        edges: sources and targets, ordered by source; an undirected edge stands there both ways, once.
        labels: class of each node; -100 where it has none.
        classes: names of the classes, by number.
        names: names of the nodes; none in a synthetic graph.

    Raises:
        ValueError: where sizes differ, an edge names no node, or a label no class.

    Example:
        >>> edges, labels = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), torch.tensor([0, 1, 0])
        >>> graph = Graph(torch.eye(3), edges, labels, classes=("end", "middle"))
        >>> [graph.classes[label] for label in graph.labels]
        ['end', 'middle', 'end']
    """

    features: Float[Tensor, "nodes features"]
    edges: Int[Tensor, "2 edges"]
    labels: Int[Tensor, " nodes"]
    classes: tuple[str, ...]
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        nodes = len(self.features)
        if self.labels.shape != (nodes,) or len(self.names) not in {0, nodes}:
            got = f"{nodes}, {list(self.labels.shape)} and {len(self.names)}"
            raise ValueError(f"expected features, labels and names (or none) of the same nodes, got {got}")
        if self.edges.ndim != 2 or len(self.edges) != 2 or not ((self.edges >= 0) & (self.edges < nodes)).all():
            raise ValueError(f"expected edges [2, edges] between nodes 0 to {nodes - 1}, got {list(self.edges.shape)}")
        known = (self.labels >= 0) & (self.labels < len(self.classes)) | (self.labels == UNLABELED)
        if not known.all():
            raise ValueError(f"expected labels below {len(self.classes)}, or -100, got {self.labels[~known][0].item()}")


def planted_graph(
    *,
    nodes: int = 1_000,
    classes: int = 4,
    inside: float = 0.02,
    between: float = 0.002,
    features: int = 16,
    noise: float = 2.0,
    seed: int = 0,
) -> Graph:
    """A synthetic graph, a stochastic block model with two probabilities (a planted partition): nothing was observed.

    Nodes belong to blocks of equal size, but for one node, and the block is the label. Two nodes are joined with
    probability ``inside`` where they share a block, else ``between``. Features are a point of the block, drawn from a
    standard normal, plus noise. All pairs of nodes are drawn, which takes memory for ``nodes`` squared numbers.

    Args:
        nodes: number of nodes, at least one a block.
        classes: number of blocks.
        inside: probability of an edge within a block.
        between: probability of an edge between blocks.
        features: numbers a node.
        noise: standard deviation of what is added to the block's point.
        seed: of all draws.

    Raises:
        ValueError: for a number out of its range.

    Example:
        >>> graph = planted_graph(nodes=100, classes=4, inside=0.2, between=0.01)
        >>> same = graph.labels[graph.edges[0]] == graph.labels[graph.edges[1]]
        >>> bool(same.float().mean() > 0.5), graph.features.shape
        (True, torch.Size([100, 16]))
    """
    if not 1 <= classes <= nodes or features < 1 or noise < 0 or not (0 <= inside <= 1 and 0 <= between <= 1):
        raise ValueError(
            "expected 1 <= classes <= nodes, features of at least 1, noise of at least 0 and probabilities, got "
            f"{classes=}, {nodes=}, {features=}, {noise=}, {inside=}, {between=}"
        )
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(nodes) % classes
    probability = torch.where(labels[:, None] == labels, inside, between)
    joined = (torch.rand(nodes, nodes, generator=generator) < probability).triu(diagonal=1)
    points = torch.randn(classes, features, generator=generator)
    x = points[labels] + noise * torch.randn(nodes, features, generator=generator)
    return Graph(x, (joined | joined.T).nonzero().T.contiguous(), labels, tuple(map(str, range(classes))))


def split_nodes(
    labels: Int[Tensor, " nodes"], *, train_per_class: int = 20, validation_fraction: float = 0.3, seed: int = 0
) -> tuple[Mask, Mask, Mask]:
    """Masks of the nodes for training, validation and testing, drawn; an unlabeled node is in none.

    Few nodes a class are for training, as in Kipf & Welling 2017: ``torch.where(mask, labels, -100)`` hides the others
    from a loss.

    Args:
        labels: class of each node, or -100.
        train_per_class: training nodes of each class.
        validation_fraction: share of the others that is for validation; the rest is for testing.
        seed: of the draw.

    Raises:
        ValueError: where a part would be empty, or a class has no more than ``train_per_class`` nodes.

    Example:
        >>> labels = torch.arange(90) % 3
        >>> train, validation, test = split_nodes(labels, train_per_class=5)
        >>> int(train.sum()), int(validation.sum()), int(test.sum())
        (15, 22, 53)
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    order = order[labels[order] != UNLABELED]
    drawn = labels[order]
    counts = torch.bincount(drawn)
    if train_per_class < 1 or not len(drawn):
        raise ValueError(f"expected train_per_class of at least 1 and labeled nodes, got {train_per_class}")
    if ((counts > 0) & (counts <= train_per_class)).any():
        raise ValueError(f"expected more than {train_per_class=} nodes of every class, got {counts.tolist()} nodes")
    rank = (drawn[:, None] == torch.arange(len(counts))).cumsum(0).gather(1, drawn[:, None])[:, 0]
    train, rest = order[rank <= train_per_class], order[rank > train_per_class]
    count = round(validation_fraction * len(rest))
    if not 0 < count < len(rest):
        raise ValueError(f"expected validation and test nodes, got {count} of {len(rest)} for validation")
    none = torch.zeros(len(labels), dtype=torch.bool)
    train, validation, test = (none.index_fill(0, part, True) for part in (train, rest[:count], rest[count:]))
    return train, validation, test
