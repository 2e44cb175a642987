"""Writing with a GPT, token by token: what each row of a batch still sees, when it stops, what the cache holds.

A batch is a table with a column for each position. All rows end at the same column; each starts at one of its own, its
first token behind the padding or, once it has outgrown the window, the first token that it still sees.
"""

import operator
from collections.abc import Callable, Sequence
from typing import TypedDict

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from companion.models.gpt_layers.cache import KVCache
from companion.models.sampling import check_finite

#: New tokens, the cache, and each row's first column (None where all start at 0), to the logits after the last token.
Logits = Callable[[Tensor, KVCache, Tensor | None], Float[Tensor, "batch vocab"]]
#: Logits to a column of tokens, and the largest logits, as :func:`companion.models.sampling.draw`.
Draw = Callable[[Tensor], tuple[Int[Tensor, "batch 1"], Float[Tensor, "batch 1"]]]


class WritingOptions(TypedDict, total=False):
    """What :meth:`companion.models.GPT.generate` takes by name, and says there."""

    temperature: float
    top_k: int | None
    top_p: float | None
    seed: int | None
    stop_tokens: Sequence[int] | None
    padding_mask: Tensor | None
    cache_class: type[KVCache] | None


class Writer:
    """Adds tokens to ``tokens``, one column a :meth:`step`.

    Args:
        tokens: the prompts.
        new: how many columns to add at most.
        first: of each row, its first column.
        stop: tokens that finish a row, which then repeats its last one.
        block: how many tokens a row can see; one that would outgrow it keeps the last half of them.
        cache: room for that many columns.
        logits: the model.
        draw: a token a row, from the logits.
    """

    def __init__(
        self,
        tokens: Int[Tensor, "batch time"],
        new: int,
        *,
        first: Sequence[int],
        stop: Sequence[int],
        block: int,
        cache: KVCache,
        logits: Logits,
        draw: Draw,
    ) -> None:
        self._parts = [tokens]
        self._end, self._full = tokens.shape[1], tokens.shape[1] + new
        self._block, self._cache, self._logits, self._draw = block, cache, logits, draw
        self._stop = torch.tensor(stop, device=tokens.device) if stop else None
        self._done = torch.zeros(tokens.shape[0], 1, dtype=torch.bool, device=tokens.device)
        self._finite = torch.zeros(tokens.shape[0], 1, device=tokens.device)
        self.finished = new == 0
        self._see_from(list(first))

    @property
    def written(self) -> Int[Tensor, "batch longer"]:
        """The prompts, and what follows them so far."""
        return torch.cat(self._parts, dim=1)

    @property
    def last(self) -> Int[Tensor, " batch"]:
        """The last token of each row."""
        return self._parts[-1][:, -1]

    def step(self) -> None:
        """Draws one token of each row. Without stop tokens, nothing here waits for a GPU."""
        if self._end - self._base > self._block:
            kept = self._end - (self._block + 1) // 2
            self._see_from([kept if self._end - first > self._block else first for first in self._first])
        new = self._parts[-1] if self._cache.length else self.written[:, self._base :]
        token, largest = self._draw(self._logits(new, self._cache, self._behind))
        self._finite.add_(largest, alpha=0)  # 0, and NaN from the first largest on that is not finite: 0 · ∞ is NaN
        token = token.to(new.dtype)
        if self._stop is not None:
            token = torch.where(self._done, new[:, -1:], token)
            self._done |= torch.isin(token, self._stop)
            self.finished = bool(self._done.all())
        self._parts.append(token)
        self._end += 1
        self.finished |= self._end == self._full

    def check(self) -> None:
        """Refuses what was written from logits that were not finite; this waits for a GPU.

        Raises:
            ValueError: as :func:`companion.models.sampling.check_finite`.
        """
        check_finite(self._finite)

    def _see_from(self, first: list[int]) -> None:
        """Lets each row start at its column of ``first``; the cache, which starts at the least of them, is empty."""
        self._first, self._base, self._cache.length = first, min(first), 0
        behind = [column - self._base for column in first]
        self._behind = torch.tensor(behind, device=self._done.device) if any(behind) else None


def first_columns(tokens: Int[Tensor, "batch time"], padding_mask: Bool[Tensor, "batch time"] | None) -> list[int]:
    """The column of each row's first token.

    Raises:
        ValueError: for a mask of another shape or dtype, with padding elsewhere than on the left, or with a row that is
            all padding.
    """
    if padding_mask is None:
        return [0] * tokens.shape[0]
    if padding_mask.shape != tokens.shape or padding_mask.dtype is not torch.bool:
        got = f"{padding_mask.dtype} of shape {tuple(padding_mask.shape)}"
        raise ValueError(f"expected a boolean padding_mask of shape {tuple(tokens.shape)}, as tokens, got {got}")
    if not (padding_mask[:, -1].all() and (padding_mask[:, 1:] >= padding_mask[:, :-1]).all()):
        raise ValueError(
            "expected padding_mask to be True at tokens, with padding on the left only and a token in every row, got "
            "another: a row goes on from its last column, so move its padding to its start"
        )
    return (~padding_mask).sum(dim=1).tolist()


def stop_list(stop_tokens: Sequence[int] | None, vocab_size: int) -> list[int]:
    """``stop_tokens`` as a list, empty for none.

    Raises:
        TypeError: where it is no list of integers.
        ValueError: where one of them is no token.
    """
    try:
        stop = [operator.index(token) for token in stop_tokens or ()]
    except TypeError as error:
        raise TypeError(f"expected stop_tokens as a list of integers, got {stop_tokens!r}") from error
    if bad := [token for token in stop if not 0 <= token < vocab_size]:
        raise ValueError(f"expected stop_tokens from 0 to vocab_size - 1 = {vocab_size - 1}, got {bad}")
    return stop


def positions(
    start: int, end: int, device: torch.device, first: Int[Tensor, " batch"] | None
) -> Int[Tensor, "*rows new"]:
    """The positions of the columns from ``start`` to before ``end``, counted from each row's first; padding is at 0."""
    columns = torch.arange(start, end, device=device)
    return columns if first is None else (columns - first[:, None]).clamp(min=0)


def visible(first: Int[Tensor, " batch"], start: int, end: int) -> Bool[Tensor, "batch 1 new seen"]:
    """What the columns from ``start`` to before ``end`` see: what is not later, and not before the row's first."""
    seen, new = torch.arange(end, device=first.device), torch.arange(start, end, device=first.device)[:, None]
    # Padding sees itself: a softmax over nothing would be NaN, and NaN times a weight of 0 still is.
    return (((seen <= new) & (seen >= first[:, None, None])) | (seen == new))[:, None]
