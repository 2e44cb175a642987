"""Drawing the next token from logits: greedy, temperature, top-k, top-p."""

import math

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

    Computed in float32 or finer, whatever the dtype of ``logits``. Toward temperature 0 the draw becomes greedy.

    Raises:
        ValueError: for a temperature below 0 or infinite; for a row whose largest logit is no finite number (NaN, +∞,
            or -∞ in all places), in greedy decoding too; or as :func:`keep_likeliest`.
    """
    if not 0 <= temperature < math.inf:
        raise ValueError(f"expected temperature of at least 0 (0 is greedy) and finite, got {temperature}")
    check_filters(top_k, top_p)
    largest, token = logits.max(dim=-1)
    if not all(map(math.isfinite, largest.tolist())):  # the largest is NaN where any is
        raise ValueError(
            "expected logits with a finite largest value, got NaN or infinity: are the model's weights finite, and "
            "does its dtype hold its activations (float16 ends at 65,504)?"
        )
    if temperature == 0:
        return token
    wide = torch.promote_types(logits.dtype, torch.float32)
    tempered = _tempered(logits.to(wide), largest.to(wide), temperature)
    kept = _filtered(tempered, top_k, top_p, torch.finfo(logits.dtype).eps)
    return torch.multinomial(kept.softmax(dim=-1), 1, generator=generator)[:, 0]


def keep_likeliest(
    logits: Float[Tensor, "batch vocab"], *, top_k: int | None = None, top_p: float | None = None
) -> Float[Tensor, "batch vocab"]:
    r"""Logits with all but the likeliest at -∞: the ``top_k``, and of these the smallest set that reaches ``top_p``.

    Probabilities are added up in float64. A set reaches p where it misses it by no more than the rounding of logits to
    this dtype: by :math:`\epsilon\,p(1-p)` with machine epsilon :math:`\epsilon`, since logits that are off by
    :math:`\mathrm{d}\ell` change a set's probability by :math:`\mathrm{d}P = P(1-P)\,\mathrm{d}\ell`. So two of the
    probabilities (.5, .3, .1, .1) reach .8 in every dtype, and p = 1 keeps all.

    Raises:
        ValueError: for ``top_k`` below 1 or ``top_p`` outside (0, 1].
    """
    check_filters(top_k, top_p)
    return _filtered(logits, top_k, top_p, torch.finfo(logits.dtype).eps)


def check_filters(top_k: int | None, top_p: float | None) -> None:
    """Refuses what :func:`keep_likeliest` refuses.

    Raises:
        ValueError: naming the option and its value.
    """
    if top_k is not None and top_k < 1:
        raise ValueError(f"expected top_k of at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"expected top_p in (0, 1], got {top_p}")


def _tempered(
    logits: Float[Tensor, "batch vocab"], largest: Float[Tensor, " batch"], temperature: float
) -> Float[Tensor, "batch vocab"]:
    """Logits over the temperature, the largest at 0, so that a tiny temperature gives -∞ to the others and no NaN."""
    # What the dtype cannot divide by would be 0 or infinity.
    info = torch.finfo(logits.dtype)
    return (logits - largest[:, None]) / min(max(temperature, info.tiny), info.max)


def _filtered(
    logits: Float[Tensor, "batch vocab"], top_k: int | None, top_p: float | None, eps: float
) -> Float[Tensor, "batch vocab"]:
    """What :func:`keep_likeliest` returns, for logits that were rounded to a relative precision of ``eps``."""
    if top_k is not None:
        smallest = logits.topk(min(top_k, logits.shape[-1])).values[:, -1:]
        logits = logits.masked_fill(logits < smallest, -torch.inf)
    if top_p is not None and top_p < 1:  # 1 keeps even what is lost in rounding beside the others
        ordered, order = logits.sort(descending=True, stable=True)
        probability = ordered.softmax(dim=-1, dtype=torch.float64)
        before = probability.cumsum(dim=-1) - probability  # what likelier tokens reach without this one
        rounding = eps * (1 - top_p) + 8 * torch.finfo(torch.float64).eps  # of the logits, and of the sum
        reached = before >= top_p * (1 - rounding)
        logits = logits.masked_fill(reached.gather(-1, order.argsort(dim=-1)), -torch.inf)
    return logits
