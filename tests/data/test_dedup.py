"""Near-duplicates: against exact similarities, datasketch, and the formula of the bands."""

import itertools

import numpy as np
import pytest
from datasketch import MinHash

from companion.data import (
    bands_for,
    candidate_probability,
    decontaminate,
    deduplicate,
    docstrings,
    lsh,
    minhash,
    near_duplicates,
)
from companion.data.dedup import _all_runs, _jaccard

WORDS = [f"w{k}" for k in range(4_000)]


def text_pair(shared, own):
    """Two texts of single words (runs of 1) with a known similarity of shared / (shared + 2 own)."""
    return " ".join(WORDS[: shared + own]), " ".join(WORDS[:shared] + WORDS[-own:] if own else WORDS[:shared])


@pytest.mark.parametrize(("shared", "own"), [(900, 50), (400, 300), (100, 450), (1000, 0)])
def test_signatures_estimate_the_similarity_within_their_standard_error(shared, own):
    s = shared / (shared + 2 * own)
    a, b = minhash(text_pair(shared, own), n_words=1, n_hashes=4_096)
    error = np.sqrt(s * (1 - s) / 4_096)
    assert abs(np.mean(a == b) - s) <= 4 * error


def test_datasketch_estimates_the_same():
    ours, theirs = [], []
    for own in (10, 50, 100, 200, 400):
        texts = text_pair(400, own)
        a, b = minhash(texts, n_words=1, n_hashes=1_024)
        ours.append(np.mean(a == b))
        pair = []
        for text in texts:
            sketch = MinHash(num_perm=1_024, seed=1)
            sketch.update_batch([word.encode() for word in text.split()])
            pair.append(sketch)
        theirs.append(pair[0].jaccard(pair[1]))
    assert np.abs(np.subtract(ours, theirs)).max() < 4 * np.sqrt(2 * 0.25 / 1_024)


@pytest.mark.parametrize(("bands", "rows"), [(7, 5), (3, 2), (20, 3)])
def test_bands_find_as_often_as_the_formula_says(bands, rows):
    texts, s = text_pair(300, 100), 0.6
    found = [
        len(lsh(minhash(texts, n_words=1, n_hashes=bands * rows, seed=seed), bands=bands, rows=rows))
        for seed in range(400)
    ]
    p = 1 - (1 - s**rows) ** bands
    assert candidate_probability(s, bands, rows) == pytest.approx(p)
    assert abs(np.mean(found) - p) <= 4 * np.sqrt(p * (1 - p) / 400) + 1e-9


def test_the_printed_numbers_of_lee_et_al_find_nothing_and_exchanged_they_find_all():
    assert candidate_probability(0.8, bands=20, rows=450) < 1e-12 < 0.99 < candidate_probability(0.8, 450, 20)
    assert candidate_probability([0.0, 1.0], 20, 450).tolist() == pytest.approx([0, 1])


@pytest.mark.parametrize("threshold", [0.3, 0.8, 0.95, 1.0])
def test_the_chosen_bands_miss_at_most_one_in_twenty_and_fewer_rows_would_compare_more(threshold):
    bands, rows = bands_for(threshold, 256)
    assert candidate_probability(threshold, bands, rows) >= 0.95
    assert rows == 256 or candidate_probability(threshold, 256 // (rows + 1), rows + 1) < 0.95


def test_real_pages_have_the_pairs_that_comparing_all_of_them_finds():
    texts = [document.text for document in docstrings(["numpy"])][-400:]
    runs = [np.unique(each) for each in _all_runs(texts, 5)]
    exact = {(a, b): _jaccard(runs[a], runs[b]) for a, b in itertools.combinations(range(len(texts)), 2)}
    similar = {pair for pair, s in exact.items() if s >= 0.7}
    found = near_duplicates(texts, threshold=0.7)
    in_order = list(zip(found["first"], found["second"], strict=True))
    pairs = set(in_order)
    assert len(similar) >= 20
    assert pairs <= similar
    assert len(pairs) >= 0.95 * len(similar)
    assert found["similarity"].tolist() == pytest.approx([exact[pair] for pair in in_order])
    kept = deduplicate(texts, threshold=0.7)
    assert not {(a, b) for a, b in itertools.combinations(kept.tolist(), 2)} & pairs
    assert len(kept) < len(texts)


def test_the_first_of_a_chain_is_kept():
    chain = [" ".join(WORDS[start : start + 100]) for start in (0, 10, 20, 30, 500)]
    assert deduplicate(chain, threshold=0.7, n_words=1).tolist() == [0, 4]


def test_a_question_within_a_longer_text_is_found():
    question = " ".join(WORDS[:13])
    texts = [f"before {question} after", " ".join(WORDS[:12]), question.upper() + "!", "short"]
    assert decontaminate(texts, [question]).tolist() == [False, True, False, True]
    assert decontaminate(texts, []).tolist() == [True] * 4


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: minhash(["a", "..."]), "none in text 1"),
        (lambda: minhash("a text"), "put it into a list"),
        (lambda: minhash(["a"], n_words=0), "n_words"),
        (lambda: minhash(["a"], n_hashes=0), "n_hashes"),
        (lambda: lsh(minhash(["a"]), bands=100, rows=9), "100 \\* 9"),
        (lambda: candidate_probability(1.1, 3, 3), "from 0 to 1"),
        (lambda: bands_for(0.01, 16), "take more"),
        (lambda: bands_for(0, 16), "above 0"),
        (lambda: decontaminate(["a"], ["only four words here"]), "shorter ones"),
    ],
)
def test_what_cannot_be_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
