"""BERTClassifier beside transformers' BertForSequenceClassification."""

import torch
import transformers

from companion.models import BERTClassifier, BERTClassifierConfig
from reference.bert import case_of, sizes, text
from reference.case import Case


def case(*, large: bool = False) -> Case:
    """Seven classes."""
    config = BERTClassifierConfig(**sizes(large=large), n_class=7)
    tokens, real, segments = text(config, large=large)
    labels = torch.randint(config.n_class, (len(tokens),))
    return case_of(
        BERTClassifier(config), transformers.BertForSequenceClassification, lambda out: out.logits,
        inputs=(tokens, real, segments), batch=(tokens, labels, real, segments),
    )  # fmt: skip
