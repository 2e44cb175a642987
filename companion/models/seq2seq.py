r"""An encoder-decoder with attention, from one sequence of tokens to another (Luong et al. 2015).

The encoder reads the source into states :math:`\bar{h}_s`. The decoder starts from the encoder's last states, one a
layer, and reads the target up to its token t into :math:`h_t`. Attention is multiplicative, Luong's "general" score:

.. math::

    a_{ts} = \operatorname{softmax}_s(h_t^\top W_a \bar{h}_s), \qquad c_t = \sum_s a_{ts} \bar{h}_s,

    \tilde{h}_t = \tanh(W_c [c_t; h_t]), \qquad p(y_{t+1} \mid y_{\le t}, x) = \operatorname{softmax}(W_s \tilde{h}_t).

We take this score and not the additive one of Bahdanau et al. 2015 because here :math:`c_t` does not enter the
decoder's state. In training all steps are then one call of the fused kernel and one of attention's.

Departures: layers are GRUs (Cho et al. 2014), whose state is their output, so that the state at a row's last token is
read from the outputs; no input feeding, which would need a step after the other; no local attention.

Axes: batch; source and target (positions in the two sequences); width (``n_hidden``); vocab (of the target).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_sizes
from companion.models.checks import check_dropout, check_tensor, check_values, count_targets, values_are_hidden
from companion.models.modes import evaluating
from companion.models.recurrent import Recurrent, last, lengths_without_padding


@dataclass(frozen=True)
class Seq2SeqConfig:
    """The sizes of a :class:`Seq2Seq`.

    Attributes:
        source_vocab: number of distinct tokens of the source, the padding among them.
        target_vocab: number of distinct tokens of the target, the three marks below among them.
        n_layer: recurrent layers of the encoder, and as many of the decoder.
        n_embd: numbers an embedding.
        n_hidden: numbers of a layer's state.
        dropout: probability with which embeddings and outputs of layers are dropped in training.
        pad_id: the token that fills rows up at their end, in sources and targets.
        start_id: the token before a target's first.
        end_id: the token after a target's last.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(Seq2SeqConfig(source_vocab=40, target_vocab=40))
        208384
    """

    source_vocab: int
    target_vocab: int
    n_layer: int = 1
    n_embd: int = 64
    n_hidden: int = 128
    dropout: float = 0.0
    pad_id: int = 0
    start_id: int = 1
    end_id: int = 2

    def __post_init__(self) -> None:
        check_sizes(self, "source_vocab", "target_vocab", "n_layer", "n_embd", "n_hidden")
        check_dropout(self)
        marks = (self.pad_id, self.start_id, self.end_id)
        if len(set(marks)) < 3 or min(marks) < 0 or max(marks) >= self.target_vocab or self.pad_id >= self.source_vocab:
            raise ValueError(
                f"expected pad_id, start_id and end_id to be three tokens below target_vocab={self.target_vocab}, and "
                f"pad_id below source_vocab={self.source_vocab}, got {marks}"
            )


class Encoded(NamedTuple):
    """What the decoder needs of a source.

    Attributes:
        states: the encoder's outputs.
        keys: the same, multiplied by :math:`W_a`.
        mask: True at tokens, False at padding.
        last: the state of each layer at the source's last token.
    """

    states: Float[Tensor, "batch source width"]
    keys: Float[Tensor, "batch source width"]
    mask: Bool[Tensor, "batch source"]
    last: list[Float[Tensor, "batch width"]]


class Seq2Seq(nn.Module):
    """Writes a target sequence for a source sequence.

    Example:
        >>> from companion.data import pair_batches, reversal_pairs
        >>> data, vocabulary = pair_batches(reversal_pairs(500, seed=0))
        >>> model = Seq2Seq(Seq2SeqConfig(source_vocab=len(vocabulary), target_vocab=len(vocabulary)))
        >>> model.loss(*data.batch(0, 8, seed=0)).backward()
        >>> model.generate(vocabulary.encode(["abc", "de"]), max_new_tokens=8).shape
        torch.Size([2, 8])
    """

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.config = config
        hidden, widths = config.n_hidden, [config.n_embd] + [config.n_hidden] * (config.n_layer - 1)
        self.source_embedding = nn.Embedding(config.source_vocab, config.n_embd)
        self.target_embedding = nn.Embedding(config.target_vocab, config.n_embd)
        self.encoder = nn.ModuleList(Recurrent("gru", width, hidden) for width in widths)
        self.decoder = nn.ModuleList(Recurrent("gru", width, hidden) for width in widths)
        self.score = nn.Linear(hidden, hidden, bias=False)  # W_a
        self.combine = nn.Linear(2 * hidden, hidden, bias=False)  # W_c
        self.head = nn.Linear(hidden, config.target_vocab, bias=False)  # W_s
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()

    def forward(
        self, source: Int[Tensor, "batch source"], target_in: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target vocab"]:
        """The logits of the token that follows each token of ``target_in``, given the true ones before it.

        Raises:
            ValueError: where either is not integers [batch, time], the batches differ, or (looked at on the CPU only)
                a token is outside its vocabulary or padding stands before a token of the source.
        """
        encoded = self._encode(source)
        hidden, _ = self._decode(target_in, encoded.last)
        return self._logits(hidden, encoded)

    def loss(
        self,
        source: Int[Tensor, "batch source"],
        target_in: Int[Tensor, "batch target"],
        target_out: Int[Tensor, "batch target"],
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats a token of ``target_out``, with teacher forcing; its padding does not count.

        Args:
            source: what to read.
            target_in: the start mark and the target.
            target_out: the target and the end mark.

        Raises:
            ValueError: as :meth:`forward`, or where ``target_out`` has another shape than ``target_in``, or is all
                padding.
        """
        logits = self(source, target_in)
        check_tensor("target_out", target_out, *target_in.shape, dtype=torch.int64, do="shift target_in by one")
        self._check_vocabulary("target_out", target_out, self.config.target_vocab)
        if not values_are_hidden(target_out) and (target_out == self.config.pad_id).all():
            raise ValueError(f"expected a target to predict, got only pad_id={self.config.pad_id} in target_out")
        return F.cross_entropy(logits.flatten(0, 1), target_out.flatten(), ignore_index=self.config.pad_id)

    def n_targets(
        self,
        source: Int[Tensor, "batch source"],
        target_in: Int[Tensor, "batch target"],
        target_out: Int[Tensor, "batch target"],
    ) -> int:
        """The number of tokens of ``target_out`` that are no padding: what the mean of :meth:`loss` is over."""
        return count_targets(target_out, self.config.pad_id)

    def attention(
        self, source: Int[Tensor, "batch source"], target_in: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target source"]:
        """The weights :math:`a_{ts}` by the formula above, to look at; the forward pass never writes them down.

        Raises:
            ValueError: as :meth:`forward`.
        """
        encoded = self._encode(source)
        hidden, _ = self._decode(target_in, encoded.last)
        scores = hidden @ encoded.keys.transpose(1, 2)
        return scores.masked_fill(~encoded.mask[:, None], -torch.inf).softmax(dim=2)

    def generate(self, source: Int[Tensor, "batch source"], max_new_tokens: int) -> Int[Tensor, "batch target"]:
        """The likeliest token at each step (greedy), up to the end mark and it, then padding.

        The model is used in evaluation mode.

        Raises:
            ValueError: as :meth:`forward`, or for ``max_new_tokens`` below 1.
        """
        if max_new_tokens < 1:
            raise ValueError(f"expected max_new_tokens of at least 1, got {max_new_tokens}")
        out = source.new_full((len(source), max_new_tokens), self.config.pad_id)
        with evaluating(self), torch.inference_mode():
            self._write(out, self._encode(source))
        return out

    def _write(self, out: Int[Tensor, "batch target"], encoded: Encoded) -> None:
        states, token = encoded.last, torch.full_like(out[:, 0], self.config.start_id)
        ended = torch.zeros_like(token, dtype=torch.bool)
        for step in range(out.shape[1]):
            hidden, states = self._decode(token[:, None], states)
            token = self._logits(hidden, encoded)[:, 0].argmax(dim=1).masked_fill(ended, self.config.pad_id)
            out[:, step] = token
            ended |= token == self.config.end_id
            if ended.all():
                return

    def _encode(self, source: Int[Tensor, "batch source"]) -> Encoded:
        check_tensor("source", source, "batch", "source", dtype="integer")
        self._check_vocabulary("source", source, self.config.source_vocab)
        lengths = lengths_without_padding("source", source, self.config.pad_id)
        x, states = self.dropout(self.source_embedding(source)), []
        for layer in self.encoder:
            x = layer(x)
            states.append(last(x, lengths))
            x = self.dropout(x)
        mask = torch.arange(source.shape[1], device=source.device) < lengths[:, None]
        return Encoded(states=x, keys=self.score(x), mask=mask, last=states)

    def _decode(
        self, target: Int[Tensor, "batch target"], states: list[Float[Tensor, "batch width"]]
    ) -> tuple[Float[Tensor, "batch target width"], list[Float[Tensor, "batch width"]]]:
        """The decoder's outputs, and each layer's state after the last of them."""
        check_tensor("target_in", target, len(states[0]), "target", dtype="integer")
        self._check_vocabulary("target_in", target, self.config.target_vocab)
        x, after = self.dropout(self.target_embedding(target)), []
        for layer, state in zip(self.decoder, states, strict=True):
            x = layer(x, state)
            after.append(x[:, -1])
            x = self.dropout(x)
        return x, after

    def _logits(
        self, hidden: Float[Tensor, "batch target width"], encoded: Encoded
    ) -> Float[Tensor, "batch target vocab"]:
        q, k, v = (x[:, None] for x in (hidden, encoded.keys, encoded.states))  # one head
        context = F.scaled_dot_product_attention(q, k, v, attn_mask=encoded.mask[:, None, None], scale=1.0)[:, 0]
        return self.head(self.combine(torch.cat([context, hidden], dim=2)).tanh())

    def _check_vocabulary(self, name: str, tokens: Tensor, size: int) -> None:
        check_values(name, tokens, 0, size - 1, do="is it encoded with this model's vocabulary?")
