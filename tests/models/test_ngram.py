import numpy as np
import pytest

from companion.models.ngram import NGram

TRAIN = np.random.default_rng(0).integers(0, 7, 101) % 5  # skewed, vocabulary 5
TEST = np.array([0, 1, 1, 4, 2, 2, 3, 0, 0, 1])


def by_hand(order, context, word, discount=0.75, highest=True):
    """The formula of the module, read literally from lists."""
    if order == 0:
        return 1 / 5
    n = len(TRAIN) - order + 1
    grams = [tuple(TRAIN[i : i + order]) for i in range(n)]
    context = context[len(context) - order + 1 :] if order > 1 else ()
    if highest:
        weights = {gram: grams.count(gram) for gram in set(grams)}
    else:  # in how many contexts of the next order was it seen
        longer = {tuple(TRAIN[i : i + order + 1]) for i in range(len(TRAIN) - order)}
        weights = {}
        for gram in longer:
            weights[gram[1:]] = weights.get(gram[1:], 0) + 1
    following = {gram: c for gram, c in weights.items() if gram[:-1] == context}
    lower = by_hand(order - 1, context[1:], word, discount, False)
    if not following:
        return lower
    total = sum(following.values())
    return (max(following.get((*context, word), 0) - discount, 0) + discount * len(following) * lower) / total


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_losses_follow_the_formula(order):
    losses = NGram(order, 5).fit(TRAIN).losses(TEST)
    for i in range(order - 1, len(TEST)):
        expected = by_hand(order, tuple(TEST[i - order + 1 : i]), TEST[i])
        assert losses[i] == pytest.approx(-np.log(expected), rel=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_of_the_next_token_sum_to_one(order):
    model = NGram(order, 5).fit(TRAIN)
    for context in ([0, 1], [3, 3], [4, 2]):
        p = [np.exp(-model.losses(np.array([*context, word]))[-1]) for word in range(5)]
        assert sum(p) == pytest.approx(1, rel=1e-12)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="order >= 1"):
        NGram(0, 5)
    with pytest.raises(ValueError, match=r"vocab_size\*\*order < 2\*\*63"):
        NGram(5, 50_257)
    with pytest.raises(ValueError, match=r"discount in \(0, 1\), got 1"):
        NGram(2, 5, discount=1)
    with pytest.raises(RuntimeError, match="call fit first"):
        NGram(2, 5).losses(TEST)
    with pytest.raises(ValueError, match="at least 3 tokens, got 2"):
        NGram(3, 5).fit(TRAIN[:2])
    with pytest.raises(ValueError, match="tokens from 0 to vocab_size - 1 = 3, got 0 to 4"):
        NGram(2, 4).fit(TRAIN)
