"""How well a language model predicts text, in bits per byte: a unit that does not depend on the tokenizer."""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch.nn import functional as F

from companion.models import GPT
from companion.models.modes import evaluating
from companion.stats import Interval, bootstrap_ci


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

    The interval is BCa's, from :func:`companion.stats.bootstrap_ci`. The same ratio has a studentized one in
    :func:`companion.stats.corpus_ci`, which covers better for few groups of unequal size, and Fieller's, without
    resamples, in ``companion.stats.ratio_ci(bits, n_bytes, paired=True)``.

    Args:
        losses: of each token, in nats.
        n_bytes: the bytes each token stands for.
        groups: which group each token is from, counting from 0.
        level: intended coverage.
        n_resamples: of the groups.
        seed: of the resampling.

    Raises:
        ValueError: where lengths differ, or as :func:`companion.stats.bootstrap_ci`.
    """
    if not len(losses) == len(n_bytes) == len(groups):
        lengths = f"{len(losses)}, {len(n_bytes)} and {len(groups)}"
        raise ValueError(f"expected losses, n_bytes and groups of one length, got {lengths}")
    bits = np.bincount(groups, weights=losses) / math.log(2)
    sums = np.stack([bits, np.bincount(groups, weights=n_bytes)], axis=1)

    def ratio(rows: Float[np.ndarray, "... groups 2"], axis: int = 0) -> Any:
        total = rows.sum(axis=axis)
        return total[..., 0] / total[..., 1]

    return bootstrap_ci(sums, ratio, level=level, n_resamples=n_resamples, seed=seed)
