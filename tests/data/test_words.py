import numpy as np
import pytest

from companion.data import SkipGramBatches, planted_corpus
from companion.data.words import RELATIONS


@pytest.fixture(scope="module")
def corpus():
    return planted_corpus(sentences=5_003)


def test_the_same_seed_gives_the_same_corpus(corpus):
    again, other = planted_corpus(sentences=5_003), planted_corpus(sentences=5_003, seed=1)
    assert np.array_equal(again.tokens, corpus.tokens)
    assert again.vocabulary == corpus.vocabulary == other.vocabulary
    assert not np.array_equal(other.tokens, corpus.tokens)


def test_words_stand_among_their_own(corpus):
    sides = {word: (pair, side) for names, pairs in RELATIONS.items() for pair in pairs
             for word, side in zip(pair.split(), names, strict=True)}  # fmt: skip
    own = 0
    for *before, middle, third, fourth in np.array(corpus.vocabulary)[corpus.tokens].reshape(-1, 5).tolist():
        pair, side = sides[middle]
        kinds = {word.split(".")[0] for word in [*before, third, fourth]}
        assert kinds <= {pair.split()[0], side}
        own += sum(word.split(".")[0] != side for word in [*before, third, fourth])
    share = own / 4 / 5_003
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(4 * 5_003)  # four standard errors of a fair coin
    assert len(set(corpus.tokens.tolist())) == len(corpus.vocabulary)


def test_questions_are_all_ordered_pairs_of_a_relation(corpus):
    words = {tuple(row) for row in np.array(corpus.vocabulary)[corpus.analogies].tolist()}
    assert len(words) == len(corpus.analogies) == 2 * 11 * 10
    assert ("france", "paris", "japan", "tokyo") in words
    assert ("mice", "mouse", "cats", "cat") not in words
    assert not any({"france", "cat"} <= set(row) for row in words)


def test_a_batch_is_a_function_of_its_step():
    text = np.random.default_rng(0).integers(0, 31, 211)
    data, again = SkipGramBatches(text), SkipGramBatches(text)
    later = data.batch(5, 17, seed=3)
    data.batch(6, 17, seed=3)
    for first, second in zip(later, again.batch(5, 17, seed=3), strict=True):
        assert first.equal(second)
    assert not later[2].equal(data.batch(6, 17, seed=3)[2])
    assert not later[0].equal(data.batch(5, 17, seed=4)[0])


def test_an_epoch_has_each_word_as_a_center_once_and_neighbors_by_distance():
    text = np.arange(10_007)  # each word its own place
    centers, contexts, _ = (t.numpy() for t in SkipGramBatches(text, window=3, subsample=1).batch(0, 10_001, seed=0))
    assert np.array_equal(np.sort(centers), np.arange(3, 10_004))
    distances, counts = np.unique(contexts - centers, return_counts=True)
    assert distances.tolist() == [-3, -2, -1, 1, 2, 3]
    expected = 10_001 * np.array([1, 2, 3, 3, 2, 1]) / 12
    assert (np.abs(counts - expected) < 4 * np.sqrt(expected)).all()


def test_noise_and_subsampling_follow_their_formulas():
    text = np.random.default_rng(0).permutation(np.repeat([0, 2, 5], [16_000, 4_000, 100]))
    data = SkipGramBatches(text, negatives=7, subsample=0.05)
    noise = data.batch(0, 5_003, seed=0)[2].numpy()
    weights = np.array([16_000, 0, 4_000, 0, 0, 100]) ** 0.75
    expected = noise.size * weights / weights.sum()
    found = np.bincount(noise.ravel(), minlength=6)
    assert (np.abs(found - expected) <= 4 * np.sqrt(expected)).all()  # 0 where no word is
    left = np.bincount(data.train, minlength=6)
    for word, count in ((0, 16_000), (2, 4_000)):
        stays = np.sqrt(0.05 * 20_100 / count)
        assert abs(left[word] - count * stays) < 4 * np.sqrt(count * stays * (1 - stays))
    assert left[5] == 100  # rarer than the threshold


def test_validation_covers_its_text_and_repeats_itself():
    text = np.arange(211)
    data = SkipGramBatches(text, np.arange(300, 337), window=5, subsample=1)
    batches = list(data.validation(11))
    assert [len(centers) for centers, _, _ in batches] == [11, 11, 5]
    assert np.concatenate([centers for centers, _, _ in batches]).tolist() == list(range(305, 332))
    again = next(data.validation(27))
    assert all(one.equal(other[:11]) for one, other in zip(batches[0], again, strict=True))
    assert list(SkipGramBatches(text).validation(11)) == []


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (np.arange(100), {"window": 0}, "window and negatives of at least 1 .* got 0, 5"),
        (np.arange(100), {"negatives": 0}, "got 5, 0"),
        (np.arange(100), {"subsample": 0}, r"subsample in \(0, 1\], got 5, 5 and 0"),
        (np.arange(100), {"subsample": 1.5}, r"subsample in \(0, 1\]"),
        (np.ones(100), {}, "train to be numbers of words from 0, in one dimension, got float64"),
        (np.ones((100, 1), dtype=int), {}, r"train to be .* got int64 of shape \(100, 1\)"),
        (np.arange(-1, 99), {}, "train to be .* from -1"),
        (np.arange(10), {"subsample": 1}, "more than 2 \\* window = 10 training words after subsampling, got 10"),
        (np.arange(0), {}, "training words after subsampling, got 0: give more text"),
    ],
)
def test_bad_texts_are_refused(text, options, message):
    with pytest.raises(ValueError, match=message):
        SkipGramBatches(text, **options)


def test_a_validation_text_too_short_is_refused():
    with pytest.raises(ValueError, match="validation words after subsampling, got 7"):
        SkipGramBatches(np.arange(100), np.arange(7), subsample=1)


def test_no_sentence_is_refused():
    with pytest.raises(ValueError, match="got sentences=0"):
        planted_corpus(sentences=0)
