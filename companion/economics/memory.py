"""What a language model keeps in memory, by part, from its config alone: while it is trained, and while it serves."""

from dataclasses import dataclass

from companion.checks import check_whole
from companion.economics.compute import parameter_count
from companion.models.gpt_config import GPTConfig


@dataclass(frozen=True)
class TrainingMemory:
    """The bytes of one training step on one device, by part.

    Attributes:
        weights: what matrix products read.
        gradients: one number a parameter.
        optimizer: what stays from step to step beside the weights.
        activations: what the forward pass keeps for the backward one.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All parts together."""
        return self.weights + self.gradients + self.optimizer + self.activations


@dataclass(frozen=True)
class ServingMemory:
    """The bytes of a model that serves, by part.

    Attributes:
        weights: one copy, in the format in which they are served.
        kv_cache: keys and values of all positions of all sequences that are open at once.
    """

    weights: int
    kv_cache: int

    @property
    def total(self) -> int:
        """All parts together; activations of a step are small beside them."""
        return self.weights + self.kv_cache


def kv_cache_bytes(config: GPTConfig, *, batch: int, time: int, bytes_each: int = 2) -> int:
    r"""Bytes of the keys and values of ``batch`` sequences of ``time`` tokens.

    .. math:: 2 \cdot n_\text{layer} \cdot H_\text{kv} \cdot d_h \cdot T \cdot B \cdot \text{bytes}

    (2 for keys and values.) With grouped queries (Ainslie et al. 2023) it is :math:`H / H_\text{kv}` times smaller than
    the number of heads suggests.

    Args:
        config: the model's sizes.
        batch: sequences that are open at once, :math:`B`.
        time: tokens of each, :math:`T`.
        bytes_each: of a number: 2 in bfloat16, 1 in 8 bits.

    Raises:
        ValueError: for sizes that are no positive whole numbers.

    >>> from companion.models import PUBLISHED
    >>> kv_cache_bytes(PUBLISHED["Llama-2 7B"], batch=1, time=4_096)
    2147483648
    """
    _check(batch=batch, time=time, bytes_each=bytes_each)
    return 2 * config.n_layer * config.kv_heads * config.head_dim * time * batch * bytes_each


def serving_memory(
    config: GPTConfig, *, batch: int, time: int, weight_bytes: float = 2, cache_bytes: int = 2
) -> ServingMemory:
    """Weights and cache of a model that has ``batch`` sequences of ``time`` tokens open.

    Args:
        config: the model's sizes.
        batch: sequences that are open at once.
        time: tokens of each.
        weight_bytes: of a weight: 2 in bfloat16, 0.5 in 4 bits.
        cache_bytes: of a number of the cache.

    Raises:
        ValueError: for sizes that are no positive whole numbers.
    """
    cache = kv_cache_bytes(config, batch=batch, time=time, bytes_each=cache_bytes)
    return ServingMemory(weights=round(weight_bytes * parameter_count(config)), kv_cache=cache)


def training_memory(
    config: GPTConfig, *, batch: int, time: int, bytes_each: int = 2, recompute: bool = False
) -> TrainingMemory:
    """Bytes of one training step of a :class:`companion.models.GPT` with Adam, by part.

    In mixed precision (``bytes_each=2``) weights and gradients take 2 bytes a parameter each, and Adam 12: a copy of
    the weights in float32 and two means (Rajbhandari et al. 2020, section 3.1). In float32 (``bytes_each=4``) there is
    no copy. Either way it is 16 bytes a parameter. Buffers of communication and fragments between tensors are left out.

    Args:
        config: the model's sizes, with ``dropout=0``.
        batch: sequences of a step on this device.
        time: tokens of each.
        bytes_each: of a number that matrix products read: 2 or 4.
        recompute: keep the input of each block only, and compute the rest again in the backward pass.

    Raises:
        ValueError: for sizes that are no positive whole numbers, another format, or a config with dropout.
    """
    _check(batch=batch, time=time)
    if bytes_each not in (2, 4):
        raise ValueError(f"expected bytes_each of 2 (mixed precision) or 4 (float32), got {bytes_each!r}")
    if config.dropout:
        raise ValueError(f"expected dropout=0, got {config.dropout}: its masks are not counted")
    parameters = parameter_count(config)
    kept = activation_numbers(config, time=time, recompute=recompute) * batch
    return TrainingMemory(
        weights=bytes_each * parameters,
        gradients=bytes_each * parameters,
        optimizer=(16 - 2 * bytes_each) * parameters,
        activations=bytes_each * kept,
    )


def activation_numbers(config: GPTConfig, *, time: int, recompute: bool = False) -> int:
    r"""Numbers that the forward pass of one sequence keeps for the backward one.

    For each token and block, with width :math:`d` and :math:`m` = ``inner``: the inputs of both normalizations and
    their outputs (:math:`4d`), queries, keys and values, attention's output (:math:`d`) and one sum a head, and the
    feed-forward layers: :math:`2m` numbers with GELU, :math:`4m` with a gate. An RMSNorm keeps :math:`d` more. Behind
    the blocks come the last normalization and the logarithms of :math:`V` probabilities. It is linear in ``time``, as
    the fused kernel of attention stores no scores (Dao et al. 2022). Rotary angles, token ids and
    ``qk_norm`` are left out.

    Args:
        config: the model's sizes.
        time: tokens of the sequence.
        recompute: keep each block's input only, and one block at a time in full.
    """
    width = config.n_embd
    norm = 2 * width + (width + 1 if config.norm == "rms" else 2)
    attention = (2 * config.n_head + 2 * config.kv_heads) * config.head_dim + config.n_head
    block = 2 * norm + attention + (4 if config.feed_forward == "swiglu" else 2) * config.inner
    blocks = config.n_layer * width + block if recompute else config.n_layer * block
    return time * (blocks + norm + config.vocab_size)


def _check(**sizes: int) -> None:
    for name, value in sizes.items():
        check_whole(name, value, at_least=1, advice="it is a size")
