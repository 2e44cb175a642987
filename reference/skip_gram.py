"""Skip-gram beside ``torch.nn.functional.embedding``, a product and a sum."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from companion.models import SkipGram, SkipGramConfig
from reference.case import Case, gradients


class Scores(nn.Module):
    """The scores as sums of products, number by number."""

    def __init__(self, center: Tensor, context: Tensor) -> None:
        super().__init__()
        self.center, self.context = (nn.Parameter(table.detach().clone()) for table in (center, context))

    def forward(self, centers: Tensor, contexts: Tensor) -> Tensor:
        """As :class:`SkipGram` has it."""
        return (F.embedding(centers, self.center)[:, None] * F.embedding(contexts, self.context)).sum(dim=2)


def case(*, large: bool = False) -> Case:
    """Some words; large: 10,000 words of width 100, 16,384 pairs with 5 noise words each."""
    vocab, width, batch, noise = (10_000, 100, 16_384, 5) if large else (31, 7, 13, 5)
    model = SkipGram(SkipGramConfig(vocab_size=vocab, n_embd=width))
    nn.init.normal_(model.context.weight)  # they start at 0, where nothing would be compared
    theirs = Scores(model.center.weight, model.context.weight)
    centers, contexts = torch.randint(vocab, (batch,)), torch.randint(vocab, (batch, 1 + noise))
    return Case(
        model=model,
        inputs=(centers, contexts),
        batch=(centers, contexts[:, 0], contexts[:, 1:]),
        reference=theirs,
        reference_name="torch.nn.functional.embedding",
        reference_gradients=gradients(theirs, lambda name: f"{name}.weight"),
        sizes={"batch": batch, "candidates": 1 + noise},
    )
