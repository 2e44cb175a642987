"""BERTClassifier beside transformers' BertForSequenceClassification."""

import torch
import transformers

from companion.models import BERTClassifier, BERTClassifierConfig
from reference.bert import case_of, sizes, text
from reference.case import Case


def case(*, large: bool = False) -> Case:
    """Seven classes."""
    config = BERTClassifierConfig(**sizes(large=large), n_classes=7)
    tokens, padding_mask, segments = text(config, large=large)
    labels = torch.randint(config.n_classes, (len(tokens),))
    return case_of(
        BERTClassifier(config), transformers.BertForSequenceClassification, lambda out: out.logits,
        inputs=(tokens, padding_mask, segments), batch=(tokens, labels, padding_mask, segments),
    )  # fmt: skip
