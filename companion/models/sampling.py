"""Drawing the next token from logits: greedy, temperature, top-k, top-p."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from companion.checks import is_whole


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
    check_temperature(temperature)
    check_filters(top_k, top_p)
    token, largest = draw(logits, temperature=temperature, top_k=top_k, top_p=top_p, generator=generator)
    check_finite(largest)
    return token[:, 0]


def draw(
    logits: Float[Tensor, "batch vocab"],
    *,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    generator: torch.Generator | None,
) -> tuple[Int[Tensor, "batch 1"], Float[Tensor, "batch 1"]]:
    r"""What :func:`sample` draws, and the largest logits; nothing is checked, so that no step waits for a GPU.

    The draw is a race: with independent :math:`E_i \sim \mathrm{Exp}(1)`, the token with the largest
    :math:`p_i / E_i` is i with probability :math:`p_i`. ``torch.multinomial`` does the same after checks that take
    longer than the draw, and gives the same tokens.
    """
    largest, likeliest = logits.max(dim=-1, keepdim=True)
    if temperature == 0:
        return likeliest, largest
    p = probabilities(logits, temperature=temperature, top_k=top_k, top_p=top_p)
    return (p / torch.empty_like(p).exponential_(generator=generator)).argmax(dim=-1, keepdim=True), largest


def probabilities(
    logits: Float[Tensor, "batch vocab"], *, temperature: float, top_k: int | None, top_p: float | None
) -> Float[Tensor, "batch vocab"]:
    """The distributions that :func:`draw` draws from, for a temperature above 0; nothing is checked."""
    wide = torch.promote_types(logits.dtype, torch.float32)
    tempered = _tempered(logits.to(wide), logits.amax(dim=-1, keepdim=True).to(wide), temperature)
    return _filtered(tempered, top_k, top_p, torch.finfo(logits.dtype).eps).softmax(dim=-1)


def make_generator(seed: int | None, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that the same ``seed`` makes the same, and None another one each time.

    Raises:
        ValueError: as :func:`check_seed`.
    """
    check_seed(seed)
    generator = torch.Generator(device)
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(int(seed))
    return generator


def check_seed(seed: int | None) -> None:
    """Refuses what no generator of torch's takes.

    Raises:
        ValueError: for a seed that is no whole number, or that 64 bits do not hold.
    """
    if seed is not None and not (is_whole(seed) and -(2**63) <= seed < 2**64):
        raise ValueError(f"expected seed to be a whole number from -2**63 to below 2**64, got {seed!r}")


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


def check_temperature(temperature: float) -> None:
    """Refuses what :func:`sample` refuses.

    Raises:
        ValueError: naming the value.
    """
    if not 0 <= temperature < math.inf:
        raise ValueError(f"expected temperature of at least 0 (0 is greedy) and finite, got {temperature}")


def check_finite(largest: Float[Tensor, "batch 1"]) -> None:
    """Refuses logits whose largest are not finite: where one of a row is NaN, so is the largest.

    Raises:
        ValueError: saying what to look for.
    """
    if not largest.isfinite().all():
        raise ValueError(
            "expected logits with a finite largest value, got NaN or infinity: are the model's weights finite, and "
            "does its dtype hold its activations (float16 ends at 65,504)?"
        )


def check_filters(top_k: int | None, top_p: float | None) -> None:
    """Refuses what :func:`keep_likeliest` refuses.

    Raises:
        ValueError: naming the option and its value.
    """
    if top_k is not None and not (is_whole(top_k) and top_k >= 1):
        raise ValueError(f"expected top_k of at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"expected top_p in (0, 1], got {top_p}")


def _tempered(
    logits: Float[Tensor, "batch vocab"], largest: Float[Tensor, "batch 1"], temperature: float
) -> Float[Tensor, "batch vocab"]:
    """Logits over the temperature, the largest at 0, so that a tiny temperature gives -∞ to the others and no NaN."""
    # What the dtype cannot divide by would be 0 or infinity.
    info = torch.finfo(logits.dtype)
    return (logits - largest) / min(max(temperature, info.tiny), info.max)


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
        logits = logits.masked_fill(torch.empty_like(reached).scatter_(-1, order, reached), -torch.inf)
    return logits
