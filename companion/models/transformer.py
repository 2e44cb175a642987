r"""The transformer, an encoder and a decoder of attention blocks (Vaswani et al. 2017).

With embeddings :math:`E` of the source and :math:`E'` of the target, positions :math:`P` (section 3.5) and width
:math:`d`, the source :math:`s` and the target :math:`y` up to t give the next token:

.. math::

    m = \mathrm{Encoder}(\sqrt{d}\, E_s + P),

    h = \mathrm{Decoder}(\sqrt{d}\, E'_y + P,\; m),

    p(y_{t+1} \mid y_{\le t}, s) = \mathrm{softmax}(E' h_t).

The decoder's blocks look at the target up to t, then at all of :math:`m`. The output weights are the target's
embeddings, and with one vocabulary for both the source's too (section 3.4). Departures from the paper: dropout acts on
attention probabilities as well, and the loss does not smooth labels.

Axes: batch; time (position in a sequence), called source and target; width; vocab. ``padding_mask`` is True where a
token is there and False where it is padding.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_sizes
from companion.models.blocks import BlockConfig, DecoderBlock, EncoderBlock, Stack
from companion.models.checks import IGNORED, check_targets, check_tensor, check_values, count_targets
from companion.models.modes import evaluating


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(BlockConfig):
    """The sizes of a :class:`Transformer`, with the fields of :class:`BlockConfig`; ``n_layer`` blocks each side.

    The defaults are the paper's base model.

    Attributes:
        source_vocab: number of distinct source tokens.
        target_vocab: number of distinct target tokens; None where both share the source's vocabulary and embeddings.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(TransformerConfig())
        63082496
    """

    source_vocab: int = 37_000
    target_vocab: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, "source_vocab", *(["target_vocab"] if self.target_vocab is not None else []))


class Transformer(nn.Module):
    """An encoder and a decoder for pairs of sequences.

    Matrices start as in Glorot & Bengio 2010 (uniform), embeddings normal with standard deviation 1/√width, so that
    times √width they are as large as the positions that are added to them.

    Example:
        >>> config = TransformerConfig(source_vocab=50, target_vocab=60, n_layer=2, n_head=2, n_embd=32, n_hidden=64)
        >>> model, source = Transformer(config), torch.randint(50, (3, 7))
        >>> model(source, torch.randint(60, (3, 5))).shape
        torch.Size([3, 5, 60])
        >>> model.generate(source, torch.zeros(3, 1, dtype=torch.int64), 4).shape
        torch.Size([3, 5])
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.source_embedding = nn.Embedding(config.source_vocab, config.n_embd)
        self.target_embedding = (
            self.source_embedding if config.target_vocab is None else nn.Embedding(config.target_vocab, config.n_embd)
        )
        self.encoder = Stack(config, EncoderBlock)
        self.decoder = Stack(config, DecoderBlock)
        self.dropout = nn.Dropout(config.dropout)
        self.apply(self._init_weights)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.n_embd**-0.5)
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(
        self,
        source: Int[Tensor, "batch source"],
        target: Int[Tensor, "batch target"],
        padding_mask: Bool[Tensor, "batch source"] | None = None,
    ) -> Float[Tensor, "batch target vocab"]:
        """The logits of the token after each target position.

        Args:
            source: the tokens to read.
            target: the tokens that are known, from a start token on. Padding stands behind them, and may be any token.
            padding_mask: True at source tokens, False at padding; all are tokens if None.

        Raises:
            ValueError: for tokens that are no integers [batch, time] or lie outside the vocabulary, or a bad
                ``padding_mask`` (values are checked on the CPU only).
        """
        return self.decode(target, self.encode(source, padding_mask), padding_mask)

    def loss(
        self,
        source: Int[Tensor, "batch source"],
        target_in: Int[Tensor, "batch target"],
        target_out: Int[Tensor, "batch target"],
        padding_mask: Bool[Tensor, "batch source"] | None = None,
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats a target token, given the right tokens before it (teacher forcing).

        Args:
            source: as in :meth:`forward`.
            target_in: a start token, then the target without its last token.
            target_out: the target; -100 does not count.
            padding_mask: as in :meth:`forward`.

        Raises:
            ValueError: as :meth:`forward`, or where ``target_out`` has another shape than ``target_in`` or holds no
                token to predict.
        """
        return token_loss(self(source, target_in, padding_mask), target_out)

    def n_targets(
        self,
        source: Int[Tensor, "batch source"],
        target_in: Int[Tensor, "batch target"],
        target_out: Int[Tensor, "batch target"],
        padding_mask: Bool[Tensor, "batch source"] | None = None,
    ) -> int:
        """The number of target tokens that count: what the mean of :meth:`loss` is over."""
        return count_targets(target_out)

    def encode(
        self, source: Int[Tensor, "batch source"], padding_mask: Bool[Tensor, "batch source"] | None = None
    ) -> Float[Tensor, "batch source width"]:
        """The source as the decoder sees it; arguments and errors as :meth:`forward`."""
        check_tokens("source", source, "batch", self.config.source_vocab)
        return self.encoder(self._embed(source, self.source_embedding), padding_mask)

    def decode(
        self,
        target: Int[Tensor, "batch target"],
        memory: Float[Tensor, "batch source width"],
        padding_mask: Bool[Tensor, "batch source"] | None = None,
    ) -> Float[Tensor, "batch target vocab"]:
        """:meth:`forward` from the output ``memory`` of :meth:`encode`."""
        check_tokens("target", target, len(memory), self.target_embedding.num_embeddings)
        x = self.decoder(self._embed(target, self.target_embedding), memory, padding_mask)
        return F.linear(x, self.target_embedding.weight)

    def generate(
        self,
        source: Int[Tensor, "batch source"],
        start: Int[Tensor, "batch target"],
        max_new_tokens: int,
        padding_mask: Bool[Tensor, "batch source"] | None = None,
    ) -> Int[Tensor, "batch longer"]:
        """``start`` followed by the likeliest tokens, one at a time; the model is used in evaluation mode.

        The decoder reads the whole target again for each token: its work grows with the square of the length.

        Raises:
            ValueError: as :meth:`forward`, or for ``max_new_tokens`` below 0.
        """
        if max_new_tokens < 0:
            raise ValueError(f"expected max_new_tokens of at least 0, got {max_new_tokens}")
        with evaluating(self), torch.no_grad():
            memory = self.encode(source, padding_mask)
            for _ in range(max_new_tokens):
                likeliest = self.decode(start, memory, padding_mask)[:, -1:].argmax(dim=2)
                start = torch.cat([start, likeliest], dim=1)
        return start

    def _embed(self, tokens: Int[Tensor, "batch time"], table: nn.Embedding) -> Float[Tensor, "batch time width"]:
        positions = sinusoids(tokens.shape[1], self.config.n_embd, like=table.weight)
        return self.dropout(math.sqrt(self.config.n_embd) * table(tokens) + positions)


def sinusoids(time: int, width: int, *, like: Tensor) -> Float[Tensor, "time width"]:
    r"""Positions: :math:`\sin(t / 10000^{2i/\text{width}})` at 2i and the cosine at 2i + 1 (section 3.5).

    In the dtype and on the device of ``like``; the angles are float32, for bfloat16 cannot count past 256.
    """
    position = torch.arange(time, device=like.device, dtype=torch.float32)
    even = torch.arange(0, width, 2, device=like.device, dtype=torch.float32)
    angles = position[:, None] * torch.exp(even * (-math.log(10_000) / width))
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width].to(like.dtype)


def check_tokens(name: str, tokens: Tensor, batch: int | str, vocab: int) -> None:
    """Refuses what is no integers [batch, time], or outside a vocabulary (looked at on the CPU only)."""
    check_tensor(name, tokens, batch, "time", dtype="integer")
    check_values(
        name, tokens, 0, vocab - 1, do=f"the vocabulary has {vocab} tokens: was the text encoded for this model?"
    )


def token_loss(logits: Float[Tensor, "batch time vocab"], targets: Int[Tensor, "batch time"]) -> Float[Tensor, ""]:
    """Mean cross-entropy in nats over the targets that are not -100.

    Raises:
        ValueError: where the targets do not fit the logits, or none counts (values are checked on the CPU only).
    """
    check_tensor(
        "targets", targets, *logits.shape[:2], dtype=torch.int64, do="one token for each position that is read"
    )
    check_targets("targets", targets, logits.shape[2], do=f"mark what does not count with {IGNORED}")
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
