"""MultiHeadAttention beside ``torch.nn.MultiheadAttention``."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from companion.models import AttentionConfig, MultiHeadAttention
from reference.case import Case

Rename = Callable[[dict[str, Tensor]], dict[str, Tensor]]


class Scored(MultiHeadAttention):
    """With a loss, which a layer has none of."""

    def loss(self, x: Tensor, context: Tensor, padding_mask: Tensor, target: Tensor) -> Tensor:
        """Mean squared error."""
        return F.mse_loss(self(x, context, padding_mask), target)

    def n_targets(self, x: Tensor, context: Tensor, padding_mask: Tensor, target: Tensor) -> int:
        """Numbers that the mean is over."""
        return target.numel()


def by_our_names(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Views of the tensors of one of torch's attention layers, which keeps queries, keys and values in one."""
    ours = {}
    for leaf in ("weight", "bias"):
        width = len(theirs["out_proj.weight"])
        ours[f"query.{leaf}"], ours[f"key_value.{leaf}"] = theirs[f"in_proj_{leaf}"].split([width, 2 * width])
        ours[f"output.{leaf}"] = theirs[f"out_proj.{leaf}"]
    return ours


def copy_and_read(model: nn.Module, theirs: nn.Module, rename: Rename) -> Callable[[], dict[str, Tensor]]:
    """Copies our weights into theirs; returns what reads their gradients. ``rename`` gives views by our names."""
    ours = model.state_dict()
    for name, view in rename({name: p.detach() for name, p in theirs.named_parameters()}).items():
        view.copy_(ours[name])
    return lambda: rename({name: p.grad for name, p in theirs.named_parameters()})


def case(*, large: bool = False) -> Case:
    """Queries against another sequence, a part of it padding; large: 512 positions each, 8 heads, 512 wide."""
    batch, queries, keys, heads, width = (8, 512, 512, 8, 512) if large else (3, 11, 7, 5, 35)
    model = Scored(AttentionConfig(n_embd=width, n_head=heads, dropout=0.0))
    theirs = nn.MultiheadAttention(width, heads, batch_first=True)
    x, target = torch.randn(2, batch, queries, width)
    context = torch.randn(batch, keys, width)
    padding_mask = torch.arange(keys) < torch.tensor([[keys], [keys - 2], [3]]).repeat(batch // 3 + 1, 1)[:batch]
    return Case(
        model=model,
        inputs=(x, context, padding_mask),
        batch=(x, context, padding_mask, target),
        reference=lambda x, context, padding_mask: theirs(
            x, context, context, key_padding_mask=~padding_mask, need_weights=False
        )[0],
        reference_name="torch.nn.MultiheadAttention",
        reference_gradients=copy_and_read(model, theirs, by_our_names),
        sizes={"batch": batch, "queries": queries, "keys": keys},
    )
