"""Words, BM25, sentence vectors and the fusion of ranks."""

import math

import numpy as np
import pytest

from companion.cases.retrieval import BM25, DenseIndex, reciprocal_rank_fusion, words
from companion.models import embed_texts, minilm

TEXTS = [
    "the door is locked",
    "the lamp is on",
    "unlock the front door",
    "the the lamp and the door and the lock of the door",
    "a",
]


def test_words_of_several_scripts():
    assert words("Don't STOP: naïve K-means, 3.5") == ["don", "t", "stop", "naïve", "k", "means", "3", "5"]
    assert words("a_b") == ["a", "b"]
    assert words("注意力mechanism是什么?") == ["注", "意", "力", "mechanism", "是", "什", "么"]
    assert words("<script>alert('x')</script> ; rm -rf /") == ["script", "alert", "x", "script", "rm", "rf"]
    assert words(" …—!") == []


@pytest.mark.parametrize(
    ("question", "scores"),
    [
        ("the door", [0.409247, 0.142417, 0.409247, 0.434519, 0]),
        ("lamp lock zebra", [0, 0.433400, 0, 0.653689, 0]),
        ("is the front door on", [0.842647, 1.262102, 1.095531, 0.434519, 0]),
        ("door door", [0.533660, 0, 0.533660, 0.483405, 0]),
    ],
)
def test_bm25_is_lucenes(question, scores):
    # bm25s 0.3.16: BM25(method="lucene", k1=1.2, b=0.75), index and get_scores of words(text), words(question)
    assert BM25(TEXTS).scores(question) == pytest.approx(scores, abs=1e-5)


def test_bm25_is_its_formula_for_other_constants():
    k1, b, question = 0.7, 0.3, "lock the lamp and the door"
    lengths = [len(words(text)) for text in TEXTS]
    expected = []
    for text, length in zip(TEXTS, lengths, strict=True):
        score = 0.0
        for word in words(question):
            n = sum(word in words(other) for other in TEXTS)
            f = words(text).count(word)
            rarity = math.log(1 + (len(TEXTS) - n + 0.5) / (n + 0.5))
            score += rarity * f / (f + k1 * (1 - b + b * length / np.mean(lengths)))
        expected.append(score)
    index = BM25(TEXTS, k1=k1, b=b)
    assert index.scores(question) == pytest.approx(expected)
    endless = BM25([*TEXTS, f"{question} " * 10_000], k1=k1, b=b)
    assert endless.scores(question).max() == pytest.approx(endless.most(question), rel=0.01)
    assert endless.scores(question).max() < endless.most(question)


def test_a_word_that_no_text_has_lowers_what_is_covered():
    index = BM25(TEXTS)
    assert index.scores("door zebra").tolist() == index.scores("door").tolist()
    assert index.most("door zebra") == pytest.approx(index.most("door") + math.log(1 + 5.5 / 0.5))


def test_texts_without_words_are_indexed_and_never_found():
    assert BM25(["…", "—"]).scores("anything").tolist() == [0, 0]


@pytest.mark.parametrize("settings", [{"k1": -1}, {"k1": math.inf}, {"k1": math.nan}, {"b": 1.1}, {"b": math.nan}])
def test_bm25_refuses(settings):
    with pytest.raises(ValueError, match="expected k1 of at least 0 and b from 0 to 1"):
        BM25(TEXTS, **settings)
    for texts in ([], "a text"):
        with pytest.raises(ValueError, match="expected a list of at least one text"):
            BM25(texts)


def test_dense_scores_are_cosines_in_the_order_of_the_texts():
    encoder = minilm()
    texts = ["a rather long sentence about the price of bread in Rome", "Cats sleep.", "The door is locked."]
    index, question = DenseIndex(texts, encoder), "Do cats sleep?"
    vectors = embed_texts(*encoder, [*texts, question], batch=1).numpy()
    assert index.vectors == pytest.approx(vectors[:3], abs=1e-5)
    assert index.scores(question) == pytest.approx(vectors[:3] @ vectors[3], abs=1e-5)
    assert index.scores(question).argmax() == 1
    for none in ([], "a text"):
        with pytest.raises(ValueError, match="expected a list of at least one text"):
            DenseIndex(none, encoder)


def test_fusion_by_hand():
    first, second = [9.0, 2.0, 2.0, -1.0], [0.1, 0.8, 0.3, 0.2]
    expected = [1 / 61 + 1 / 64, 1 / 62.5 + 1 / 61, 1 / 62.5 + 1 / 62, 1 / 64 + 1 / 63]
    assert reciprocal_rank_fusion([first, second]) == pytest.approx(expected)
    assert reciprocal_rank_fusion([np.exp(first), second]) == pytest.approx(expected)  # ranks have no units


@pytest.mark.parametrize(
    ("rankings", "settings"),
    [([], {}), ([[1, 2], [1, 2, 3]], {}), ([[[1, 2]]], {}), ([[1, 2]], {"k": -1}), ([[1, math.nan]], {})],
)
def test_fusion_refuses(rankings, settings):
    with pytest.raises(ValueError, match="expected"):
        reciprocal_rank_fusion(rankings, **settings)
