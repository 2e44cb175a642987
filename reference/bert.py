"""BERT beside transformers' BertForMaskedLM, and what the cases of its heads share with it."""

from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from companion.models import BERT, BERTConfig, BERTEncoder
from reference.case import Case

#: Ours and theirs.
PARTS = {
    "embeddings.token": "bert.embeddings.word_embeddings",
    "embeddings.position": "bert.embeddings.position_embeddings",
    "embeddings.segment": "bert.embeddings.token_type_embeddings",
    "embeddings.norm": "bert.embeddings.LayerNorm",
    "attention.layer.query": "attention.self.query",
    "attention.layer.output": "attention.output.dense",
    "attention.norm": "attention.output.LayerNorm",
    "feed_forward.layer.inner": "intermediate.dense",
    "feed_forward.layer.outer": "output.dense",
    "feed_forward.norm": "output.LayerNorm",
    "head": "cls.predictions",
    "head.dense": "cls.predictions.transform.dense",
    "head.norm": "cls.predictions.transform.LayerNorm",
    "pooler": "bert.pooler.dense",
    "classifier": "classifier",
    "span": "qa_outputs",
}


class Output(nn.Module):
    """A transformers model that returns one tensor of its output."""

    def __init__(self, model: nn.Module, pick: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.model, self.pick = model, pick

    def forward(self, tokens: Tensor, padding_mask: Tensor, segments: Tensor | None = None) -> Tensor:
        """What ``pick`` takes from the output."""
        return self.pick(self.model(tokens, attention_mask=padding_mask.long(), token_type_ids=segments))


def case_of(
    model: BERTEncoder, reference: Any, pick: Callable[[Any], Tensor], inputs: tuple[Tensor, ...], batch: tuple
) -> Case:
    """The case of one head; ``reference`` is a class of transformers."""
    config = model.config
    theirs = reference(
        transformers.BertConfig(
            vocab_size=config.vocab_size, max_position_embeddings=config.block_size, type_vocab_size=config.n_segment,
            hidden_size=config.n_embd, num_attention_heads=config.n_head, num_hidden_layers=config.n_layer,
            intermediate_size=config.n_hidden, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
            num_labels=getattr(config, "n_classes", 2),
            pad_token_id=None,  # theirs would keep the gradient of token 0 at nothing
        )
    )  # fmt: skip
    names = [name for name, _ in model.named_parameters()]
    with torch.no_grad():
        parameters = dict(theirs.named_parameters())
        for name, ours in model.named_parameters():
            found = [parameters[their_name] for their_name in their_names(name)]
            for part, tensor in zip(found, ours.chunk(len(found)), strict=True):
                part.copy_(tensor)
    return Case(
        model=model,
        inputs=inputs,
        batch=batch,
        reference=Output(theirs, pick),
        reference_name="transformers",
        reference_gradients=lambda: {
            name: torch.cat([parameters[their_name].grad for their_name in their_names(name)]) for name in names
        },
        sizes={"batch": inputs[0].shape[0], "time": inputs[0].shape[1]},
    )


def their_names(name: str) -> list[str]:
    """Where transformers keeps one of our parameters; keys and values in two places."""
    module, leaf = name.rsplit(".", 1)
    prefix = ""
    if module.startswith("encoder.blocks."):
        _, _, layer, module = module.split(".", 3)
        prefix = f"bert.encoder.layer.{layer}."
    if module == "attention.layer.key_value":
        return [f"{prefix}attention.self.{part}.{leaf}" for part in ("key", "value")]
    return [f"{prefix}{PARTS[module]}.{leaf}"]


def sizes(*, large: bool) -> dict[str, Any]:
    """Fields of a config: two small layers; large: six layers as wide as MiniLM's."""
    if large:
        return {
            "vocab_size": 4_096, "block_size": 128, "n_embd": 384, "n_head": 12, "n_layer": 6, "n_hidden": 1_536,
            "dropout": 0.0,
        }  # fmt: skip
    return {
        "vocab_size": 53, "block_size": 13, "n_segment": 3, "n_embd": 35, "n_head": 5, "n_layer": 2, "n_hidden": 17,
        "dropout": 0.0,
    }  # fmt: skip


def text(config: BERTConfig, *, large: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, which of them are real, and their segments."""
    batch, time = (4, 128) if large else (3, 11)
    tokens = torch.randint(config.vocab_size, (batch, time))
    padding_mask = torch.arange(time) < torch.randint(2, time, (batch, 1))
    return tokens, padding_mask, torch.randint(config.n_segment, (batch, time))


def case(*, large: bool = False) -> Case:
    """The masked-language model."""
    config = BERTConfig(**sizes(large=large))
    tokens, padding_mask, segments = text(config, large=large)
    targets = torch.randint_like(tokens, config.vocab_size)
    return case_of(
        BERT(config), transformers.BertForMaskedLM, lambda out: out.logits,
        inputs=(tokens, padding_mask, segments), batch=(tokens, targets, padding_mask, segments),
    )  # fmt: skip
