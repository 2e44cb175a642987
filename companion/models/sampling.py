"""Drawing the next token from logits: greedy, temperature, top-k, top-p."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def sample(
    logits: Float[Tensor, "batch vocab"],
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, " batch"]:
    """One token a row, drawn from softmax(logits / temperature) after :func:`keep_likeliest`; greedy at temperature 0.

    Raises:
        ValueError: for a temperature below 0, or as :func:`keep_likeliest`.
    """
    if not temperature >= 0:
        raise ValueError(f"expected temperature of at least 0 (0 is greedy), got {temperature}")
    if temperature == 0:
        return logits.argmax(dim=-1)
    kept = keep_likeliest(logits / temperature, top_k=top_k, top_p=top_p)
    return torch.multinomial(kept.softmax(dim=-1), 1, generator=generator)[:, 0]


def keep_likeliest(
    logits: Float[Tensor, "batch vocab"], *, top_k: int | None = None, top_p: float | None = None
) -> Float[Tensor, "batch vocab"]:
    """Logits with all but the likeliest at -∞: the ``top_k``, and of these the smallest set that reaches ``top_p``.

    Raises:
        ValueError: for ``top_k`` below 1 or ``top_p`` outside (0, 1].
    """
    if top_k is not None:
        if top_k < 1:
            raise ValueError(f"expected top_k of at least 1, got {top_k}")
        smallest = logits.topk(min(top_k, logits.shape[-1])).values[:, -1:]
        logits = logits.masked_fill(logits < smallest, -torch.inf)
    if top_p is not None:
        if not 0 < top_p <= 1:
            raise ValueError(f"expected top_p in (0, 1], got {top_p}")
        ordered, order = logits.sort(descending=True, stable=True)
        probability = ordered.softmax(dim=-1)
        before = probability.cumsum(dim=-1) - probability  # what likelier tokens reach without this one
        logits = logits.masked_fill((before >= top_p).gather(-1, order.argsort(dim=-1)), -torch.inf)
    return logits
