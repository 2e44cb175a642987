"""How likely a language model finds texts: of continuations, for multiple choice; of whole texts, for perplexity."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from companion.models import GPT, ChatTokenizer
from companion.models.checks import IGNORED
from companion.models.modes import evaluating


@dataclass(frozen=True)
class Continuation:
    """Tokens to score, and those that they follow.

    Attributes:
        context: at least one token.
        tokens: those to score, at least one.

    Raises:
        ValueError: where one of the two is empty.

    Example:
        >>> Continuation([5, 6], [7]).tokens
        [7]
    """

    context: Sequence[int]
    tokens: Sequence[int]

    def __post_init__(self) -> None:
        if not len(self.context) or not len(self.tokens):
            got = f"{len(self.context)} and {len(self.tokens)}"
            raise ValueError(f"expected a context and a continuation of at least one token each, got {got}")


def encode_continuation(tokenizer: ChatTokenizer, context: str, continuation: str) -> Continuation:
    """Context and continuation, encoded together, so that the tokens are those of the text as a whole.

    As lm-evaluation-harness does: white space at the end of the context goes to the continuation, where it belongs to
    the first word's token, and the context's number of tokens is what it has alone. An empty context is the end of the
    text before. Departure: where that leaves no token to score (one reaches from the context over all that follows),
    both are encoded apart; their program ends there.

    Raises:
        ValueError: for an empty continuation, or half of a surrogate pair.

    Example:
        >>> from companion.data import train_tokenizer
        >>> tokenizer = ChatTokenizer(train_tokenizer(["a text"], 257), None, {"eos_token": "<|endoftext|>"})
        >>> pair = encode_continuation(tokenizer, "2 + 2 = ", "4")
        >>> tokenizer.decode(pair.tokens)
        ' 4'
    """
    stripped = context.rstrip()
    whole = tokenizer.encode(context + continuation)
    if not stripped:
        return Continuation([tokenizer.end_of_text], whole)
    alone = tokenizer.encode(stripped)
    if len(whole) <= len(alone):  # one token reaches over the place where both meet
        return Continuation(alone, tokenizer.encode(context[len(stripped) :] + continuation))
    return Continuation(whole[: len(alone)], whole[len(alone) :])


def log_likelihoods(
    model: GPT, continuations: Sequence[Continuation], *, batch_size: int = 8
) -> Float[np.ndarray, " continuations"]:
    r"""Of each continuation :math:`\log p(y \mid x) = \sum_t \log p(y_t \mid x, y_{<t})`, in nats.

    Those of one length come together, so that little is padding; what stands in a batch beside a continuation changes
    nothing but rounding.

    Args:
        model: in evaluation mode meanwhile.
        continuations: at least one.
        batch_size: how many at a time. The logits take 4 · batch_size · time · vocab_size bytes.

    Raises:
        ValueError: for no continuation, or as :meth:`companion.models.GPT.forward`, such as for too many tokens.

    Example:
        >>> from companion.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=257, block_size=16, n_layer=1, n_head=2, n_embd=8))
        >>> one, two = log_likelihoods(model, [Continuation([1, 2], [3]), Continuation([1, 2], [3, 4])])
        >>> bool(two < one < 0)
        True
    """
    if not continuations:
        raise ValueError("expected at least one continuation, got none")
    device = next(model.parameters()).device
    order = np.argsort([len(pair.context) + len(pair.tokens) for pair in continuations], kind="stable")
    found = np.empty(len(continuations))
    with evaluating(model), torch.inference_mode():
        for places in (order[i : i + batch_size] for i in range(0, len(order), batch_size)):
            rows = [_row(continuations[place]) for place in places.tolist()]
            tokens = pad_sequence([row for row, _ in rows], batch_first=True).to(device)
            targets = pad_sequence([row for _, row in rows], batch_first=True, padding_value=IGNORED).to(device)
            logits = model(tokens)
            nats = F.cross_entropy(logits.mT.float(), targets, ignore_index=IGNORED, reduction="none")
            found[places] = -nats.double().sum(dim=1).cpu().numpy()
    return found


def _row(pair: Continuation) -> tuple[torch.Tensor, torch.Tensor]:
    """What the model sees, and what it is to say where the continuation begins and after."""
    whole = torch.tensor([*pair.context, *pair.tokens])
    targets = whole[1:].clone()
    targets[: len(pair.context) - 1] = IGNORED
    return whole[:-1], targets
