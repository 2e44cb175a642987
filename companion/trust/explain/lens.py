"""What a language model would say if it stopped early: the logits that each block's output stands for."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from companion.models import GPT


def residual_stream(model: GPT, tokens: Int[Tensor, "batch time"]) -> Float[Tensor, "depths batch time width"]:
    """The residual stream before the first block, and after each.

    Args:
        model: in evaluation mode.
        tokens: as the model takes them.

    Returns:
        One more than the model has blocks.
    """
    depths: list[Tensor] = []
    first = model.h[0].register_forward_pre_hook(lambda _, inputs: depths.append(inputs[0].detach()))
    hooks = [block.register_forward_hook(lambda *given: depths.append(given[2].detach())) for block in model.h]
    try:
        with torch.no_grad():
            model(tokens)
    finally:
        for hook in (first, *hooks):
            hook.remove()
    return torch.stack(depths)


def logit_lens(model: GPT, tokens: Int[Tensor, "batch time"]) -> Float[Tensor, "depths batch time vocab"]:
    """The logits of the next token read off the residual stream at each depth, by the model's own last layers.

    The last are the model's logits. Early ones speak a basis that the last layers were not trained to read: what they
    do not show may be there all the same.

    Args:
        model: in evaluation mode.
        tokens: as the model takes them.

    Source:
        nostalgebraist 2020, *interpreting GPT: the logit lens*.

    >>> from companion.models import GPTConfig
    >>> model = GPT(GPTConfig(11, 8, n_layer=2, n_head=2, n_embd=8)).eval()
    >>> tokens = torch.tensor([[1, 2, 3]])
    >>> lens = logit_lens(model, tokens)
    >>> lens.shape, torch.equal(lens[-1], model(tokens))
    (torch.Size([3, 1, 3, 11]), True)
    """
    with torch.no_grad():
        return torch.stack([model._head(depth) for depth in residual_stream(model, tokens)])
