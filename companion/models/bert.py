r"""BERT: an encoder that reads in both directions, and predicts masked tokens (Devlin et al. 2019).

The sum of token, position and segment embeddings is normalized, then goes through post-norm blocks:

.. math::

    h^{(0)}_t = \mathrm{LN}(E_{x_t} + P_t + S_{z_t}), \qquad h = \mathrm{Blocks}(h^{(0)}),

    p(x_t \mid \text{context}) = \mathrm{softmax}(E\, \mathrm{LN}(\mathrm{GELU}(W h_t + b)) + c),

where :math:`z_t` says which of two texts a token belongs to. The output weights are the token embeddings (tied).
Departure from the paper: no next-sentence prediction, which later work dropped (Liu et al. 2019).

Axes: batch; time (position in a sequence); width; vocab. ``padding_mask`` is True where a token is there and False
where it is padding.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_sizes
from companion.models.blocks import BlockConfig, EncoderBlock, Stack
from companion.models.checks import IGNORED, check_tensor, check_values, count_targets
from companion.models.hub.bert import read_fields, read_weights, write_folder
from companion.models.hub.weights import copy_weights, named_weights
from companion.models.transformer import check_tokens, token_loss

_ENCODER = ("embeddings.", "encoder.")  # how the names of its weights start


@dataclass(frozen=True, kw_only=True)
class BERTConfig(BlockConfig):
    """The sizes of a :class:`BERT`, with the fields of :class:`BlockConfig`.

    The defaults are those of BERT base, uncased.

    Attributes:
        vocab_size: number of distinct tokens.
        block_size: longest sequence, in tokens.
        n_segment: number of distinct segments.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(BERTConfig())
        109514298
    """

    vocab_size: int = 30_522
    block_size: int = 512
    n_segment: int = 2
    n_embd: int = 768
    n_head: int = 12
    n_layer: int = 12
    n_hidden: int = 3_072
    activation: Literal["relu", "gelu"] = "gelu"
    norm_eps: float = 1e-12

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, "vocab_size", "block_size", "n_segment")


class BERTEmbeddings(nn.Module):
    """Token, position and segment embeddings, added and normalized."""

    def __init__(self, config: BERTConfig) -> None:
        super().__init__()
        self.token = nn.Embedding(config.vocab_size, config.n_embd)
        self.position = nn.Embedding(config.block_size, config.n_embd)
        self.segment = nn.Embedding(config.n_segment, config.n_embd)
        self.norm = nn.LayerNorm(config.n_embd, eps=config.norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, tokens: Int[Tensor, "batch time"], segments: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time width"]:
        """What goes into the blocks."""
        position = self.position.weight[: tokens.shape[1]]
        return self.dropout(self.norm(self.token(tokens) + position + self.segment(segments)))


class BERTEncoder(nn.Module):
    """What all heads stand on: the encoder, and the folders that Hugging Face gives it.

    Weights start normal with standard deviation 0.02, as in the paper's code.

    Example:
        >>> model = BERT(BERTConfig(vocab_size=100, block_size=16, n_layer=2, n_head=2, n_embd=32, n_hidden=64))
        >>> isinstance(model, BERTEncoder)
        True
    """

    config_class: ClassVar[type[BERTConfig]] = BERTConfig
    architecture: ClassVar[str] = "BertModel"

    def __init__(self, config: BERTConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BERTEmbeddings(config)
        self.encoder = Stack(config, EncoderBlock)
        self.apply(init_weights)

    def encode(
        self,
        tokens: Int[Tensor, "batch time"],
        padding_mask: Bool[Tensor, "batch time"] | None = None,
        segments: Int[Tensor, "batch time"] | None = None,
    ) -> Float[Tensor, "batch time width"]:
        """Each position in its context.

        Args:
            tokens: the token ids; padding may be any token.
            padding_mask: True at tokens, False at padding; all are tokens if None.
            segments: which text each token belongs to, from 0; all to the first if None.

        Raises:
            ValueError: for tokens or segments that are no integers [batch, time] or out of range, too long a sequence,
                or a bad ``padding_mask`` (values are checked on the CPU only).
        """
        check_tokens("tokens", tokens, "batch", self.config.vocab_size)
        if tokens.shape[1] > self.config.block_size:
            raise ValueError(
                f"expected at most block_size={self.config.block_size} tokens, got {tokens.shape[1]}: "
                "cut the sequence, or build the model with a larger block_size"
            )
        if segments is None:
            segments = torch.zeros_like(tokens)
        check_tensor("segments", segments, *tokens.shape, dtype="integer")
        check_values("segments", segments, 0, self.config.n_segment - 1)
        return self.encoder(self.embeddings(tokens, segments), padding_mask)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """The model of a Hugging Face BERT folder with this head, in evaluation mode; other heads are not read.

        Raises:
            FileNotFoundError: where ``config.json`` or the weights are missing.
            ValueError: where the config asks for what this model does not have, or the weights do not fit it.
        """
        model, weights = cls._open(Path(folder))
        copy_weights(model, weights)
        return model.eval()

    @classmethod
    def from_encoder(cls, folder: str | Path, **fields: Any) -> Self:
        """A new head on the encoder of a folder, to be trained. A pooler is read where both have one.

        Args:
            folder: a Hugging Face BERT folder, whatever its head.
            fields: fields of the config that shall differ from the folder's, such as ``n_classes``.

        Raises:
            FileNotFoundError: as :meth:`from_pretrained`.
            ValueError: as :meth:`from_pretrained`.
        """
        model, weights = cls._open(Path(folder), **fields)
        drawn = {name: weight for name, weight in named_weights(model).items() if not name.startswith(_ENCODER)}
        kept = {name: weight for name, weight in weights.items() if name.startswith((*_ENCODER, "pooler."))}
        copy_weights(model, drawn | kept)
        return model

    @classmethod
    def _open(cls, folder: Path, **fields: Any) -> tuple[Self, dict[str, Tensor]]:
        """A model with random weights, and those weights of the folder that are its encoder's or its head's."""
        known = {field.name for field in dataclasses.fields(cls.config_class)}
        sizes = {name: value for name, value in read_fields(folder).items() if name in known}
        model = cls(cls.config_class(**sizes | fields))
        wanted = named_weights(model)
        weights = read_weights(folder)
        return model, {name: w for name, w in weights.items() if name.startswith(_ENCODER) or name in wanted}

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the folder that :meth:`from_pretrained` reads; transformers reads it too.

        Raises:
            ValueError: where the config has another ``norm_first`` or ``activation`` than BERT.
        """
        write_folder(Path(folder), self.architecture, dataclasses.asdict(self.config), named_weights(self))


