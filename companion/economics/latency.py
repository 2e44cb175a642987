r"""How long one answer takes at best: reading the prompt, then a token at a time.

A prompt of :math:`T` tokens is read in one pass, bound by operations where it is long and by reading the weights where
it is short (the roofline of Williams et al. 2009):

.. math:: t_\text{first} = \max\left(\frac{\text{FLOPs of a forward pass}}{\text{FLOP/s}},
    \frac{\text{weights}}{\text{bandwidth}}\right)

Each further token takes a step of :func:`decode_step`, whose cache grows by one. No machine reaches both peaks:
measure one model on it, and give the rates that it reached.
"""

from dataclasses import dataclass

from companion.checks import check_whole
from companion.economics.accelerators import Accelerator
from companion.economics.compute import forward_flops
from companion.economics.decoding import decode_step
from companion.economics.memory import serving_memory
from companion.models.gpt_config import GPTConfig


@dataclass(frozen=True)
class AnswerLatency:
    """Seconds of one answer at best.

    Attributes:
        first_token: until the first token, with nothing waiting before it.
        per_token: between two tokens, on average over the answer; 0 where there is one token only.
        total: until the last token.
        prompt_is_bound_by: ``compute``, or ``bandwidth`` where the prompt is too short to keep the processor busy.
    """

    first_token: float
    per_token: float
    total: float
    prompt_is_bound_by: str


def answer_latency(
    config: GPTConfig,
    accelerator: Accelerator,
    *,
    prompt: int,
    new: int,
    batch: int = 1,
    weight_bytes: float = 2,
    cache_bytes: int = 2,
) -> AnswerLatency:
    """The fastest answer of ``new`` tokens to a prompt, beside ``batch - 1`` others of the same lengths.

    Args:
        config: the model's sizes.
        accelerator: where it runs.
        prompt: tokens that are read.
        new: tokens that are written.
        batch: answers that are written at once.
        weight_bytes: of a weight: 2 in bfloat16, 1 in 8 bits; operations count alike.
        cache_bytes: of a number of the cache.

    Raises:
        ValueError: for sizes that are no positive whole numbers.

    >>> from companion.economics import ACCELERATORS
    >>> from companion.models import PUBLISHED
    >>> latency = answer_latency(PUBLISHED["Llama-2 7B"], ACCELERATORS["H100"], prompt=1_000, new=200)
    >>> round(1e3 * latency.first_token, 1), round(1e3 * latency.per_token, 2), latency.prompt_is_bound_by
    (13.6, 4.2, 'compute')
    """
    check_whole("new", new, at_least=1, advice="it is a number of tokens")
    memory = serving_memory(config, batch=batch, time=prompt, weight_bytes=weight_bytes, cache_bytes=cache_bytes)
    compute = forward_flops(config, batch=batch, time=prompt, causal=True) / accelerator.flops
    reading = memory.weights / accelerator.bandwidth
    first, bound = max((compute, "compute"), (reading, "bandwidth"))
    ends = [
        decode_step(config, accelerator, batch=batch, time=time, weight_bytes=weight_bytes, cache_bytes=cache_bytes)
        for time in (prompt + 1, prompt + max(new - 1, 1))
    ]
    per_token = (ends[0].seconds + ends[1].seconds) / 2 if new > 1 else 0.0  # a step's time is linear in the cache
    return AnswerLatency(first, per_token, first + (new - 1) * per_token, bound)
