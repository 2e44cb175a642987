r"""How fast a language model can write at best, and what a million tokens then cost.

A step writes one token of each of :math:`B` sequences. It reads all weights once and every sequence's cache, and does
two operations for each weight and sequence:

.. math:: t = \frac{B \cdot \text{cache}}{\text{bandwidth}} +
    \max\left(\frac{2 B N}{\text{FLOP/s}}, \frac{\text{weights}}{\text{bandwidth}}\right)

(Austin et al. 2025, *How to Scale Your Model*, section on inference.) Attention alone does too few operations a byte
to be bound by them. Real servers stay below this, and never above.
"""

from dataclasses import dataclass

from companion.checks import check_whole
from companion.economics.accelerators import Accelerator
from companion.economics.compute import parameter_count
from companion.economics.memory import ServingMemory, serving_memory
from companion.models.gpt_config import GPTConfig
from companion.stats.base.options import check_positive


@dataclass(frozen=True)
class DecodeStep:
    """One step of a server at its best.

    Attributes:
        memory: weights and cache, in bytes.
        seconds: a step, which is the time between two tokens of one answer.
        tokens_per_second: of all sequences together.
    """

    memory: ServingMemory
    seconds: float
    tokens_per_second: float

    def dollars_per_million(self, price: float) -> float:
        """What a million tokens cost at ``price`` dollars an hour for the accelerator, always busy."""
        check_positive("price", price)
        return 1e6 * price / 3_600 / self.tokens_per_second


def decode_step(
    config: GPTConfig,
    accelerator: Accelerator,
    *,
    batch: int,
    time: int,
    weight_bytes: float = 2,
    cache_bytes: int = 2,
) -> DecodeStep:
    """The fastest step with ``batch`` sequences of ``time`` tokens open, whether or not they fit.

    Args:
        config: the model's sizes.
        accelerator: where it runs.
        batch: sequences that are written at once.
        time: tokens of each that the cache holds.
        weight_bytes: of a weight.
        cache_bytes: of a number of the cache.

    Raises:
        ValueError: for sizes that are no positive whole numbers.
    """
    memory = serving_memory(config, batch=batch, time=time, weight_bytes=weight_bytes, cache_bytes=cache_bytes)
    compute = 2 * batch * parameter_count(config) / accelerator.flops
    seconds = memory.kv_cache / accelerator.bandwidth + max(compute, memory.weights / accelerator.bandwidth)
    return DecodeStep(memory=memory, seconds=seconds, tokens_per_second=batch / seconds)


def largest_batch(
    config: GPTConfig, accelerator: Accelerator, *, time: int, weight_bytes: float = 2, cache_bytes: int = 2
) -> int:
    """How many sequences of ``time`` tokens fit beside the weights; 0 where the weights alone do not.

    Arguments as :func:`decode_step`.

    >>> from companion.models import PUBLISHED
    >>> largest_batch(PUBLISHED["Llama-2 7B"], Accelerator(989e12, 3.35e12, 80e9), time=4_096)
    30
    """
    check_whole("time", time, at_least=1, advice="it is a number of tokens")
    one = serving_memory(config, batch=1, time=time, weight_bytes=weight_bytes, cache_bytes=cache_bytes)
    return max(0, int((accelerator.memory - one.weights) // one.kv_cache))