def init_weights(module: nn.Module) -> None:
    """Draws a layer's weights as BERT starts."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


class MaskedLanguageHead(nn.Module):
    """From a position to the logits of its token; the output weights come from the token embeddings."""

    def __init__(self, config: BERTConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.n_embd, config.n_embd)
        self.norm = nn.LayerNorm(config.n_embd, eps=config.norm_eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(
        self, x: Float[Tensor, "batch time width"], embeddings: Float[Tensor, "vocab width"]
    ) -> Float[Tensor, "batch time vocab"]:
        """The logits."""
        return F.linear(self.norm(F.gelu(self.dense(x))), embeddings, self.bias)


class BERT(BERTEncoder):
    """A masked-language model: the encoder, and the logits of the token at each position.

    Example:
        >>> model = BERT(BERTConfig(vocab_size=100, block_size=16, n_layer=2, n_head=2, n_embd=32, n_hidden=64))
        >>> tokens = torch.randint(5, 100, (3, 16))
        >>> text = torch.ones_like(tokens, dtype=torch.bool)
        >>> masked, targets = mask_tokens(tokens, text, mask_token=4, vocab_size=100)
        >>> model(masked).shape
        torch.Size([3, 16, 100])
        >>> model.loss(masked, targets).backward()
    """

    architecture: ClassVar[str] = "BertForMaskedLM"

    def __init__(self, config: BERTConfig) -> None:
        super().__init__(config)
        self.head = MaskedLanguageHead(config).apply(init_weights)

    def forward(
        self,
        tokens: Int[Tensor, "batch time"],
        padding_mask: Bool[Tensor, "batch time"] | None = None,
        segments: Int[Tensor, "batch time"] | None = None,
    ) -> Float[Tensor, "batch time vocab"]:
        """The logits of the token at each position; arguments and errors as :meth:`BERTEncoder.encode`."""
        return self.head(self.encode(tokens, padding_mask, segments), self.embeddings.token.weight)

    def loss(
        self,
        tokens: Int[Tensor, "batch time"],
        targets: Int[Tensor, "batch time"],
        padding_mask: Bool[Tensor, "batch time"] | None = None,
        segments: Int[Tensor, "batch time"] | None = None,
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats a masked token. :func:`mask_tokens` makes ``tokens`` and ``targets``.

        Raises:
            ValueError: as :meth:`forward`, or where ``targets`` has another shape than ``tokens`` or is all -100, which
                marks what does not count.
        """
        return token_loss(self(tokens, padding_mask, segments), targets)

    def n_targets(
        self, tokens: Int[Tensor, "batch time"], targets: Int[Tensor, "batch time"], *masks: Tensor | None
    ) -> int:
        """The number of masked tokens: what the mean of :meth:`loss` is over."""
        return count_targets(targets)


