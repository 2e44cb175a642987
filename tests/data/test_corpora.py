import sys

import pytest

from companion.data import Document, docstrings, split_by_module
from companion.data.corpora import _paragraphs

SOURCE = '''"""The module."""
def f():
    """Does f.

    Indented.
    """
class C:
    """A class."""
    def g(self):
        """Does g."""
        def inner():
            """Inner text."""
    def h(self): ...
'''


@pytest.fixture
def package(tmp_path, monkeypatch, cache):
    """A package that the test writes, as it might be installed."""
    root = tmp_path / "site" / "toyzoo"
    for folder in (root, root / "sub", root / "tests"):
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
    (root / "b.py").write_text(SOURCE)
    (root / "a.py").write_text('"""First, by name."""')
    (root / "sub" / "c.py").write_text('"""The module."""\ndef other():\n    "Only here."')
    (root / "broken.py").write_text("def f(:")
    (root / "tests" / "d.py").write_text('"""Not prose for readers."""')
    monkeypatch.syspath_prepend(root.parent)
    return root


def test_docstrings_are_found_in_order_without_doubles(package):
    found = [(d.module, d.name, d.text) for d in docstrings(["toyzoo"])]
    assert found == [
        ("toyzoo.a", "", "First, by name."),
        ("toyzoo.b", "", "The module."),
        ("toyzoo.b", "f", "Does f.\n\nIndented."),
        ("toyzoo.b", "C", "A class."),
        ("toyzoo.b", "C.g", "Does g."),
        ("toyzoo.b", "C.g.inner", "Inner text."),
        ("toyzoo.sub.c", "other", "Only here."),  # and not 'The module.' again
    ]
    assert "toyzoo" not in sys.modules  # read, not imported


def test_the_cache_is_used_and_notices_a_change(package, cache):
    before = docstrings(["toyzoo"])
    [file] = cache.glob("*.jsonl")
    stamp = file.stat().st_mtime_ns
    assert docstrings(["toyzoo"]) == before
    assert file.stat().st_mtime_ns == stamp
    (package / "a.py").write_text('"""Another text, and longer."""')
    assert docstrings(["toyzoo"])[0].text == "Another text, and longer."


@pytest.mark.parametrize("name", ["no_such_package_here", "not an identifier", "ast"])
def test_a_package_that_is_not_there_is_refused(name, cache):
    with pytest.raises(ValueError, match=f"expected installed packages, got '{name}'"):
        docstrings([name])


def test_an_empty_corpus_is_refused(tmp_path, monkeypatch, cache):
    (tmp_path / "silent").mkdir()
    (tmp_path / "silent" / "__init__.py").write_text("x = 1")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="expected docstrings in silent, got none"):
        docstrings(["silent"])


def test_real_text_splits_without_a_shared_module_or_paragraph(cache):
    documents = docstrings(["numpy", "sklearn"])
    assert sum(len(d.text) for d in documents) > 3_000_000
    train, validation = split_by_module(documents)
    assert not {d.module for d in train} & {d.module for d in validation}
    in_train = {" ".join(p.split()) for d in train for p in _paragraphs(d.text)}
    in_validation = [" ".join(p.split()) for d in validation for p in _paragraphs(d.text)]
    assert len(in_validation) > 2_000
    assert not in_train.intersection(in_validation)
    share = sum(len(d.text) for d in validation) / sum(len(d.text) for d in documents)
    assert 0.03 < share < 0.2
    assert split_by_module(documents) == (train, validation)
    assert split_by_module(documents, seed=1)[1] != validation


def test_adding_a_package_moves_no_module():
    few = [Document(f"m{i}", "", f"text {i}") for i in range(97)]
    more = few + [Document(f"n{i}", "", f"other {i}") for i in range(53)]
    held_out = {d.module for d in split_by_module(few)[1]}
    assert held_out == {d.module for d in split_by_module(more)[1] if d.module.startswith("m")}


def test_a_validation_paragraph_that_training_holds_is_taken_out():
    documents = [Document(f"m{i}", "", f"Shared\n  words.\n\nOwn words {i}.") for i in range(97)]
    _, validation = split_by_module(documents)
    assert {d.text for d in validation} == {f"Own words {d.module[1:]}." for d in validation}


def test_a_split_with_an_empty_side_is_refused():
    with pytest.raises(ValueError, match=r"in \(0, 1\), got 1"):
        split_by_module([Document("m", "", "t")], validation_fraction=1)
    with pytest.raises(ValueError, match="expected documents on both sides"):
        split_by_module([Document("m", "", "t")])
