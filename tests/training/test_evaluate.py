import numpy as np
import pytest
import torch
from torch.nn import functional as F

from companion.models import GPT, GPTConfig
from companion.stats import corpus_ci
from companion.training import bits_per_byte, token_losses


@pytest.fixture
def model():
    model = GPT(GPTConfig(vocab_size=41, block_size=10, n_layer=2, n_head=2, n_embd=16))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.mark.parametrize("n", [1, 7, 10, 11, 15, 16, 53])
@pytest.mark.parametrize(("batch_size", "end"), [(1, {}), (3, {"end_of_text": 17})])
def test_each_token_is_scored_once_with_at_least_half_a_window_before_it(model, n, batch_size, end):
    tokens = np.random.default_rng(n).integers(0, 41, n).astype(np.uint16)
    losses = token_losses(model, tokens, batch_size=batch_size, **end)
    text = torch.from_numpy(np.concatenate([[end.get("end_of_text", 0)], tokens]).astype(np.int64))
    starts = [*range(0, max(1, n - 10), 5), *([n - 10] if n > 10 else [])]
    for i in range(n):
        start = next(start for start in starts if start + 10 > i)  # the first window that reaches the token
        assert i - start >= min(i, 5) - (start == starts[-1]) * 5
        with torch.no_grad():
            expected = F.cross_entropy(model(text[None, start : i + 1])[0, -1], text[i + 1])
        assert losses[i] == pytest.approx(expected.item(), rel=1e-4)


def test_bits_per_byte_is_a_ratio_of_sums_with_groups_resampled():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(53), rng.integers(1, 40, 53))
    n_bytes = rng.integers(1, 9, len(groups))
    losses = n_bytes * (0.5 + rng.random(53)[groups])
    score = bits_per_byte(losses, n_bytes, groups, seed=0)
    assert score.estimate == pytest.approx(losses.sum() / np.log(2) / n_bytes.sum())
    # The standard error of a ratio of cluster totals, by linearization (Cochran 1977, section 6.3).
    residual = np.bincount(groups, losses / np.log(2)) - score.estimate * np.bincount(groups, n_bytes)
    error = np.sqrt((residual**2).sum() * 53 / 52) / n_bytes.sum()
    assert (score.high - score.low) / 2 == pytest.approx(1.96 * error, rel=0.1)
    rows = np.stack([losses / np.log(2), n_bytes], axis=1)
    assert score == corpus_ci(rows, lambda sums: sums[..., 0] / sums[..., 1], clusters=groups, seed=0)
    tokens_alone = bits_per_byte(losses, n_bytes, np.arange(len(groups)), seed=0)
    assert tokens_alone.high - tokens_alone.low < 0.5 * (score.high - score.low)  # what ignoring the groups would claim


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="of one length, got 3, 3 and 2"):
        bits_per_byte(np.ones(3), np.ones(3, dtype=int), np.array([0, 1]))