def mask_tokens(
    tokens: Int[Tensor, "batch time"],
    maskable: Bool[Tensor, "batch time"],
    *,
    mask_token: int,
    vocab_size: int,
    rate: float = 0.15,
    generator: torch.Generator | None = None,
) -> tuple[Int[Tensor, "batch time"], Int[Tensor, "batch time"]]:
    """Draws what a :class:`BERT` has to predict (section 3.1): each maskable token with probability ``rate``.

    Of those drawn, 80% become the mask token, 10% a random token, and 10% stay.

    Args:
        tokens: the token ids.
        maskable: False at padding and at tokens that mean no text, such as ``[CLS]``.
        mask_token: the id of ``[MASK]``.
        vocab_size: random tokens are drawn below it.
        rate: the probability with which a token is drawn.
        generator: where the randomness comes from, on the device of ``tokens``.

    Returns:
        The tokens to read, and the targets. A target is the original token where it was drawn, and -100 elsewhere.

    Raises:
        ValueError: for masks of another shape or dtype, or a ``rate`` outside (0, 1].

    Example:
        >>> tokens = torch.arange(5, 25).reshape(1, 20)
        >>> text = torch.ones_like(tokens, dtype=torch.bool)
        >>> masked, targets = mask_tokens(tokens, text, mask_token=4, vocab_size=100)
        >>> bool((masked == tokens)[targets == -100].all())  # what is not to be predicted is as it was
        True
    """
    check_tensor("maskable", maskable, *tokens.shape, dtype=torch.bool)
    if not 0 < rate <= 1:
        raise ValueError(f"expected rate in (0, 1], got {rate}")
    draw = torch.rand(tokens.shape, generator=generator, device=tokens.device).masked_fill(~maskable, 1.0)
    noise = torch.randint(vocab_size, tokens.shape, generator=generator, device=tokens.device, dtype=tokens.dtype)
    # One number decides all: below 0.8 of the rate the mask, below 0.9 noise, below the rate the token itself.
    inputs = torch.where(draw < 0.9 * rate, noise, tokens).masked_fill(draw < 0.8 * rate, mask_token)
    return inputs, tokens.masked_fill(draw >= rate, IGNORED)
