"""Seq2Seq beside ``torch.nn.GRU`` over packed sources, with attention written out."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from companion.models import Seq2Seq, Seq2SeqConfig
from reference.case import Case


class Reference(nn.Module):
    """Two GRUs of several layers, and attention as a softmax of products."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        hidden = config.n_hidden
        self.source_embedding = nn.Embedding(config.source_vocab, config.n_embd)
        self.target_embedding = nn.Embedding(config.target_vocab, config.n_embd)
        self.encoder = nn.GRU(config.n_embd, hidden, config.n_layer, batch_first=True)
        self.decoder = nn.GRU(config.n_embd, hidden, config.n_layer, batch_first=True)
        self.score = nn.Linear(hidden, hidden, bias=False)
        self.combine = nn.Linear(2 * hidden, hidden, bias=False)
        self.head = nn.Linear(hidden, config.target_vocab, bias=False)

    def forward(self, source: Tensor, target_in: Tensor) -> Tensor:
        """The logits after each token of ``target_in``."""
        lengths = (source != 0).sum(dim=1).cpu()
        packed = pack_padded_sequence(self.source_embedding(source), lengths, batch_first=True, enforce_sorted=False)
        states, h = self.encoder(packed)
        states, _ = pad_packed_sequence(states, batch_first=True, total_length=source.shape[1])
        hidden, _ = self.decoder(self.target_embedding(target_in), h)
        scores = torch.einsum("btj,ji,bsi->bts", hidden, self.score.weight, states)
        scores = scores.masked_fill((source == 0)[:, None], -torch.inf)
        context = torch.einsum("bts,bsj->btj", scores.exp() / scores.exp().sum(dim=2, keepdim=True), states)
        return self.head(torch.tanh(self.combine(torch.cat([context, hidden], dim=2))))


def case(*, large: bool = False) -> Case:
    """Two small layers; large: 32 pairs of 64 source and 48 target tokens."""
    sizes = (97, 89, 128, 256, 32, 64, 48) if large else (23, 19, 7, 11, 5, 13, 17)
    source_vocab, target_vocab, embd, hidden, batch, source_time, target_time = sizes
    config = Seq2SeqConfig(
        source_vocab=source_vocab, target_vocab=target_vocab, n_layer=2, n_embd=embd, n_hidden=hidden
    )
    model, reference = Seq2Seq(config), Reference(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            reference.get_parameter(_theirs(name)).copy_(parameter)
    source = torch.randint(3, source_vocab, (batch, source_time))
    target = torch.randint(3, target_vocab, (batch, target_time + 1))
    for row in range(1, batch):
        source[row, source_time - row % 5 :] = 0
        target[row, target_time - row % 7 :] = 0
    return Case(
        model=model,
        inputs=(source, target[:, :-1]),
        batch=(source, target[:, :-1], target[:, 1:]),
        reference=reference,
        reference_name="torch.nn.GRU and attention",
        reference_gradients=lambda: {n: reference.get_parameter(_theirs(n)).grad for n, _ in model.named_parameters()},
        sizes={"batch": batch, "source": source_time, "target": target_time},
    )


def _theirs(name: str) -> str:
    """``encoder.1.weight_ih_l0`` is ``encoder.weight_ih_l1``."""
    if not name.startswith(("encoder.", "decoder.")):
        return name
    part, layer, kind = name.split(".")
    return f"{part}.{kind.removesuffix('0')}{layer}"
