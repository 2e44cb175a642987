"""What a trained GPT is worth: its bits per byte on held-out text, beside those of n-grams."""

import math

import numpy as np
from jaxtyping import Float

from companion import data, training
from companion.models import GPT, NGram

_NGRAM_TOKENS = 2**23  # training tokens that the n-gram models count: they do so in memory


def print_scores(model: GPT, corpus: data.TokenCorpus) -> None:
    """Prints bits per byte on held-out text, beside n-gram models of the same training tokens."""
    end = data.end_of_text_id(corpus.tokenizer)
    text = np.concatenate([[end], corpus.validation])  # each model may know that the text follows an end of text
    rows = {"gpt": training.token_losses(model, corpus.validation, end_of_text=end)}
    counted = corpus.train[:_NGRAM_TOKENS]
    for order, name in enumerate(("unigram", "bigram", "trigram"), start=1):
        rows[name] = NGram(order, model.config.vocab_size).fit(counted).losses(text)[1:]
    part = "" if len(counted) == len(corpus.train) else f"; n-grams of the first {len(counted):,} training tokens"
    print(f"bits per byte on {corpus.validation_bytes.sum():,} bytes of held-out text (lower is better{part})")
    for name, losses in rows.items():
        print(f"  {name:<8} {_bits_per_byte(losses, corpus)}")


def _bits_per_byte(losses: Float[np.ndarray, " time"], corpus: data.TokenCorpus) -> str:
    """The score with its interval, which a few documents do not give: the run ends well without it."""
    n_bytes, module = corpus.validation_bytes, corpus.validation_module
    try:
        score = training.bits_per_byte(losses, n_bytes, module, seed=0)
    except ValueError:
        score_alone, few = losses.sum() / math.log(2) / n_bytes.sum(), len(np.unique(module))
        return f"{score_alone:.3f}  (no interval: {few} held-out documents are too few)"
    return f"{score.estimate:.3f}  ({score.level:.0%} interval {score.low:.3f} to {score.high:.3f})"
