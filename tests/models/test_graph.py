"""companion.models.graph against torch_geometric's layers, a dense formula, and what every graph network must obey."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from companion.models import GAT, GCN, Adjacency, GATConfig, GCNConfig, GraphSAGE, GraphSAGEConfig
from companion.models.adjacency import edge_softmax, propagate
from reference.gcn import geometric

NODES, FEATURES, HIDDEN, CLASSES, EDGES = 19, 7, 5, 11, 53
FAMILIES = ["gcn", "graph_sage", "gat"]
every_family = pytest.mark.parametrize("family", FAMILIES)


def make(family, **options):
    torch.manual_seed(23)
    sizes = {"features": FEATURES, "n_hidden": HIDDEN, "n_classes": CLASSES} | options
    if family == "gat":
        return GAT(GATConfig(**({"heads": 2, "last_heads": 3} | sizes))).double()
    return GCN(GCNConfig(**sizes)).double() if family == "gcn" else GraphSAGE(GraphSAGEConfig(**sizes)).double()


def graph():
    """Directed, with loops, three edges that occur twice, and a last node without any edge."""
    generator = torch.Generator().manual_seed(29)
    edges = torch.randint(NODES - 1, (2, EDGES), generator=generator)
    edges = torch.cat([edges, edges[:, :3], torch.tensor([[4, 4, 6], [4, 4, 6]])], dim=1)
    return torch.randn(NODES, FEATURES, generator=generator, dtype=torch.float64), edges


def peers(family, layer):
    """torch_geometric's layer, with its parameters beside ours."""
    if family == "gcn":
        theirs = geometric.GCNConv(layer.linear.in_features, layer.linear.out_features).double()
        return theirs, [(theirs.lin.weight, layer.linear.weight), (theirs.bias, layer.linear.bias)]
    if family == "graph_sage":
        theirs = geometric.SAGEConv(layer.own.in_features, layer.own.out_features).double()
        pairs = [(theirs.lin_r.weight, layer.own.weight), (theirs.lin_l.weight, layer.incoming.weight)]
        return theirs, [*pairs, (theirs.lin_l.bias, layer.own.bias)]
    heads, width = layer.source.shape
    theirs = geometric.GATConv(layer.linear.in_features, width, heads, concat=not layer.average).double()
    pairs = [(theirs.lin.weight, layer.linear.weight), (theirs.bias, layer.bias)]
    return theirs, [*pairs, (theirs.att_src, layer.source), (theirs.att_dst, layer.target)]


@every_family
@pytest.mark.parametrize("edgeless", [False, True])
@pytest.mark.parametrize("options", [{}, {"features": HIDDEN, "n_hidden": FEATURES, "n_layer": 3}, {"n_layer": 1}])
def test_equals_torch_geometric_on_loops_repeated_edges_and_none(family, options, edgeless):
    model = make(family, **options)
    x, edges = graph()
    x, edges = x[:, : model.config.features], edges[:, :0] if edgeless else edges
    h, pairs = x, []
    for index, layer in enumerate(model.layers):
        theirs, of_layer = peers(family, layer)
        for parameter, ours in of_layer:
            parameter.data.copy_(ours.detach().view_as(parameter))
        pairs += of_layer
        h = theirs(h, edges)
        if index < len(model.layers) - 1:
            h = F.elu(h) if family == "gat" else F.relu(h)
    ours = model(x, model.adjacency(edges, NODES))
    torch.testing.assert_close(ours, h, rtol=0, atol=1e-13)
    direction = torch.randn_like(h)
    (ours * direction).sum().backward()
    (h * direction).sum().backward()
    for theirs, mine in pairs:
        expected = torch.zeros_like(theirs) if theirs.grad is None else theirs.grad  # a mean over no edge at all
        torch.testing.assert_close(mine.grad.view_as(theirs), expected, rtol=0, atol=1e-12)
    assert len(pairs) == len(list(model.parameters()))


def test_gcn_is_kipf_and_wellings_formula():
    model = make("gcn")
    x, edges = graph()
    a = np.zeros((NODES, NODES))
    for source, target in edges.T.tolist():
        a[target, source] += source != target
    a += np.eye(NODES)
    d = np.diag(a.sum(axis=1) ** -0.5)
    first, second = ([p.detach().numpy() for p in layer.parameters()] for layer in model.layers)
    h = np.maximum(d @ a @ d @ x.numpy() @ first[0].T + first[1], 0)
    expected = d @ a @ d @ h @ second[0].T + second[1]
    np.testing.assert_allclose(model(x, model.adjacency(edges, NODES)).detach(), expected, rtol=0, atol=1e-13)


@every_family
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_numbering_the_nodes_otherwise_permutes_the_logits(family, seed):
    model = make(family)
    x, edges = graph()
    new = torch.randperm(NODES, generator=torch.Generator().manual_seed(seed))  # new number of each node
    shuffled = torch.empty_like(x).index_copy(0, new, x)
    found = model(shuffled, model.adjacency(new[edges], NODES))
    torch.testing.assert_close(found[new], model(x, model.adjacency(edges, NODES)), rtol=0, atol=1e-13)


@every_family
def test_a_layer_looks_one_edge_against_its_direction(family):
    model = make(family, n_layer=2)
    adjacency = model.adjacency(torch.tensor([[0, 1, 2], [1, 2, 3]]), NODES)  # 0 → 1 → 2 → 3
    x = torch.randn(NODES, FEATURES, dtype=torch.float64, requires_grad=True)
    model(x, adjacency)[3].sum().backward()
    assert x.grad.abs().sum(dim=1).nonzero()[:, 0].tolist() == [1, 2, 3]


