"""BERTSpan beside transformers' BertForQuestionAnswering."""

import torch
import transformers

from companion.models import BERTSpan, BERTSpanConfig
from reference.bert import case_of, sizes, text
from reference.case import Case


def case(*, large: bool = False) -> Case:
    """Answers among the first two tokens, which are never padding."""
    config = BERTSpanConfig(**sizes(large=large))
    tokens, padding_mask, segments = text(config, large=large)
    spans = torch.randint(2, (len(tokens), 2))
    return case_of(
        BERTSpan(config), transformers.BertForQuestionAnswering,
        lambda out: torch.stack([out.start_logits, out.end_logits], dim=2),
        inputs=(tokens, padding_mask, segments), batch=(tokens, spans, padding_mask, segments),
    )  # fmt: skip
