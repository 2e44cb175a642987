"""SequenceClassifier beside ``torch.nn.LSTM``, which reads packed sequences where there is padding."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from companion.models import SequenceClassifier, SequenceClassifierConfig
from reference.case import Case


class Reference(nn.Module):
    """Embedding, LSTM, linear layer; the LSTM's own last state."""

    def __init__(self, config: SequenceClassifierConfig) -> None:
        super().__init__()
        self.pad_id = config.pad_id
        self.embedding = nn.Embedding(config.vocab_size, config.n_embd)
        self.lstm = nn.LSTM(
            config.n_embd, config.n_hidden, config.n_layer, batch_first=True, bidirectional=config.bidirectional
        )
        self.head = nn.Linear(config.directions * config.n_hidden, config.n_classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """The logits of each class."""
        x = self.embedding(tokens)
        if self.pad_id is not None:
            lengths = (tokens != self.pad_id).sum(dim=1).cpu()
            x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, (h, _) = self.lstm(x)
        directions = 2 if self.lstm.bidirectional else 1
        return self.head(torch.cat(list(h[-directions:]), dim=1))


def case(*, large: bool = False) -> Case:
    """Two layers in two directions with padding; large: one direction and none, 32 sequences of 128 tokens."""
    vocab, embd, hidden, batch, time = (4_096, 128, 256, 32, 128) if large else (23, 7, 11, 5, 13)
    config = SequenceClassifierConfig(
        vocab_size=vocab,
        n_classes=3,
        n_layer=2,
        n_embd=embd,
        n_hidden=hidden,
        bidirectional=not large,
        pad_id=None if large else 0,
    )
    model, reference = SequenceClassifier(config), Reference(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            reference.get_parameter(_theirs(name)).copy_(parameter)
    tokens = torch.randint(1, vocab, (batch, time))
    if not large:
        for row in range(1, batch):
            tokens[row, 3 * row :] = 0
    return Case(
        model=model,
        inputs=(tokens,),
        batch=(tokens, torch.randint(3, (batch,))),
        reference=reference,
        reference_name="torch.nn.LSTM",
        reference_gradients=lambda: {n: reference.get_parameter(_theirs(n)).grad for n, _ in model.named_parameters()},
        sizes={"batch": batch, "time": time},
    )


def _theirs(name: str) -> str:
    """``layers.1.directions.1.weight_hh_l0`` is ``lstm.weight_hh_l1_reverse``."""
    if not name.startswith("layers."):
        return name
    _, layer, _, direction, kind = name.split(".")
    return f"lstm.{kind.removesuffix('0')}{layer}{'_reverse' if direction == '1' else ''}"
