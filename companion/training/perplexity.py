"""Perplexity of texts: by token, by word, by byte."""

import math
import re
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd

from companion.checks import check_one_of
from companion.data.checks import refuse_bare_text
from companion.models import GPT, ChatTokenizer
from companion.stats import Interval, corpus_ci
from companion.training.evaluate import token_losses

Unit = Literal["tokens", "words", "bytes"]


def text_losses(model: GPT, tokenizer: ChatTokenizer, texts: Sequence[str], *, batch_size: int = 8) -> pd.DataFrame:
    r"""What each text costs a model, in nats, and how long it is.

    As in lm-evaluation-harness, a text follows an end of text and all its tokens count; words are what white space
    divides. Departure: texts longer than ``block_size`` are read in windows that overlap by half
    (:func:`companion.training.token_losses`), so that no token has less than half a window before it.

    Args:
        model: in evaluation mode meanwhile.
        tokenizer: the model's.
        texts: a list; an empty text is refused.
        batch_size: windows at a time.

    Returns:
        A row a text, with ``nats`` (:math:`-\log p`), ``tokens``, ``words``, ``bytes`` (UTF-8).

    Raises:
        ValueError: for no text, one text in place of a list, an empty one.

    Example:
        >>> from companion.data import train_tokenizer
        >>> from companion.models import GPTConfig
        >>> tokenizer = ChatTokenizer(train_tokenizer(["a text"], 257), None, {"eos_token": "<|endoftext|>"})
        >>> model = GPT(GPTConfig(vocab_size=257, block_size=16, n_layer=1, n_head=2, n_embd=8))
        >>> text_losses(model, tokenizer, ["To be, or not", "to be"])[["tokens", "words", "bytes"]].values.tolist()
        [[13, 4, 13], [5, 2, 5]]
    """
    refuse_bare_text("texts", texts)
    if not len(texts) or not all(texts):
        raise ValueError("expected at least one text, each with a character, got none or an empty one")
    rows = []
    for text in texts:
        tokens = np.array(tokenizer.encode(text))
        losses = token_losses(model, tokens, batch_size=batch_size, end_of_text=tokenizer.end_of_text)
        words, n_bytes = len(re.split(r"\s+", text)), len(text.encode())
        rows.append({"nats": losses.sum(), "tokens": len(tokens), "words": words, "bytes": n_bytes})
    return pd.DataFrame(rows)


def perplexity_ci(
    losses: pd.DataFrame,
    *,
    per: Unit = "words",
    level: float = 0.95,
    n_resamples: int = 9_999,
    seed: int | None = None,
) -> Interval:
    r"""Perplexity, :math:`\exp(\sum_i \ell_i / \sum_i n_i)` over texts of loss :math:`\ell_i` and length :math:`n_i`.

    By words and bytes it does not depend on the tokenizer, so that models can be compared; by tokens it does. These are
    lm-evaluation-harness' ``word_perplexity`` and ``byte_perplexity``. The interval says how the figure would vary over
    other texts of the same kind: it is that of the exponent, by :func:`companion.stats.corpus_ci`, which tells how
    often it holds the truth, of few texts too seldom.

    Args:
        losses: rows of :func:`text_losses`, 5 at least.
        per: what the loss is divided by: ``tokens``, ``words`` or ``bytes``.
        level: intended coverage.
        n_resamples: of the texts.
        seed: of the resampling.

    Raises:
        ValueError: for another unit, or as :func:`companion.stats.corpus_ci`, such as for too few texts.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> words = rng.integers(50, 200, size=40)
        >>> rows = pd.DataFrame({"nats": words * rng.normal(4, 0.3, 40), "words": words})
        >>> print(perplexity_ci(rows, seed=0))
        The estimate is 59.7, with a 95% confidence interval from 54.9 to 65.3 (studentized bootstrap, 9,999
        resamples).
    """
    check_one_of("per", per, get_args(Unit))
    found = corpus_ci(losses[["nats", per]], _ratio, level=level, n_resamples=n_resamples, seed=seed)
    low, estimate, high = (math.exp(value) for value in (found.low, found.estimate, found.high))
    return Interval(estimate, low, high, level, found.method)


def _ratio(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]
