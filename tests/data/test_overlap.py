import numpy as np
import pytest

from companion.data import Document, docstrings, module_groups, shared_bytes, split_by_overlap
from companion.data.overlap import _run_hashes

RNG = np.random.default_rng(0)


def words(n: int) -> str:
    return " ".join("".join(RNG.choice(list("abcdefghij"), size=5)) for _ in range(n))


def by_search(text: str, others: list[str], length: int) -> list[bool]:
    raw, held = text.encode(), [other.encode() for other in others]
    marks = [False] * len(raw)
    for start in range(len(raw) - length + 1):
        if any(raw[start : start + length] in other for other in held):
            marks[start : start + length] = [True] * length
    return marks


@pytest.mark.parametrize("length", [1, 3, 7])
def test_shared_bytes_are_those_of_a_search(length: int) -> None:
    text, others = "größer ist the cat sat ax", ["xa größe the cat", "", "sat"]
    assert shared_bytes(text, others, length=length).tolist() == by_search(text, others, length)


def test_a_run_does_not_cross_texts() -> None:
    assert not shared_bytes("abcdef", ["abc", "def"], length=4).any()


@pytest.mark.parametrize(("text", "others"), [("", ["some"]), ("some", []), ("ab", ["abab"])])
def test_nothing_is_shared(text: str, others: list[str]) -> None:
    marks = shared_bytes(text, others, length=3)
    assert marks.shape == (len(text),)
    assert not marks.any()


def test_length_is_checked() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        shared_bytes("some", ["text"], length=0)


def test_zero_bytes_count_in_a_run() -> None:
    hashes, source = _run_hashes(["\0\0a\0"], 2)
    assert len(set(hashes.tolist())) == 3
    assert source.tolist() == [0, 0, 0]


@pytest.mark.parametrize("length", range(1, 12))
def test_equal_runs_and_only_they_have_equal_hashes(length: int) -> None:
    texts = ["abcabcabcabcaab", "bcabcabcabc", "ab", ""]
    hashes, source = _run_hashes(texts, length)
    runs = [(i, t[k : k + length]) for i, t in enumerate(texts) for k in range(len(t) - length + 1)]
    assert source.tolist() == [i for i, _ in runs]
    by_run: dict[str, set[int]] = {}
    for (_, run), each in zip(runs, hashes.tolist(), strict=True):
        by_run.setdefault(run, set()).add(each)
    assert all(len(each) == 1 for each in by_run.values())
    assert len(set(hashes.tolist())) == len(by_run)


def test_siblings_are_grouped_through_a_third() -> None:
    first, second = words(40), words(40)
    texts = {"c": first, "b": first[:150] + words(10) + second[:150], "a": second, "other": words(40)}
    groups = module_groups([Document(module, "", text) for module, text in texts.items()])
    assert groups == {"a": "a", "b": "a", "c": "a", "other": "other"}


def test_little_overlap_groups_nothing() -> None:
    shared = words(10)  # 59 bytes: ten runs of some 1,200
    texts = {"a": words(200) + shared, "b": shared + words(200)}
    documents = [Document(module, "", text) for module, text in texts.items()]
    assert module_groups(documents) == {"a": "a", "b": "b"}
    assert module_groups(documents, fraction=0.001) == {"a": "a", "b": "a"}


def test_texts_shorter_than_a_run_stay_alone() -> None:
    assert module_groups([Document("a", "", "one"), Document("b", "", "one")]) == {"a": "a", "b": "b"}


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_fraction_of_siblings_is_checked(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction in"):
        module_groups([Document("a", "", "text")], fraction=fraction)


def test_split_keeps_siblings_and_takes_paragraphs_out() -> None:
    common = "A paragraph that all of them hold."
    copy = words(60)
    documents = [Document(f"m{i}", "", f"{words(40)}\n\n{common}") for i in range(60)]
    documents += [Document("sibling_a", "", copy), Document("sibling_b", "", copy + words(3))]
    train, validation, test = split_by_overlap(documents, fraction=0.2)
    sides = [{document.module for document in part} for part in (train, validation, test)]
    assert set.union(*sides) == {document.module for document in documents}
    assert sum(map(len, sides)) == len(documents)
    assert any({"sibling_a", "sibling_b"} <= side for side in sides)
    assert not any(common in document.text for document in validation + test)
    n = [sum(len(document.text) for document in part) for part in (train, validation, test)]
    assert all(0.15 < part / sum(n) < 0.25 for part in n[1:])
    assert split_by_overlap(documents, fraction=0.2, seed=1)[2] != test


def test_a_large_group_trains() -> None:
    documents = [Document(f"m{i}", "", words(20)) for i in range(50)] + [Document("large", "", words(200))]
    assert "large" in {document.module for document in split_by_overlap(documents, fraction=0.2)[0]}


def test_split_of_too_little_is_refused() -> None:
    with pytest.raises(ValueError, match="all three parts"):
        split_by_overlap([Document("a", "", words(20)), Document("b", "", words(20))])
    with pytest.raises(ValueError, match="1/2"):
        split_by_overlap([], fraction=0.5)


def test_the_bases_of_numpy_stay_together() -> None:
    groups = module_groups(docstrings(("numpy",)))
    bases = ("chebyshev", "hermite", "hermite_e", "laguerre", "legendre", "polynomial")
    assert len({groups[f"numpy.polynomial.{base}"] for base in bases}) == 1
