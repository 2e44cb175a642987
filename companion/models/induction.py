r"""Where the heads of a GPT look, which of them are induction heads, and what the model does without them.

An induction head finds the last occurrence of the present token and looks at what came after it (Olsson et al. 2022).
On ``period`` random tokens that are repeated once, with attention weights :math:`a_{ts}`, its score is

.. math::

    \frac{1}{p} \sum_{t=p}^{2p-1} a_{t,\,t-p+1}, \qquad p = \text{period},

that paper's prefix matching score for one repetition: 1 where all attention lies there, and about :math:`0.7 / p` for a
head that looks everywhere alike.

Axes: layer; batch; head; query and key (positions); time.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.checks import check_whole
from companion.models.gpt import GPT
from companion.models.gpt_layers.attention import CausalSelfAttention
from companion.models.modes import evaluating


def attention_weights(model: GPT, tokens: Int[Tensor, "batch time"]) -> Float[Tensor, "layer batch head query key"]:
    """What each position of each head looks at: rows that sum to 1, by the formula as it stands.

    The model computes the same by a fused kernel that never writes them down. Memory: n_layer · batch · n_head · time²
    numbers.

    Raises:
        ValueError: for bad tokens, as the model's.

    Example:
        >>> from companion.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=11, block_size=8, n_layer=3, n_head=2, n_embd=4))
        >>> attention_weights(model, torch.tensor([[1, 5, 7, 1]])).shape
        torch.Size([3, 1, 2, 4, 4])
    """
    found: list[Tensor] = []

    def keep(attention: nn.Module, arguments: tuple[Any, ...]) -> None:
        assert isinstance(attention, CausalSelfAttention)
        found.append(_weights(attention, *arguments))

    with ExitStack() as hooks, evaluating(model), torch.no_grad():
        for attention in _attentions(model):
            hooks.callback(attention.register_forward_pre_hook(keep).remove)
        model(tokens)
    return torch.stack(found)


def _attentions(model: GPT) -> list[CausalSelfAttention]:
    return [module for module in model.modules() if isinstance(module, CausalSelfAttention)]


def _weights(attention: CausalSelfAttention, x: Tensor, _: Any, __: int, turn: Any = None, ___: Any = None) -> Tensor:
    heads = attention.heads(x, turn)[:, :, : attention.n_head + attention.kv_heads]
    q, k = heads.transpose(1, 2).split_with_sizes((attention.n_head, attention.kv_heads), dim=1)
    k = k.repeat_interleave(attention.n_head // attention.kv_heads, dim=1)
    scores = q @ k.mT / attention.head_dim**0.5
    later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
    return scores.masked_fill(later, -torch.inf).softmax(dim=-1)


def repeated_tokens(vocab_size: int, *, period: int, batch: int, seed: int) -> Int[Tensor, "batch time"]:
    """Rows of ``period`` random tokens, none twice, followed by the same tokens again.

    Raises:
        ValueError: for sizes below 1 or a period above the vocabulary.

    Example:
        >>> repeated_tokens(9, period=3, batch=1, seed=0)
        tensor([[8, 0, 2, 8, 0, 2]])
    """
    check_whole("batch", batch, at_least=1, advice="it is a number of rows")
    check_whole("period", period, at_least=1, advice="it is a number of tokens")
    if period > vocab_size:
        raise ValueError(f"expected a period of at most vocab_size={vocab_size} different tokens, got {period}")
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randperm(vocab_size, generator=generator)[:period] for _ in range(batch)]
    return torch.stack(rows).repeat(1, 2)


def induction_score(model: GPT, *, period: int = 25, batch: int = 8, seed: int = 0) -> Float[Tensor, "layer head"]:
    """The score above for each head, a mean over ``batch`` rows of :func:`repeated_tokens`.

    Args:
        model: whose heads.
        period: tokens that are repeated; twice as many have to fit ``block_size``.
        batch: rows.
        seed: of the tokens.

    Raises:
        ValueError: for sizes below 1, a period above the vocabulary or twice of which is above ``block_size``.

    Example:
        >>> from companion.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=40, block_size=50, n_layer=3, n_head=2, n_embd=4))
        >>> induction_score(model).shape
        torch.Size([3, 2])
    """
    if 2 * period > model.config.block_size:
        raise ValueError(
            f"expected a period of at most block_size / 2 = {model.config.block_size // 2} tokens, read twice, "
            f"got {period}"
        )
    tokens = repeated_tokens(model.config.vocab_size, period=period, batch=batch, seed=seed)
    weights = attention_weights(model, tokens.to(model.ln_f.weight.device))
    return weights.diagonal(1 - period, dim1=3, dim2=4)[..., 1:].mean(dim=(1, 3))


@contextmanager
def without_heads(model: GPT, heads: Sequence[tuple[int, int]]) -> Iterator[None]:
    """Within the context these heads, pairs (layer, head) from 0, add nothing to the residual stream.

    Raises:
        ValueError: where the model has no such head.

    Example:
        >>> from companion.models import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=11, block_size=8, n_layer=3, n_head=2, n_embd=4))
        >>> with without_heads(model, [(0, 1), (2, 0)]):
        ...     logits = model(torch.tensor([[1, 5, 7, 1]]))
    """
    sizes, off = (model.config.n_layer, model.config.n_head), torch.zeros(model.config.n_layer, model.config.n_head)
    for layer, head in heads:
        if not (0 <= layer < sizes[0] and 0 <= head < sizes[1]):
            raise ValueError(f"expected heads (layer, head) below {sizes}, got {(layer, head)}")
        off[layer, head] = 1

    with ExitStack() as hooks:
        for attention, silent in zip(_attentions(model), off.bool(), strict=True):
            if silent.any():
                hooks.callback(attention.c_proj.register_forward_pre_hook(_silencer(silent)).remove)
        yield


def _silencer(silent: Tensor) -> Any:
    def silence(_: nn.Module, arguments: tuple[Tensor]) -> Tensor:
        heads = arguments[0].unflatten(-1, (len(silent), -1))
        return heads.masked_fill(silent.to(heads.device)[:, None], 0).flatten(-2)

    return silence
