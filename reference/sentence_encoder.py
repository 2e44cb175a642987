"""SentenceEncoder beside transformers' BertModel, averaged over tokens."""

import torch
import transformers
from torch import Tensor, nn

from companion.models import SentenceEncoder, SentenceEncoderConfig
from reference.bert import case_of, sizes, text
from reference.case import Case


class Pooled(nn.Module):
    """A BertModel, by the name that it has within other models, and the mean of its output over real tokens."""

    def __init__(self, config: transformers.BertConfig) -> None:
        super().__init__()
        self.bert = transformers.BertModel(config, add_pooling_layer=False)

    def forward(self, tokens: Tensor, attention_mask: Tensor, token_type_ids: None) -> Tensor:
        """One vector of length 1 a sentence."""
        hidden = self.bert(tokens, attention_mask=attention_mask).last_hidden_state
        mean = torch.einsum("btw,bt->bw", hidden, attention_mask.float()) / attention_mask.sum(dim=1, keepdim=True)
        return mean / mean.norm(dim=1, keepdim=True)


def case(*, large: bool = False) -> Case:
    """Pairs of sentences."""
    config = SentenceEncoderConfig(**sizes(large=large))
    tokens, padding_mask, _ = text(config, large=large)
    partners, partners_padding_mask, _ = text(config, large=large)
    return case_of(
        SentenceEncoder(config), Pooled, lambda mean: mean,
        inputs=(tokens, padding_mask), batch=(tokens, padding_mask, partners, partners_padding_mask),
    )  # fmt: skip
