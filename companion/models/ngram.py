r"""Interpolated Kneser-Ney n-gram models: what a language model has to beat.

With counts :math:`c`, discount :math:`D`, and :math:`N_{1+}(h\,\cdot)` distinct followers of a context h
(Ney, Essen & Kneser 1994; Chen & Goodman 1999, equation 4.13):

.. math::

    p_n(w \mid h) = \frac{\max(c(hw) - D, 0)}{c(h\,\cdot)}
    + \frac{D\, N_{1+}(h\,\cdot)}{c(h\,\cdot)}\; p_{n-1}(w \mid h')

where :math:`h'` is h without its oldest token. Orders below the highest count in how many contexts a token was seen,
:math:`N_{1+}(\cdot\, hw)`, in place of how often. The unigram model is mixed with the uniform one, so no token has
probability 0. A context never seen leaves all to the lower order.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float, Int, Integer

Tokens = Integer[np.ndarray, " time"]


@dataclass(frozen=True)
class _Level:
    """Counts of one order; n-grams and contexts are numbers in base ``vocab_size``, sorted."""

    grams: Int[np.ndarray, " grams"]
    counts: Int[np.ndarray, " grams"]
    contexts: Int[np.ndarray, " contexts"]
    totals: Int[np.ndarray, " contexts"]
    followers: Int[np.ndarray, " contexts"]


class NGram:
    """An interpolated Kneser-Ney model of the given order (1 unigram, 2 bigram, 3 trigram).

    Args:
        order: tokens looked at, the predicted one included.
        vocab_size: number of distinct tokens.
        discount: D, what is taken from each count, in (0, 1).

    Raises:
        ValueError: for a value out of its range, or an order whose n-grams do not fit 63 bits.

    Example:
        >>> text = np.frombuffer(b"to be or not to be, that is the question", dtype=np.uint8).astype(np.int64)
        >>> model = NGram(3, vocab_size=256).fit(text)
        >>> losses = model.losses(np.frombuffer(b"to be", dtype=np.uint8).astype(np.int64))
        >>> (losses / np.log(2)).round(1).tolist()  # bits a character
        [3.2, 3.1, 0.5, 0.6, 0.4]
    """

    def __init__(self, order: int, vocab_size: int, *, discount: float = 0.75) -> None:
        if order < 1 or vocab_size < 1 or vocab_size**order >= 2**63:
            raise ValueError(f"expected order >= 1 and vocab_size**order < 2**63, got {order} and {vocab_size}")
        if not 0 < discount < 1:
            raise ValueError(f"expected discount in (0, 1), got {discount}")
        self.order, self.vocab_size, self.discount = order, vocab_size, discount
        self.levels: list[_Level] = []

    def fit(self, tokens: Tokens) -> Self:
        """Counts ``tokens``.

        Raises:
            ValueError: for fewer tokens than the order, or tokens outside the vocabulary.
        """
        codes = self._codes(tokens, self.order)
        grams, counts = np.unique(codes, return_counts=True)
        levels = []
        for order in range(self.order, 0, -1):
            contexts, starts = np.unique(grams // self.vocab_size, return_index=True)
            followers = np.diff(starts, append=len(grams))
            levels.append(_Level(grams, counts, contexts, np.add.reduceat(counts, starts), followers))
            # One order down, a gram counts once for each distinct token seen before it.
            grams, counts = np.unique(grams % self.vocab_size ** (order - 1), return_counts=True)
        self.levels = levels[::-1]
        return self

    def losses(self, tokens: Tokens) -> Float[np.ndarray, " time"]:
        """-log p of each token given those before it, in nats; the first ones are given what context there is.

        Raises:
            RuntimeError: before :meth:`fit`.
            ValueError: for no tokens, or tokens outside the vocabulary.
        """
        if not self.levels:
            raise RuntimeError("expected a fitted model, got one without counts: call fit first")
        p = np.full(len(tokens), 1 / self.vocab_size)
        for order, level in enumerate(self.levels, start=1):
            codes = self._codes(tokens, order)
            counts = _look_up(level.grams, level.counts, codes)
            contexts = codes // self.vocab_size
            totals = _look_up(level.contexts, level.totals, contexts)
            left = self.discount * _look_up(level.contexts, level.followers, contexts)
            lower = p[order - 1 :]
            seen = totals > 0
            mixed = (np.maximum(counts - self.discount, 0) + left * lower) / np.where(seen, totals, 1)
            p[order - 1 :] = np.where(seen, mixed, lower)
        return -np.log(p)

    def _codes(self, tokens: Tokens, order: int) -> Int[np.ndarray, " grams"]:
        """Each run of ``order`` tokens as one number; the oldest token is the highest digit."""
        if len(tokens) < order:
            raise ValueError(f"expected at least {order} tokens, got {len(tokens)}")
        if tokens.min() < 0 or tokens.max() >= self.vocab_size:
            got = f"{tokens.min()} to {tokens.max()}"
            raise ValueError(f"expected tokens from 0 to vocab_size - 1 = {self.vocab_size - 1}, got {got}")
        codes = np.zeros(len(tokens) - order + 1, dtype=np.int64)
        for place in range(order):
            codes = codes * self.vocab_size + tokens[place : place + len(codes)]
        return codes


def _look_up(
    keys: Int[np.ndarray, " keys"], values: Int[np.ndarray, " keys"], wanted: Int[np.ndarray, " wanted"]
) -> Int[np.ndarray, " wanted"]:
    """The value of each wanted key, 0 where there is none; ``keys`` are sorted."""
    places = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0)
