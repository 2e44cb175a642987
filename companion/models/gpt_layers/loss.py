"""The loss of a language model, from its logits."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from companion.models.checks import IGNORED

_ROWS = 256


def token_loss(logits: Float[Tensor, "tokens vocab"], targets: Int[Tensor, " tokens"]) -> Float[Tensor, ""]:
    """Mean cross-entropy in nats a token; targets of -100 do not count.

    It is computed in float32. On a CPU, logits in bfloat16 become that some rows at a time: all of them at once are
    written to memory and read from it at each step, which takes four times as long.
    """
    if logits.dtype is not torch.bfloat16 or logits.device.type != "cpu":
        return F.cross_entropy(logits, targets, ignore_index=IGNORED)
    pieces = zip(logits.split(_ROWS), targets.split(_ROWS), strict=True)
    sums = [F.cross_entropy(some.float(), next_, ignore_index=IGNORED, reduction="sum") for some, next_ in pieces]
    return torch.stack(sums).sum() / (targets != IGNORED).sum()
