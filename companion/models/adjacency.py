r"""A graph as the sparse matrix that its layers multiply by, in an order that makes the product and its gradient fast.

Edges are directed, source → target, as in PyTorch Geometric. With a weight :math:`a_e` for each edge,

.. math::

    \mathbf{y}_i = \sum_{e:\, j \to i} a_e\, \mathbf{x}_j, \qquad
    \frac{\partial L}{\partial \mathbf{x}_j} = \sum_{e:\, j \to i} a_e \frac{\partial L}{\partial \mathbf{y}_i}, \qquad
    \frac{\partial L}{\partial a_e} = \Bigl\langle \frac{\partial L}{\partial \mathbf{y}_i}, \mathbf{x}_j \Bigr\rangle.

The first sum wants the edges by target, the second by source. Sorting costs more than a product, so it is done once,
in ``Adjacency.of``.

Axes: nodes; edges; starts (nodes + 1: where each node's edges begin, and where the last ones end); width.
"""

from typing import Any, NamedTuple, Self

import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor
from torch.nn import functional as F


class Adjacency(NamedTuple):
    """A graph's edges, ordered by target and then by source: what a graph model takes beside the features.

    It is a tuple of tensors, so that ``torch.compile`` and ``torch.export`` take it as an input. Made by a model's own
    method ``adjacency``, because each family weighs edges in its own way. Numbers of nodes are int32, which takes half
    the memory of int64.

    Attributes:
        sources: node that each edge leaves.
        targets: node that each edge enters, ascending.
        weights: factor of each edge.
        offsets: where each target's edges start.
        order: the edges by source and then by target, as positions in ``sources``.
        back_offsets: where each source's edges start in ``order``.

    Example:
        >>> from companion.models import GraphSAGE, GraphSAGEConfig
        >>> edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])  # both ways of two edges
        >>> adjacency = GraphSAGE(GraphSAGEConfig(features=4, n_hidden=8, n_classes=2)).adjacency(edges, 3)
        >>> adjacency.weights.tolist()  # a mean over the neighbors
        [1.0, 0.5, 0.5, 1.0]
    """

    sources: Int32[Tensor, " edges"]
    targets: Int32[Tensor, " edges"]
    weights: Float[Tensor, " edges"]
    offsets: Int32[Tensor, " starts"]
    order: Int32[Tensor, " edges"]
    back_offsets: Int32[Tensor, " starts"]

    @classmethod
    def of(cls, edges: Int[Tensor, "2 edges"], nodes: int, weights: Float[Tensor, " edges"]) -> Self:
        """Sorts ``edges``, which ``check_edges`` has passed; one that occurs twice counts twice."""
        by_target = torch.argsort(edges[1] * nodes + edges[0], stable=True)
        sources, targets = edges[:, by_target]
        order = torch.argsort(sources, stable=True)
        offsets, back_offsets = (
            F.pad(torch.bincount(ends, minlength=nodes).cumsum(0), (1, 0)) for ends in (targets, sources)
        )
        integers = (tensor.int() for tensor in (offsets, order, back_offsets))
        return cls(sources.int(), targets.int(), weights[by_target], *integers)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """The same graph on another device: arguments as ``Tensor.to`` takes them, but no dtype."""
        return type(self)(*(tensor.to(*args, **kwargs) for tensor in self))


def check_edges(edges: Int[Tensor, "2 edges"], nodes: int) -> None:
    """Refuses what is no list of edges between ``nodes`` nodes; a graph without edges is one.

    Values are looked at on a GPU too: an adjacency is made once, not at every step.

    Raises:
        ValueError: naming the shape, dtype or range that was expected and the one that came.
    """
    if edges.ndim != 2 or edges.shape[0] != 2 or edges.dtype != torch.int64:
        raise ValueError(
            f"expected edges of shape [2, edges] and dtype torch.int64, got {list(edges.shape)} and {edges.dtype}; "
            "the first row holds the sources, the second the targets"
        )
    if nodes < 1 or edges.shape[1] + nodes >= 2**31:
        raise ValueError(f"expected at least one node and less than 2^31 edges, got {nodes} and {edges.shape[1]}")
    if edges.numel() and not 0 <= edges.min() <= edges.max() < nodes:
        got = f"{edges.min().item()} to {edges.max().item()}"
        raise ValueError(f"expected edges between nodes 0 to {nodes - 1}, got {got}; number the nodes from 0")


