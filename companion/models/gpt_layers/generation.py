"""What generation is asked for, checked, and made into steps: all at once, or one token after the other."""

from collections.abc import Iterator
from functools import partial
from typing import Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.checks import is_whole
from companion.models.gpt_config import GPTConfig
from companion.models.gpt_layers.cache import KVCache
from companion.models.gpt_layers.writing import Logits, Writer, WritingOptions, first_columns, stop_list
from companion.models.modes import evaluating
from companion.models.sampling import check_filters, check_temperature, draw, make_generator


def make_writer(
    config: GPTConfig,
    logits: Logits,
    like: Float[Tensor, "..."],
    tokens: Int[Tensor, "batch time"],
    max_new_tokens: int,
    **options: Unpack[WritingOptions],
) -> Writer:
    """What adds tokens to ``tokens``, which are checked already.

    Args:
        config: of the model.
        logits: of the next token, from new tokens and a cache.
        like: a weight of the model, whose type and device the cache has.
        tokens: the prompts.
        max_new_tokens: how many tokens to add at most.
        options: of :meth:`companion.models.GPT.generate`.

    Raises:
        ValueError: for an option out of its range.
    """
    if not is_whole(max_new_tokens) or max_new_tokens < 0:
        raise ValueError(f"expected max_new_tokens of at least 0, got {max_new_tokens}")
    stop = stop_list(options.get("stop_tokens"), config.vocab_size)
    temperature, top_k, top_p = options.get("temperature", 1.0), options.get("top_k"), options.get("top_p")
    check_temperature(temperature)
    check_filters(top_k, top_p)
    seed = options.get("seed")
    generator = None if seed is None else make_generator(seed, tokens.device)
    room = min(config.block_size, tokens.shape[1] + max_new_tokens)
    return Writer(
        tokens,
        max_new_tokens,
        first=first_columns(tokens, options.get("padding_mask")),
        stop=stop,
        block=config.block_size,
        cache=(options.get("cache_class") or KVCache)(config, tokens.shape[0], room, like),
        logits=logits,
        draw=partial(draw, temperature=temperature, top_k=top_k, top_p=top_p, generator=generator),
    )


def write(model: nn.Module, writer: Writer) -> Int[Tensor, "batch longer"]:
    """All of it, with the model in evaluation mode."""
    with evaluating(model), torch.inference_mode():
        while not writer.finished:
            writer.step()
    writer.check()
    return writer.written


def stream(model: nn.Module, writer: Writer) -> Iterator[Int[Tensor, " batch"]]:
    """One token of each row at a time; the model is in evaluation mode until the iterator is exhausted or closed."""
    with evaluating(model):
        while not writer.finished:
            with torch.inference_mode():  # not across the yield: the caller's tensors are its own
                writer.step()
            writer.check()
            yield writer.last.clone()
