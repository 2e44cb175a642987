r"""Two heads that turn a pretrained BERT to a task (Devlin et al. 2019, sections 4.1 and 4.2).

With :math:`h` the encoder's output: classes from the first position, :math:`W \tanh(W_p h_1 + b_p) + b`; and an answer
within a text from two numbers a position, whose softmax over positions is the probability that it starts, or ends,
there. Departure from the paper: padding is no candidate.

Axes: batch; time (position in a sequence); width; class. ``padding_mask`` is True where a token is there and False
where it is padding.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_sizes
from companion.models.attention import check_padding_mask
from companion.models.bert import BERTConfig, BERTEncoder, init_weights
from companion.models.checks import check_tensor, check_values, values_are_hidden


@dataclass(frozen=True, kw_only=True)
class BERTClassifierConfig(BERTConfig):
    """The sizes of a :class:`BERTClassifier`, with the fields of :class:`BERTConfig`.

    Attributes:
        n_classes: number of classes.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(BERTClassifierConfig(n_layer=6, n_head=12, n_embd=384, n_hidden=1_536, n_classes=3))
        22714371
    """

    n_classes: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, "n_classes")


@dataclass(frozen=True, kw_only=True)
class BERTSpanConfig(BERTConfig):
    """The sizes of a :class:`BERTSpan`: the fields of :class:`BERTConfig`.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(BERTSpanConfig(n_layer=6, n_head=12, n_embd=384, n_hidden=1_536))
        22566146
    """


class BERTClassifier(BERTEncoder):
    """Classes of a text, or of a pair of texts.

    Example:
        >>> model = BERTClassifier(BERTClassifierConfig(n_layer=2, n_head=2, n_embd=32, n_hidden=64, n_classes=3))
        >>> model(torch.randint(100, (5, 16))).shape  # a logit a class
        torch.Size([5, 3])
    """

    config: BERTClassifierConfig
    config_class: ClassVar[type[BERTConfig]] = BERTClassifierConfig
    architecture: ClassVar[str] = "BertForSequenceClassification"

    def __init__(self, config: BERTClassifierConfig) -> None:
        super().__init__(config)
        self.pooler = nn.Linear(config.n_embd, config.n_embd).apply(init_weights)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.n_embd, config.n_classes).apply(init_weights)

    def forward(
        self,
        tokens: Int[Tensor, "batch time"],
        padding_mask: Bool[Tensor, "batch time"] | None = None,
        segments: Int[Tensor, "batch time"] | None = None,
    ) -> Float[Tensor, "batch class"]:
        """The logits of the classes; arguments and errors as :meth:`BERTEncoder.encode`."""
        first = self.encode(tokens, padding_mask, segments)[:, 0]
        return self.classifier(self.dropout(torch.tanh(self.pooler(first))))

    def loss(
        self,
        tokens: Int[Tensor, "batch time"],
        labels: Int[Tensor, " batch"],
        padding_mask: Bool[Tensor, "batch time"] | None = None,
        segments: Int[Tensor, "batch time"] | None = None,
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats a text.

        Raises:
            ValueError: as :meth:`forward`, or where ``labels`` are no int64 [batch] from 0 to ``n_classes`` - 1.
        """
        logits = self(tokens, padding_mask, segments)
        check_tensor("labels", labels, len(tokens), dtype=torch.int64)
        check_values("labels", labels, 0, self.config.n_classes - 1, do="number the classes from 0")
        return F.cross_entropy(logits, labels)

    def n_targets(self, tokens: Int[Tensor, "batch time"], labels: Int[Tensor, " batch"], *masks: Tensor | None) -> int:
        """The number of texts: what the mean of :meth:`loss` is over."""
        return len(labels)


