"""How well a language model predicts text, in bits per byte: a unit that does not depend on the tokenizer."""

import math

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch.nn import functional as F

from companion.models import GPT
from companion.models.modes import evaluating
from companion.stats import Interval, corpus_ci


def token_losses(
    model: GPT, tokens: Integer[np.ndarray, " time"], *, batch_size: int = 32, end_of_text: int = 0
) -> Float[np.ndarray, " time"]:
    """-log p of each token given those before it, in nats.

    Windows of ``block_size`` tokens move by half their length, so that each token but the first ones has at least
    ``block_size // 2`` tokens before it. The text is taken to follow an end of text.

    Args:
        model: what predicts.
        tokens: the text, encoded by the model's tokenizer.
        batch_size: windows at a time.
        end_of_text: the token that stands before the text, :func:`companion.data.end_of_text_id`; 0 in our tokenizers.

    Raises:
        ValueError: for no tokens, or tokens outside the vocabulary.

    Example:
        >>> from companion.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=257, block_size=16, n_layer=1, n_head=2, n_embd=8))
        >>> losses = token_losses(model, np.arange(50))
        >>> losses.shape, bool(losses.mean() < 6)  # log(257) = 5.5 is what a model that knows nothing loses
        ((50,), True)
    """
    block, n = model.config.block_size, len(tokens)
    before = np.concatenate([[end_of_text], tokens[:-1]]).astype(np.int64)
    after = np.asarray(tokens, dtype=np.int64)
    starts = [*range(0, max(1, n - block), max(1, block // 2)), *([n - block] if n > block else [])]
    device = next(model.parameters()).device
    losses, done = np.empty(n), 0
    with evaluating(model), torch.inference_mode():
        for group in (starts[i : i + batch_size] for i in range(0, len(starts), batch_size)):
            windows = np.stack([before[start : start + block] for start in group])
            logits = model(torch.from_numpy(windows).to(device)).float()
            targets = torch.from_numpy(np.stack([after[start : start + block] for start in group])).to(device)
            nats = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
            for start, row in zip(group, nats.cpu().numpy(), strict=True):
                end = start + len(row)
                losses[done:end] = row[done - start :]
                done = end
    return losses


def bits_per_byte(
    losses: Float[np.ndarray, " time"],
    n_bytes: Int[np.ndarray, " time"],
    groups: Int[np.ndarray, " time"],
    *,
    level: float = 0.95,
    n_resamples: int = 9_999,
    seed: int | None = None,
) -> Interval:
    r"""The bits that a model needs for a byte of text, :math:`\sum_i \ell_i / (\ln 2 \sum_i b_i)`, with its interval.

    Tokens of one document are alike, so it is groups that are resampled, not tokens: the interval says how the figure
    would vary over other groups (modules, documents) of the same kind. Pass the difference of two models'
    losses on the same text for the interval of their difference.

    The interval is :func:`companion.stats.corpus_ci`'s, which tells how often it holds the truth: of few groups of
    unequal size too seldom. It wants 5 groups at least.

    Args:
        losses: of each token, in nats.
        n_bytes: the bytes each token stands for.
        groups: which group each token is from.
        level: intended coverage.
        n_resamples: of the groups.
        seed: of the resampling.

    Raises:
        ValueError: where lengths differ, or as :func:`companion.stats.corpus_ci`, such as for too few groups.

    Example:
        >>> rng, n_bytes = np.random.default_rng(0), np.tile([1, 3, 5, 7], 250)
        >>> losses, documents = rng.gamma(4, 0.2, 1_000) * n_bytes, np.arange(1_000) // 25
        >>> print(bits_per_byte(losses, n_bytes, documents, seed=0))
        The estimate is 1.162, with a 95% confidence interval from 1.117 to 1.203 (studentized bootstrap, 9,999
        resamples of 40 clusters).
    """
    if not len(losses) == len(n_bytes) == len(groups):
        lengths = f"{len(losses)}, {len(n_bytes)} and {len(groups)}"
        raise ValueError(f"expected losses, n_bytes and groups of one length, got {lengths}")
    rows = np.stack([losses / math.log(2), n_bytes], axis=1)
    return corpus_ci(rows, _ratio, clusters=groups, level=level, n_resamples=n_resamples, seed=seed)


def _ratio(sums: Float[np.ndarray, "*resamples 2"]) -> Float[np.ndarray, "*resamples"]:
    return sums[..., 0] / sums[..., 1]
