r"""A recurrent classifier of token sequences: embedding, recurrent layers, the last state, logits.

With embeddings :math:`E`, layers :math:`l = 1 \dots L` and :math:`T` the last token before the padding:

.. math::

    h^{(0)}_t = E_{x_t}, \qquad h^{(l)}_t = \mathrm{cell}(h^{(l-1)}_t, h^{(l)}_{t-1}), \qquad
    \text{logits} = W h^{(L)}_T + b.

With ``bidirectional`` each layer also reads from the end (Schuster & Paliwal 1997), its output is both directions
beside each other, and the last state is that of each direction after its last step.

Padding stands behind the tokens and changes nothing: forwards it comes after the state that is used, backwards each
sequence is turned round by itself, so that its padding stays behind. Nothing is packed, so a batch costs as much as
its longest row, and no length has to be read back from a GPU.

Axes: batch; time (position in the sequence); width (``n_hidden`` a direction); class.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_choices, check_sizes
from companion.models.checks import check_dropout, check_tensor, check_values
from companion.models.recurrent import CellName, Recurrent, last, lengths_without_padding


@dataclass(frozen=True)
class SequenceClassifierConfig:
    """The sizes of a :class:`SequenceClassifier`.

    Attributes:
        vocab_size: number of distinct tokens, the padding among them.
        n_classes: number of classes.
        cell: ``rnn``, ``lstm`` or ``gru``.
        n_layer: recurrent layers.
        n_embd: numbers an embedding.
        n_hidden: numbers of a cell's state, a direction.
        bidirectional: whether layers read from the end too.
        pad_id: the token that fills rows up at their end; None where all sequences of a batch have one length.
        forget_bias: added to the LSTM's forget bias at the start. At 0 a gate starts half open and halves what it
            keeps at each step; 1 helps with long distances (Gers et al. 2000; Jozefowicz et al. 2015).
        dropout: probability with which embeddings and outputs of layers are dropped in training.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(SequenceClassifierConfig(vocab_size=5_000, n_classes=2, cell="gru", bidirectional=True))
        469506
    """

    vocab_size: int
    n_classes: int
    cell: CellName = "lstm"
    n_layer: int = 1
    n_embd: int = 64
    n_hidden: int = 128
    bidirectional: bool = False
    pad_id: int | None = None
    forget_bias: float = 0.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self, "vocab_size", "n_classes", "n_layer", "n_embd", "n_hidden")
        check_choices(self, cell=CellName)
        check_dropout(self)
        if self.n_classes < 2:
            raise ValueError(f"expected n_classes of at least 2, got {self.n_classes}")
        if self.pad_id is not None and not 0 <= self.pad_id < self.vocab_size:
            raise ValueError(f"expected pad_id from 0 to vocab_size - 1 = {self.vocab_size - 1}, got {self.pad_id}")
        if self.forget_bias and self.cell != "lstm":
            raise ValueError(
                f"expected forget_bias=0 with cell={self.cell!r}, which has no forget gate, got {self.forget_bias}; "
                "take cell='lstm', or leave forget_bias out"
            )

    @property
    def directions(self) -> int:
        """In how many directions a layer reads."""
        return 2 if self.bidirectional else 1


class Layer(nn.Module):
    """A recurrent layer in one or two directions."""

    def __init__(self, config: SequenceClassifierConfig, inputs: int) -> None:
        super().__init__()
        self.directions = nn.ModuleList(
            Recurrent(config.cell, inputs, config.n_hidden) for _ in range(config.directions)
        )
        if config.forget_bias:
            forget = slice(config.n_hidden, 2 * config.n_hidden)  # the second of the gates i, f, g, o
            with torch.no_grad():
                for direction in self.directions:
                    direction.get_parameter("bias_hh_l0")[forget] += config.forget_bias

    def forward(
        self, x: Float[Tensor, "batch time inputs"], reverse: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time outputs"]:
        """The outputs of both directions beside each other, in the order of the tokens."""
        forwards, *backwards = self.directions
        y: Tensor = forwards(x)
        for layer in backwards:  # one, or none: then nothing is copied
            y = torch.cat([y, _reorder(layer(_reorder(x, reverse)), reverse)], dim=2)
        return y


class SequenceClassifier(nn.Module):
    """Classifies sequences of tokens by the last state of a recurrent network.

    Example:
        >>> model = SequenceClassifier(SequenceClassifierConfig(vocab_size=50, n_classes=3, pad_id=0))
        >>> model(torch.tensor([[4, 9, 7, 2], [8, 3, 0, 0]])).shape  # what follows the end of a row is not read
        torch.Size([2, 3])
    """

    def __init__(self, config: SequenceClassifierConfig) -> None:
        super().__init__()
        self.config = config
        outputs = config.directions * config.n_hidden
        widths = [config.n_embd] + [outputs] * (config.n_layer - 1)
        self.embedding = nn.Embedding(config.vocab_size, config.n_embd)
        self.layers = nn.ModuleList(Layer(config, width) for width in widths)
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        self.head = nn.Linear(outputs, config.n_classes)

    def forward(self, tokens: Int[Tensor, "batch time"]) -> Float[Tensor, "batch class"]:
        """The logits of each sequence's class.

        Raises:
            ValueError: where ``tokens`` are not integers [batch, time], or (looked at on the CPU only) lie outside the
                vocabulary, or where padding stands before a token.
        """
        config = self.config
        check_tensor("tokens", tokens, "batch", "time", dtype="integer")
        check_values("tokens", tokens, 0, config.vocab_size - 1, do=f"vocab_size is {config.vocab_size}")
        lengths = self._lengths(tokens)
        # Turns each row round up to its last token and the padding behind it by itself; done twice, all is as before.
        reverse = (lengths[:, None] - 1 - torch.arange(tokens.shape[1], device=tokens.device)) % tokens.shape[1]
        x = self.dropout(self.embedding(tokens))
        for layer in self.layers:
            x = self.dropout(layer(x, reverse))
        forwards, backwards = x[..., : config.n_hidden], x[..., config.n_hidden :]
        return self.head(torch.cat([last(forwards, lengths), backwards[:, 0]], dim=1))

    def loss(self, tokens: Int[Tensor, "batch time"], labels: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats a sequence.

        Raises:
            ValueError: as :meth:`forward`, or where ``labels`` are not one int64 class a sequence.
        """
        logits = self(tokens)
        top = self.config.n_classes - 1
        check_tensor("labels", labels, len(tokens), dtype=torch.int64, do="give one class a sequence")
        check_values("labels", labels, 0, top, do=f"n_classes is {self.config.n_classes}")
        return F.cross_entropy(logits, labels)

    def n_targets(self, tokens: Int[Tensor, "batch time"], labels: Int[Tensor, " batch"]) -> int:
        """The number of sequences: what the mean of :meth:`loss` is over."""
        return len(labels)

    def _lengths(self, tokens: Int[Tensor, "batch time"]) -> Int[Tensor, " batch"]:
        if self.config.pad_id is None:
            return torch.full((len(tokens),), tokens.shape[1], device=tokens.device)
        return lengths_without_padding("tokens", tokens, self.config.pad_id)


def _reorder(
    x: Float[Tensor, "batch time width"], order: Int[Tensor, "batch time"]
) -> Float[Tensor, "batch time width"]:
    return x.gather(1, order[:, :, None].expand_as(x))