def with_loops(edges: Int[Tensor, "2 edges"], nodes: int) -> Int[Tensor, "2 more"]:
    """The edges with exactly one from each node to itself, however many there were."""
    loops = torch.arange(nodes, device=edges.device).expand(2, nodes)
    return torch.cat([edges[:, edges[0] != edges[1]], loops], dim=1)


def propagate(
    x: Float[Tensor, "nodes width"], weights: Float[Tensor, " edges"], adjacency: Adjacency
) -> Float[Tensor, "nodes width"]:
    """Each node's weighted sum over the edges that enter it, differentiable in ``x`` and ``weights``; 0 without edges.

    The sum is computed in the dtype of ``x``, which under autocast is bfloat16.
    """
    sources, targets, _, offsets, order, back_offsets = adjacency
    result: Tensor = _Propagate.apply(x, weights.to(x.dtype), sources, targets, offsets, order, back_offsets)
    return result


def edge_softmax(scores: Float[Tensor, " edges"], adjacency: Adjacency) -> Float[Tensor, " edges"]:
    """Softmax over the edges that enter the same node; a node without edges is in no sum, so nothing divides by 0."""
    targets, zeros = adjacency.targets.long(), scores.new_zeros(adjacency.offsets.shape[0] - 1)
    # Each node's own largest score: with one for all nodes, every exp of another node could underflow to 0.
    top = zeros.scatter_reduce(0, targets, scores.detach(), "amax", include_self=False)
    exp = (scores - top[targets]).exp()
    return exp / zeros.index_add(0, targets, exp)[targets]


def _sums(x: Tensor, nodes: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    """Sum over each stretch of ``nodes`` of the rows of ``x`` that it names, times ``weights``.

    A weighted bag of embeddings is a sparse product. On the CPU it took a half to a fifth of the time of
    ``torch.sparse.mm`` (MKL), and less than a twentieth of that of ``index_add_`` of gathered rows: 100,000 nodes, a
    million edges, widths 16 to 128, one and two threads. It also takes bfloat16, compiles and goes to ONNX.
    """
    return F.embedding_bag(nodes, x, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True)


class _Propagate(torch.autograd.Function):
    """The three formulas of this module: autograd's own gradient of a bag adds row by row, in one thread."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weights: Tensor,
        sources: Tensor,
        targets: Tensor,
        offsets: Tensor,
        order: Tensor,
        back_offsets: Tensor,
    ) -> Tensor:
        learned = ctx.needs_input_grad[1]  # only then are features needed again: GCN keeps none of them
        ctx.save_for_backward(x if learned else None, weights, sources, targets, offsets, order, back_offsets)
        return _sums(x.detach(), sources, offsets, weights.detach())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weights, sources, targets, offsets, order, back_offsets = ctx.saved_tensors
        grad = grad.contiguous()
        grad_x = grad_weights = None
        if ctx.needs_input_grad[0]:
            back_targets, back_weights = targets.index_select(0, order), weights.index_select(0, order)
            grad_x = _sums(grad, back_targets, back_offsets, back_weights)
        if ctx.needs_input_grad[1]:
            # Autograd's own kernel for this: a dot product an edge, without gathering rows (mode 0 is the sum).
            kernel = torch.ops.aten._embedding_bag_per_sample_weights_backward
            grad_weights = kernel(grad, x, sources, offsets, targets, 0)
        return grad_x, grad_weights, None, None, None, None, None
