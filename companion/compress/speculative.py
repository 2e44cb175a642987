r"""Speculative decoding: a small model drafts tokens, the large one judges all in one pass (Leviathan et al. 2023).

Writing is bound by reading weights, and reading them for :math:`\gamma + 1` positions takes hardly longer than for one.
A draft token :math:`x \sim q` is kept with probability :math:`\min(1, p(x)/q(x))`, where :math:`p` is the target's
distribution; the first that is not kept is drawn again from :math:`\max(0, p - q)`, normalized. What is written is then
distributed exactly as if the target had written alone (arXiv:2211.17192, appendix A.1; Chen et al. 2023,
arXiv:2302.01318). Where each token is kept with probability :math:`\alpha`, independently of the others, a pass of the
target writes

.. math:: \frac{1 - \alpha^{\gamma + 1}}{1 - \alpha}

tokens on average (equation 1). With :math:`c` as the time of a draft step over that of the target's, writing is that
many times faster over :math:`\gamma c + 1` (theorem 3.8): a draft that is slow or wrong makes it slower.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from companion.checks import check_whole, is_number
from companion.models import GPT
from companion.models.gpt_layers.cache import KVCache
from companion.models.gpt_layers.writing import stop_list
from companion.models.modes import evaluating
from companion.models.sampling import (
    check_filters,
    check_finite,
    check_temperature,
    make_generator,
    probabilities,
)


@dataclass(frozen=True)
class SpeculativeText:
    """What :func:`speculative_generate` wrote, and how often the draft was right.

    Attributes:
        tokens: the prompt and what follows, int64 [1, time].
        passes: of the target, but for the one that reads the prompt where nothing is drafted with it.
        judged: draft tokens that the target looked at, up to the first of each pass that it did not keep.
        kept: of these, those that it kept.
    """

    tokens: Tensor
    passes: int
    judged: int
    kept: int

    @property
    def acceptance(self) -> float:
        """The proportion of judged tokens that were kept, an estimate of α; NaN where none was judged."""
        return self.kept / self.judged if self.judged else float("nan")


def expected_tokens(acceptance: float, gamma: int) -> float:
    r"""Tokens that a pass of the target writes on average, :math:`(1 - \alpha^{\gamma+1}) / (1 - \alpha)`.

    Raises:
        ValueError: for an acceptance outside [0, 1] or ``gamma`` below 0.

    Example:
        >>> round(expected_tokens(0.8, 5), 2)
        3.69
    """
    if not is_number(acceptance) or not 0 <= acceptance <= 1:
        raise ValueError(f"expected acceptance from 0 to 1, got {acceptance!r}")
    check_whole("gamma", gamma, at_least=0, advice="it is how many tokens are drafted")
    return float(sum(acceptance**i for i in range(gamma + 1)))


def speculative_generate(
    target: GPT,
    draft: GPT,
    tokens: Int[Tensor, "1 time"],
    max_new_tokens: int,
    *,
    gamma: int = 4,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    stop_tokens: Sequence[int] | None = None,
) -> SpeculativeText:
    """Writes as ``target.generate`` would, in fewer passes of the target: the same distribution, other draws.

    Greedy, at temperature 0, it writes the same tokens, up to ties and rounding.

    Args:
        target: the model whose distribution counts.
        draft: a smaller one with the same tokens.
        tokens: one prompt.
        max_new_tokens: how many tokens to add at most; with the prompt they must fit both models' ``block_size``.
        gamma: how many tokens are drafted before each pass of the target; 0 drafts none.
        temperature: of both models; 0 is greedy.
        top_k: as ``generate``, for both models.
        top_p: as ``generate``, for both models.
        seed: the same seed gives the same tokens, on the same device.
        stop_tokens: what ends the text.

    Raises:
        ValueError: for two vocabularies, more rows than one, a text that does not fit, an option out of its range, or
            logits that are not finite.

    Example:
        >>> from companion.models import GPTConfig
        >>> config = GPTConfig(vocab_size=11, block_size=32, n_layer=2, n_head=2, n_embd=8)
        >>> model, prompt = GPT(config), torch.tensor([[1, 2, 3]])
        >>> text = speculative_generate(model, model, prompt, 10, gamma=4, seed=0)  # a draft that is always right
        >>> text.tokens.shape, text.passes, text.acceptance
        (torch.Size([1, 13]), 2, 1.0)
    """
    _check(target, draft, tokens, max_new_tokens, gamma)
    check_temperature(temperature)
    check_filters(top_k, top_p)
    stop = set(stop_list(stop_tokens, target.config.vocab_size))
    generator = make_generator(seed, tokens.device)
    room = tokens.shape[1] + max_new_tokens
    with ExitStack() as stack:
        for model in (target, draft):
            stack.enter_context(evaluating(model))
        stack.enter_context(torch.inference_mode())
        judge, guess = (_Model(model, room, (temperature, top_k, top_p), generator) for model in (target, draft))
        return _write(judge, guess, tokens, room, gamma, stop)


class _Model:
    """A model with its cache, and the distributions that its options make of logits."""

    def __init__(
        self, model: GPT, room: int, options: tuple[float, int | None, float | None], generator: torch.Generator
    ) -> None:
        self.model, self.options, self.generator = model, options, generator
        self.cache = KVCache(model.config, 1, room, model.get_parameter("ln_f.weight"))

    def after(self, text: Int[Tensor, "1 time"]) -> Float[Tensor, "new vocab"]:
        """The distributions after the tokens of a text that the cache does not hold yet."""
        logits = self.model.cached_logits(text[:, self.cache.length :], self.cache)[0]
        temperature, top_k, top_p = self.options
        check_finite(logits.amax(dim=-1, keepdim=True))
        if temperature == 0:
            return torch.nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(torch.float32)
        return probabilities(logits, temperature=temperature, top_k=top_k, top_p=top_p)

    def draw(self, p: Float[Tensor, " vocab"]) -> Int[Tensor, "1 1"]:
        """A token."""
        return torch.multinomial(p, 1, generator=self.generator)[None]


def _write(
    target: _Model, draft: _Model, text: Int[Tensor, "1 time"], room: int, gamma: int, stop: set[int]
) -> SpeculativeText:
    passes = judged = kept = 0
    while (length := text.shape[1]) < room:
        drafted, q = text, []
        for _ in range(min(gamma, room - length - 1)):
            q.append(draft.after(drafted)[-1])
            drafted = torch.cat([drafted, draft.draw(q[-1])], dim=1)
        p = target.after(drafted)[-len(q) - 1 :]  # after the text, and after each drafted token
        right = _count_kept(p, q, drafted[0, length:], target.generator)
        last = p[right] if right == len(q) else (p[right] - q[right]).clamp(min=0)
        text = torch.cat([drafted[:, : length + right], target.draw(last)], dim=1)
        passes, judged, kept = passes + 1, judged + min(right + 1, len(q)), kept + right
        for model in (target, draft):  # what was not kept leaves the caches, which hold all but the last token
            model.cache.length = min(model.cache.length, length + right)
        ends = [place for place, token in enumerate(text[0, length:].tolist()) if token in stop]
        if ends:
            text = text[:, : length + ends[0] + 1]
            break
    return SpeculativeText(text, passes, judged, kept)


def _count_kept(p: Tensor, q: list[Tensor], drafted: Int[Tensor, " drafted"], generator: torch.Generator) -> int:
    """How many drafted tokens are kept before the first that is not."""
    for i, token in enumerate(drafted.tolist()):
        chance = torch.rand((), generator=generator, device=p.device)
        if chance * q[i][token] >= p[i, token]:  # kept with probability min(1, p/q); one that p excludes never
            return i
    return len(q)


def _check(target: GPT, draft: GPT, tokens: Tensor, max_new_tokens: int, gamma: int) -> None:
    sizes = target.config.vocab_size, draft.config.vocab_size
    if sizes[0] != sizes[1]:
        raise ValueError(f"expected a draft with the target's tokens, got vocab_size {sizes[1]} for {sizes[0]}")
    if tokens.ndim != 2 or tokens.shape[0] != 1 or not tokens.shape[1]:
        raise ValueError(f"expected one prompt [1, time], got {list(tokens.shape)}: write one text at a time")
    check_whole("max_new_tokens", max_new_tokens, at_least=0, advice="it is how many tokens to add")
    check_whole("gamma", gamma, at_least=0, advice="it is how many tokens are drafted")
    block = min(target.config.block_size, draft.config.block_size)
    if tokens.shape[1] + max_new_tokens > block:
        raise ValueError(
            f"expected prompt and new tokens to fit both models' block_size, at most {block}, got {tokens.shape[1]} + "
            f"{max_new_tokens}: cut the prompt or ask for fewer"
        )
