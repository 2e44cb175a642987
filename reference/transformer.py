"""Transformer beside ``torch.nn.Transformer``."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from companion.models import Transformer, TransformerConfig
from reference.attention import Rename, by_our_names, copy_and_read
from reference.case import Case

#: Ours and theirs, in an encoder's and in a decoder's block.
PARTS = {
    "encoder": {
        "attention.layer": "self_attn",
        "attention.norm": "norm1",
        "feed_forward.layer.inner": "linear1",
        "feed_forward.layer.outer": "linear2",
        "feed_forward.norm": "norm2",
    },
    "decoder": {
        "self_attention.layer": "self_attn",
        "self_attention.norm": "norm1",
        "cross_attention.layer": "multihead_attn",
        "cross_attention.norm": "norm2",
        "feed_forward.layer.inner": "linear1",
        "feed_forward.layer.outer": "linear2",
        "feed_forward.norm": "norm3",
    },
}


class Reference(nn.Module):
    """Torch's encoder and decoder between embeddings, the paper's positions, and the output weights."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.width = config.n_embd
        self.source = nn.Embedding(config.source_vocab, config.n_embd)
        self.target = nn.Embedding(config.target_vocab, config.n_embd)
        sizes = (config.n_embd, config.n_head, config.n_hidden, 0.0, config.activation, config.norm_eps, True)
        block = nn.TransformerEncoderLayer(*sizes, norm_first=config.norm_first)
        # The paper's post-norm has no normalization at the end of a stack, which torch adds by default.
        norms = [nn.LayerNorm(config.n_embd, eps=config.norm_eps) if config.norm_first else None for _ in range(2)]
        self.core = nn.Transformer(
            config.n_embd, config.n_head, batch_first=True,
            custom_encoder=nn.TransformerEncoder(block, config.n_layer, norms[0], enable_nested_tensor=False),
            custom_decoder=nn.TransformerDecoder(
                nn.TransformerDecoderLayer(*sizes, norm_first=config.norm_first), config.n_layer, norms[1]
            ),
        )  # fmt: skip

    def forward(self, source: Tensor, target: Tensor, padding_mask: Tensor) -> Tensor:
        """The logits of the token after each target position."""
        later = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
        hidden = self.core(
            self._embed(source, self.source), self._embed(target, self.target),
            tgt_mask=later, src_key_padding_mask=~padding_mask, memory_key_padding_mask=~padding_mask,
        )  # fmt: skip
        return hidden @ self.target.weight.T

    def _embed(self, tokens: Tensor, table: nn.Embedding) -> Tensor:
        position, channel = np.indices((tokens.shape[1], self.width))
        angle = position / 10_000 ** ((channel - channel % 2) / self.width)
        positions = torch.from_numpy(np.where(channel % 2 == 0, np.sin(angle), np.cos(angle))).float()
        return F.embedding(tokens, table.weight) * self.width**0.5 + positions


def rename(config: TransformerConfig) -> Rename:
    """From the tensors of :class:`Reference` to views by our names."""

    def by_name(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
        ours = {"source_embedding.weight": theirs["source.weight"], "target_embedding.weight": theirs["target.weight"]}
        for side, parts in PARTS.items():
            places = {
                f"{side}.blocks.{layer}.{a}": f"core.{side}.layers.{layer}.{b}"
                for layer in range(config.n_layer)
                for a, b in parts.items()
            }
            if config.norm_first:
                places[f"{side}.norm"] = f"core.{side}.norm"
            for a, b in places.items():
                found = {name.removeprefix(f"{b}."): t for name, t in theirs.items() if name.startswith(f"{b}.")}
                found = by_our_names(found) if b.endswith("attn") else found
                ours |= {f"{a}.{leaf}": tensor for leaf, tensor in found.items()}
        return ours

    return by_name


def case(*, large: bool = False) -> Case:
    """Two small pre-norm blocks a side; large: 8 pairs of 64 tokens through six blocks, 256 wide."""
    batch, source, target = (8, 64, 64) if large else (3, 13, 11)
    sizes = (
        {"source_vocab": 4_096, "target_vocab": 2_048, "n_embd": 256, "n_head": 8, "n_layer": 6, "n_hidden": 1_024}
        if large
        else {"source_vocab": 53, "target_vocab": 41, "n_embd": 35, "n_head": 5, "n_layer": 2, "n_hidden": 17}
    )
    model = Transformer(TransformerConfig(**sizes, dropout=0.0, norm_first=True))
    theirs = Reference(model.config)
    tokens = torch.randint(sizes["source_vocab"], (batch, source))
    target_in, target_out = torch.randint(sizes["target_vocab"], (2, batch, target))
    padding_mask = torch.arange(source) < torch.randint(2, source, (batch, 1))
    return Case(
        model=model,
        inputs=(tokens, target_in, padding_mask),
        batch=(tokens, target_in, target_out, padding_mask),
        reference=theirs,
        reference_name="torch.nn.Transformer",
        reference_gradients=copy_and_read(model, theirs, rename(model.config)),
        sizes={"batch": batch, "source": source, "target": target},
    )