class BERTSpan(BERTEncoder):
    """The first and the last position of an answer within a text, as in SQuAD (Rajpurkar et al. 2016).

    Example:
        >>> model = BERTSpan(BERTSpanConfig(vocab_size=100, block_size=16, n_layer=2, n_head=2, n_embd=32, n_hidden=64))
        >>> question_and_text = torch.randint(100, (5, 16))
        >>> in_text = (torch.arange(16) >= 6).expand(5, 16)
        >>> likeliest_spans(model(question_and_text), in_text).shape  # where each answer begins and ends
        torch.Size([5, 2])
    """

    config_class: ClassVar[type[BERTConfig]] = BERTSpanConfig
    architecture: ClassVar[str] = "BertForQuestionAnswering"

    def __init__(self, config: BERTSpanConfig) -> None:
        super().__init__(config)
        self.span = nn.Linear(config.n_embd, 2).apply(init_weights)

    def forward(
        self,
        tokens: Int[Tensor, "batch time"],
        padding_mask: Bool[Tensor, "batch time"] | None = None,
        segments: Int[Tensor, "batch time"] | None = None,
    ) -> Float[Tensor, "batch time 2"]:
        """Scores of each position as the first and as the last; arguments and errors as :meth:`BERTEncoder.encode`."""
        return self.span(self.encode(tokens, padding_mask, segments))

    def loss(
        self,
        tokens: Int[Tensor, "batch time"],
        spans: Int[Tensor, "batch 2"],
        padding_mask: Bool[Tensor, "batch time"] | None = None,
        segments: Int[Tensor, "batch time"] | None = None,
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy of the first and the last position, in nats.

        Raises:
            ValueError: as :meth:`forward`, or where ``spans`` are no int64 [batch, 2], or no positions of tokens (the
                latter is checked on the CPU only).
        """
        scores = self(tokens, padding_mask, segments)
        check_tensor("spans", spans, len(tokens), 2, dtype=torch.int64, do="give the first and the last position")
        check_values("spans", spans, 0, tokens.shape[1] - 1, do="positions count from 0, the last one included")
        if padding_mask is not None:
            if not values_are_hidden(spans) and not padding_mask.gather(1, spans).all():
                raise ValueError(
                    "expected spans to lie within the tokens, got positions that padding_mask marks as padding"
                )
            scores = scores.masked_fill(~padding_mask[:, :, None], -torch.inf)
        return F.cross_entropy(scores, spans)

    def n_targets(self, tokens: Int[Tensor, "batch time"], spans: Int[Tensor, "batch 2"], *masks: Tensor | None) -> int:
        """The number of texts, of two positions each: what the mean of :meth:`loss` is over."""
        return len(spans)


def likeliest_spans(
    scores: Float[Tensor, "batch time 2"], candidates: Bool[Tensor, "batch time"], *, longest: int = 30
) -> Int[Tensor, "batch 2"]:
    """The first and last position with the highest sum of scores, of :class:`BERTSpan`.

    Args:
        scores: what the model returned.
        candidates: True where an answer may be, as in the text, not the question.
        longest: most tokens in an answer.

    Raises:
        ValueError: for another shape or dtype, a row without candidates, or ``longest`` below 1.

    Example:
        >>> begins, ends = torch.tensor([0.0, 3.0, 0.0, 1.0]), torch.tensor([4.0, 0.0, 2.0, 1.0])
        >>> scores = torch.stack([begins, ends], dim=1)[None]
        >>> likeliest_spans(scores, torch.ones(1, 4, dtype=torch.bool)).tolist()  # no end before its beginning
        [[1, 2]]
    """
    batch, time, _ = scores.shape
    check_padding_mask(candidates, batch, time, name="candidates")
    if longest < 1:
        raise ValueError(f"expected longest of at least 1, got {longest}")
    scores = scores.masked_fill(~candidates[:, :, None], -torch.inf)
    pairs = scores[:, :, None, 0] + scores[:, None, :, 1]
    ordered = torch.ones(time, time, dtype=torch.bool, device=scores.device).triu().tril(longest - 1)
    best = pairs.masked_fill(~ordered, -torch.inf).flatten(1).argmax(dim=1)
    return torch.stack([best // time, best % time], dim=1)