def test_propagate_gradients_by_differences():
    _, edges = graph()
    weights = torch.randn(edges.shape[1], dtype=torch.float64, requires_grad=True)
    adjacency = Adjacency.of(edges, NODES, weights.detach())
    x = torch.randn(NODES, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, weights: propagate(x, weights, adjacency), (x, weights))


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_attention_sums_to_one_where_edges_enter(scale):
    _, edges = graph()
    adjacency = Adjacency.of(edges, NODES, torch.ones(edges.shape[1]))
    scores = (scale * torch.randn(edges.shape[1])).requires_grad_()
    weights = edge_softmax(scores, adjacency)
    sums = torch.zeros(NODES).index_add(0, adjacency.targets, weights)
    entered = torch.bincount(edges[1], minlength=NODES) > 0
    assert not entered.all()
    torch.testing.assert_close(sums, entered.float())
    weights.square().sum().backward()
    assert scores.grad.isfinite().all()


@every_family
def test_an_isolated_nodes_logits_are_finite_and_its_own(family):
    model = make(family)
    x, edges = graph()
    alone = model(x[-1:], model.adjacency(edges[:, :0], 1))
    torch.testing.assert_close(model(x, model.adjacency(edges, NODES))[-1:], alone, rtol=0, atol=1e-14)
    assert alone.isfinite().all()


@every_family
def test_unlabeled_nodes_do_not_count(family):
    model = make(family)
    x, edges = graph()
    adjacency = model.adjacency(edges, NODES)
    labels = torch.full((NODES,), -100)
    labels[3], labels[8] = 2, 5
    expected = -model(x, adjacency).log_softmax(dim=1)[[3, 8], [2, 5]].mean()
    torch.testing.assert_close(model.loss(x, adjacency, labels), expected)


@every_family
def test_dropout_is_for_training(family):
    model = make(family, dropout=0.5)
    x, edges = graph()
    adjacency = model.adjacency(edges, NODES)
    assert not torch.equal(model(x, adjacency), model(x, adjacency))
    model.eval()
    assert torch.equal(model(x, adjacency), model(x, adjacency))


@pytest.mark.usefixtures("annotations_unchecked")
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # Dynamo's own
def test_compiled_gradients_are_the_same():
    torch._dynamo.reset()
    model = make("gat", heads=1, last_heads=1)  # the one that uses all gradients of the sparse product
    x, edges = graph()
    batch = (x, model.adjacency(edges, NODES), torch.arange(NODES) % CLASSES)
    expected = torch.autograd.grad(model.loss(*batch), list(model.parameters()))
    loss = torch.compile(model.loss, fullgraph=True, backend="aot_eager")(*batch)
    for found, gradient in zip(torch.autograd.grad(loss, list(model.parameters())), expected, strict=True):
        torch.testing.assert_close(found, gradient, rtol=0, atol=1e-14)


@every_family
@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (torch.zeros(3, 2, dtype=torch.int64), r"expected edges of shape \[2, edges\] .* got \[3, 2\]"),
        (torch.zeros(2, dtype=torch.int64), r"got \[2\] and torch.int64; the first row holds the sources"),
        (torch.zeros(2, 3, dtype=torch.int32), r"dtype torch.int64, got \[2, 3\] and torch.int32"),
        (torch.zeros(2, 3), r"got \[2, 3\] and torch.float32"),
        (torch.tensor([[0], [NODES]]), "between nodes 0 to 18, got 0 to 19; number the nodes from 0"),
        (torch.tensor([[-1], [0]]), "got -1 to 0"),
    ],
)
def test_bad_edges_are_refused(family, edges, message):
    with pytest.raises(ValueError, match=message):
        make(family).adjacency(edges, NODES)


def test_a_graph_without_nodes_is_refused():
    with pytest.raises(ValueError, match="at least one node .* got 0 and 0"):
        make("gcn").adjacency(torch.zeros(2, 0, dtype=torch.int64), 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:-1], y), r"x of shape \[19, 7\] .* got \[18, 7\] .* one row a node of the adjacency"),
        (lambda x, y: (x[:, :-1], y), r"x of shape \[19, 7\] .* got \[19, 6\]"),
        (lambda x, y: (x[0], y), r"got \[7\]"),
        (lambda x, y: (x.float(), y), "torch.float64, got .* torch.float32"),
        (lambda x, y: (x, y[:-1]), r"labels of shape \[19\] .* got \[18\]"),
        (lambda x, y: (x, y[:, None]), r"labels of shape \[19\] .* got \[19, 1\]"),
        (lambda x, y: (x, y.double()), "torch.int64, got .* torch.float64"),
        (lambda x, y: (x, y + 1), "labels from 0 to 10, got 1 to 11; number the classes from 0"),
        (lambda x, y: (x, y - 1), "got -1 to 9"),
        (lambda x, y: (x, torch.full_like(y, -100)), "one of labels to count, got only -100"),
    ],
)
def test_bad_batches_are_refused(change, message):
    model = make("gcn")
    x, edges = graph()
    x, labels = change(x, torch.arange(NODES) % CLASSES)
    with pytest.raises(ValueError, match=message):
        model.loss(x, model.adjacency(edges, NODES), labels)


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (GCNConfig, {"n_hidden": 0}, "n_hidden to be a positive integer, got 0"),
        (GraphSAGEConfig, {"n_layer": 1.0}, "n_layer to be a positive integer, got 1.0"),
        (GCNConfig, {"dropout": 1.0}, r"dropout in \[0, 1\), got 1.0"),
        (GATConfig, {"heads": 0}, "heads to be a positive integer, got 0"),
        (GATConfig, {"last_heads": -1}, "last_heads to be a positive integer, got -1"),
    ],
)
def test_config_refuses(config, options, message):
    with pytest.raises(ValueError, match=message):
        config(**({"features": 7, "n_hidden": 5, "n_classes": 11} | options))
