"""The folder that Hugging Face gives a BERT: ``config.json`` and safetensors, by transformers' names."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from companion.models.hub.folder import read_json, read_tensors, refuse_missing, refuse_others, write_hub_folder

#: Fields of a ``BERTConfig``, and what transformers' ``BertConfig`` calls them.
_FIELDS = {
    "vocab_size": "vocab_size",
    "block_size": "max_position_embeddings",
    "n_segment": "type_vocab_size",
    "n_embd": "hidden_size",
    "n_head": "num_attention_heads",
    "n_layer": "num_hidden_layers",
    "n_hidden": "intermediate_size",
    "norm_eps": "layer_norm_eps",
    "dropout": "hidden_dropout_prob",
}

#: What a ``BertConfig`` may say that our model does not have, and the value that it does have.
_FIXED = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}

#: Modules of ours, and theirs: those within a block, and all others.
_BLOCK = {
    "attention.layer.query": "attention.self.query",
    "attention.layer.key": "attention.self.key",
    "attention.layer.value": "attention.self.value",
    "attention.layer.output": "attention.output.dense",
    "attention.norm": "attention.output.LayerNorm",
    "feed_forward.layer.inner": "intermediate.dense",
    "feed_forward.layer.outer": "output.dense",
    "feed_forward.norm": "output.LayerNorm",
}
_REST = {
    "embeddings.token": "bert.embeddings.word_embeddings",
    "embeddings.position": "bert.embeddings.position_embeddings",
    "embeddings.segment": "bert.embeddings.token_type_embeddings",
    "embeddings.norm": "bert.embeddings.LayerNorm",
    "head": "cls.predictions",
    "head.dense": "cls.predictions.transform.dense",
    "head.norm": "cls.predictions.transform.LayerNorm",
    "pooler": "bert.pooler.dense",
    "classifier": "classifier",
    "span": "qa_outputs",
}
_OUR_BLOCK = {theirs: ours for ours, theirs in _BLOCK.items()}
_OUR_REST = {theirs.removeprefix("bert."): ours for ours, theirs in _REST.items()}


def write_folder(folder: Path, architecture: str, fields: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Writes both files; ``fields`` are those of a ``BERTConfig`` or of a head's.

    Raises:
        ValueError: for a model that transformers' BERT is not.
    """
    if fields["norm_first"] or fields["activation"] != "gelu":
        got = f"norm_first={fields['norm_first']} and activation={fields['activation']!r}"
        raise ValueError(f"expected norm_first=False and activation='gelu', as BERT has, got {got}: use save_weights")
    config = {theirs: fields[ours] for ours, theirs in _FIELDS.items()} | _FIXED
    config |= {"architectures": [architecture], "attention_probs_dropout_prob": fields["dropout"]}
    if "n_classes" in fields:
        config["id2label"] = {str(label): f"LABEL_{label}" for label in range(fields["n_classes"])}
        config["label2id"] = {f"LABEL_{label}": label for label in range(fields["n_classes"])}
    write_hub_folder(folder, config, {_their_name(name): tensor for name, tensor in _split(weights).items()})


def read_fields(folder: Path) -> dict[str, Any]:
    """The fields of a ``BERTConfig`` from a folder's ``config.json``, and ``n_classes``.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is no JSON, or asks for what our model does not have.
    """
    raw = read_json(folder / "config.json")
    refuse_missing(raw, ("model_type", *_FIELDS.values()))
    refuse_others(raw, _FIXED | {"attention_probs_dropout_prob": raw["hidden_dropout_prob"]})
    # transformers leaves the labels out where there are two.
    return {ours: raw[theirs] for ours, theirs in _FIELDS.items()} | {"n_classes": len(raw.get("id2label", "01"))}


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a folder by the names of our parameters; raises as ``read_tensors``.

    Heads that we do not have, old buffers, and output weights, which are the embeddings again, are left out.
    """
    named = {_our_name(name): tensor for name, tensor in read_tensors(folder).items()}
    keys = [name for name in named if ".layer.key." in name]
    for key in keys:
        pair = [named.pop(key), named.pop(key.replace(".key.", ".value."))]
        named[key.replace(".key.", ".key_value.")] = torch.cat(pair)
    return {name: tensor for name, tensor in named.items() if name}


def _split(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys and values, which we keep in one, as two."""
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        parts = ("key", "value") if ".key_value." in name else ()
        found |= {name.replace("key_value", part): half for part, half in zip(parts, tensor.chunk(2), strict=False)}
        if not parts:
            found[name] = tensor
    return found


def _their_name(name: str) -> str:
    module, leaf = name.rsplit(".", 1)
    if block := re.fullmatch(r"encoder\.blocks\.(\d+)\.(.+)", module):
        return f"bert.encoder.layer.{block[1]}.{_BLOCK[block[2]]}.{leaf}"
    return f"{_REST[module]}.{leaf}"


def _our_name(name: str) -> str:
    """Empty where we have no such weights."""
    module, _, leaf = name.removeprefix("bert.").rpartition(".")
    # The first files, converted from TensorFlow, have these names.
    leaf = {"gamma": "weight", "beta": "bias"}.get(leaf, leaf)
    block = re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)", module)
    if block and block[2] in _OUR_BLOCK:
        return f"encoder.blocks.{block[1]}.{_OUR_BLOCK[block[2]]}.{leaf}"
    return f"{_OUR_REST[module]}.{leaf}" if module in _OUR_REST else ""
