"""Continuous batching: requests join and leave a running batch between two tokens (Yu et al. 2022, section 3.1).

The batch is a table with a column for each position. All rows end at the same column, and each starts at one of its
own; keys and values do not depend on the column, since positions are counted from a row's first. So a request that
joins is read by itself, and its keys and values are then copied into the table, against the table's right edge.
Departure from the paper: a prompt is read whole, while the others wait; its iteration-level scheduling is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from companion.models import GPT
from companion.models.gpt_layers.cache import KVCache
from companion.models.sampling import check_filters, check_seed, check_temperature, make_generator, sample


@dataclass(frozen=True)
class Sampling:
    """How a request draws its tokens: as :meth:`companion.models.GPT.generate`; ``seed`` None draws anew each time.

    Raises:
        ValueError: for a temperature, ``top_p`` or ``seed`` out of its range, or fewer than one new token.
    """

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"expected max_new_tokens of at least 1, got {self.max_new_tokens}")
        check_temperature(self.temperature)
        check_filters(None, self.top_p)
        check_seed(self.seed)


@dataclass(eq=False)
class Row:
    """One request in the batch: how many positions the table holds of it, its last token, how it draws."""

    seen: int
    last: int
    sampling: Sampling
    generator: torch.Generator = field(repr=False)
    written: int = 1


class Batch:
    """The running requests of one model, and the keys and values that they have so far.

    Example:
        >>> from companion.models import GPTConfig
        >>> batch = Batch(GPT(GPTConfig(vocab_size=11, block_size=8, n_layer=1, n_head=1, n_embd=4)).eval())
        >>> early = batch.join([1, 2, 3], Sampling(4, temperature=0))
        >>> batch.step()
        >>> late = batch.join([7], Sampling(4, temperature=0))  # its first token is drawn at once
        >>> batch.step()
        >>> early.written, late.written
        (3, 2)
    """

    def __init__(self, model: GPT) -> None:
        self.model = model
        self.rows: list[Row] = []
        self._cache: KVCache | None = None

    @torch.inference_mode()
    def join(self, tokens: Sequence[int], sampling: Sampling) -> Row:
        """Reads a prompt and draws its first token; the prompt and what follows must fit the model's ``block_size``."""
        like = self.model.get_parameter("ln_f.weight")
        prompt = torch.tensor([tokens], device=like.device)
        alone = KVCache(self.model.config, 1, len(tokens), like)
        generator = make_generator(sampling.seed, like.device)
        row = Row(len(tokens), 0, sampling, generator)
        row.last = self._draw(self.model.next_logits(prompt, alone), [row])[0]
        self._rebuild([(self._cache, i, each) for i, each in enumerate(self.rows)] + [(alone, 0, row)])
        return row

    @torch.inference_mode()
    def step(self) -> None:
        """Draws one token of each row."""
        if not self.rows:
            return
        if self._cache is None or self._cache.length == self._cache.layers[0].shape[2]:
            self._rebuild([(self._cache, i, row) for i, row in enumerate(self.rows)])
        assert self._cache is not None  # rebuilt where it was not
        end, device = self._cache.length, self._cache.layers[0].device
        last = torch.tensor([[row.last] for row in self.rows], device=device)
        first = [end - row.seen for row in self.rows]
        behind = torch.tensor(first, device=device) if any(first) else None
        drawn = self._draw(self.model.next_logits(last, self._cache, behind), self.rows)
        for row, token in zip(self.rows, drawn, strict=True):
            row.last, row.seen, row.written = token, row.seen + 1, row.written + 1

    def leave(self, gone: Sequence[Row]) -> None:
        """Takes rows out."""
        if gone:
            self._rebuild([(self._cache, i, row) for i, row in enumerate(self.rows) if row not in gone])

    def _draw(self, logits: Tensor, rows: Sequence[Row]) -> list[int]:
        if all(row.sampling.temperature == 0 for row in rows):
            return sample(logits, temperature=0).tolist()
        return [
            int(sample(one[None], temperature=s.temperature, top_p=s.top_p, generator=row.generator))
            for one, row in zip(logits, rows, strict=True)
            for s in (row.sampling,)
        ]

    def _rebuild(self, sources: Sequence[tuple[KVCache | None, int, Row]]) -> None:
        """A table of these rows, each copied from its row of a cache, with room for what they may still write."""
        self.rows = [row for _, _, row in sources]
        if not sources:
            self._cache = None
            return
        end = max(row.seen for row in self.rows)
        room = end + max(row.sampling.max_new_tokens - row.written for row in self.rows)
        like = next(cache.layers[0] for cache, _, _ in sources if cache is not None)
        table = KVCache(self.model.config, len(self.rows), room, like)
        for to, layer in enumerate(table.layers):
            for place, (cache, i, row) in enumerate(sources):
                assert cache is not None  # each row came with one
                kept = cache.layers[to][i, :, cache.length - row.seen : cache.length]
                layer[
                    place, :, : end - row.seen
                ].zero_()  # what is masked is multiplied by 0, which must not meet a NaN
                layer[place, :, end - row.seen : end].copy_(kept)
        table.length = end
        self._cache = table
