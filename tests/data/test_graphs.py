"""companion.data.graphs and companion.data.imports: a package written for the test, and closed forms."""

import sys

import pytest
import torch

from companion.data import Graph, import_graph, planted_graph, split_nodes

FILES = {
    "__init__.py": "from . import plain\n",
    "plain.py": "import os\nwidth_of = 3\nprint(width_of, os.PATH)\n",
    "broken.py": "def (\n",
    "left/__init__.py": "",
    "left/one.py": "from .two import thing\nfrom .. import plain\n",
    "left/two.py": "def thing(width):\n    from toygraph.right import three\n    return three.WIDTH\n",
    "right/__init__.py": "from ..left import one as other\n",
    "right/three.py": "import toygraph.right.three\n",
}
NAMES = ("", ".left", ".left.one", ".left.two", ".plain", ".right", ".right.three")


@pytest.fixture
def package(tmp_path, monkeypatch, cache):
    for name, code in FILES.items():
        path = tmp_path / "toygraph" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    return "toygraph"


def test_imports_between_modules_are_edges_both_ways(package):
    graph = import_graph(package, features=1_009, smallest=2)
    assert graph.names == tuple("toygraph" + name for name in NAMES)
    assert graph.classes == ("toygraph", "toygraph.left", "toygraph.right")
    assert graph.labels.tolist() == [0, 1, 1, 1, 0, 2, 2]
    pairs = {("", "plain"), ("left.one", "left.two"), ("left.one", "plain"), ("left.one", "")}
    pairs |= {("left.two", "right"), ("left.two", "right.three"), ("right", "left"), ("right", "left.one")}
    pairs = {tuple(f"toygraph.{end}".rstrip(".") for end in pair) for pair in pairs}
    found = [(graph.names[a], graph.names[b]) for a, b in graph.edges.T.tolist()]
    assert set(found) == pairs | {(b, a) for a, b in pairs}
    assert len(found) == len(set(found))
    assert package not in sys.modules  # read, never imported


def test_a_directed_edge_leads_from_the_imported_module_to_the_one_that_imports_it(package):
    one_way, both = import_graph(package, smallest=2, directed=True), import_graph(package, smallest=2)
    ends = {tuple(one_way.names[end].removeprefix("toygraph") for end in pair) for pair in one_way.edges.T.tolist()}
    assert ends == {
        (".plain", ""), (".left.two", ".left.one"), (".plain", ".left.one"), ("", ".left.one"),
        (".right", ".left.two"), (".right.three", ".left.two"), (".left", ".right"), (".left.one", ".right"),
    }  # fmt: skip
    pairs = one_way.edges.T.tolist()
    assert both.edges.T.tolist() == sorted(map(list, {*map(tuple, pairs), *((b, a) for a, b in pairs)}))


def test_features_are_scaled_counts_of_words(package):
    graph = import_graph(package, features=1_009, smallest=2)
    plain = graph.features[graph.names.index("toygraph.plain")]
    counts = torch.tensor([2.0, 2.0, 1.0, 1.0, 1.0])  # width, of, print, os, path
    torch.testing.assert_close(plain[plain > 0].sort().values, (counts.log1p() / counts.log1p().norm()).sort().values)


def test_small_subpackages_are_unlabeled_and_the_cache_gives_the_same(package, monkeypatch):
    first = import_graph(package, smallest=3)
    assert first.labels.tolist() == [-100, 0, 0, 0, -100, -100, -100]
    monkeypatch.setattr("companion.data.imports._build", None)  # would fail if it were called
    again = import_graph(package, smallest=3)
    assert (first.names, first.classes) == (again.names, again.classes)
    assert torch.equal(first.features, again.features)
    assert torch.equal(first.edges, again.edges)


def test_imports_refuse(package):
    with pytest.raises(ValueError, match="expected installed packages, got 'no_such_package'"):
        import_graph("no_such_package")
    with pytest.raises(ValueError, match="at least smallest=20 modules, got none"):
        import_graph(package)


def test_planted_probabilities_and_points():
    graph = planted_graph(nodes=600, classes=3, inside=0.1, between=0.02, features=5, noise=0.5, seed=7)
    source, target = graph.edges
    a = torch.zeros(600, 600).index_put((source, target), torch.tensor(1.0), accumulate=True)
    assert a.max() == 1
    assert torch.equal(a, a.T)
    assert a.diagonal().sum() == 0
    same = graph.labels[:, None] == graph.labels
    # pairs: 3 · 200 · 199 / 2 inside, 3 · 200 · 200 between; five standard deviations of a binomial
    for joined, pairs, p in ((a[same].sum() / 2, 59_700, 0.1), (a[~same].sum() / 2, 120_000, 0.02)):
        assert abs(joined.item() - pairs * p) < 5 * (pairs * p * (1 - p)) ** 0.5
    residuals = [graph.features[graph.labels == k] for k in range(3)]
    assert torch.stack([r.std(dim=0) for r in residuals]).mean().item() == pytest.approx(0.5, rel=0.05)
    again, other = (planted_graph(nodes=600, classes=3, seed=seed) for seed in (7, 8))
    assert torch.equal(again.edges, planted_graph(nodes=600, classes=3, seed=7).edges)
    assert not torch.equal(again.features, other.features)


def test_splits_cover_the_labeled_nodes_once():
    labels = torch.arange(301) % 7
    labels[::5] = -100
    parts = split_nodes(labels, train_per_class=11, validation_fraction=0.25, seed=3)
    assert torch.equal(sum(part.int() for part in parts), (labels != -100).int())
    train, validation, test = parts
    assert torch.bincount(labels[train]).tolist() == [11] * 7
    assert validation.sum() == round(0.25 * (validation.sum() + test.sum()).item())
    assert torch.equal(train, split_nodes(labels, train_per_class=11, seed=3)[0])
    assert not torch.equal(train, split_nodes(labels, train_per_class=11, seed=4)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nodes": 3}, "expected 1 <= classes <= nodes"),
        ({"inside": 1.1}, "probabilities, got .*inside=1.1"),
        ({"noise": -1.0}, "noise=-1.0"),
        ({"features": 0}, "features=0"),
    ],
)
def test_planted_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        planted_graph(**options)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (torch.tensor([0, 0, 1, 1, 1]), {"train_per_class": 2}, "more than train_per_class=2 nodes of every class"),
        (torch.tensor([0, 0, 0]), {"train_per_class": 0}, "train_per_class of at least 1"),
        (torch.full((5,), -100), {"train_per_class": 1}, "labeled nodes"),
        (torch.tensor([0, 0, 0]), {"train_per_class": 1, "validation_fraction": 1.0}, "2 of 2 for validation"),
    ],
)
def test_splits_refuse(labels, options, message):
    with pytest.raises(ValueError, match=message):
        split_nodes(labels, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.zeros(4, dtype=torch.int64)}, "of the same nodes, got 3"),
        ({"names": ("a",)}, "of the same nodes, got 3"),
        ({"edges": torch.tensor([[0], [3]])}, "between nodes 0 to 2"),
        ({"labels": torch.tensor([0, 1, 2])}, "labels below 2, or -100, got 2"),
    ],
)
def test_a_graph_refuses(change, message):
    good = {"features": torch.zeros(3, 2), "edges": torch.tensor([[0], [1]]), "labels": torch.tensor([0, 1, -100])}
    Graph(**good, classes=("a", "b"))
    with pytest.raises(ValueError, match=message):
        Graph(**(good | {"classes": ("a", "b")} | change))
