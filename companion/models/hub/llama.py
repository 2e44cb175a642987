"""A GPT as Hugging Face's Llama says it: the fields of ``config.json`` and the names of the tensors."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from companion.models.gpt_config import GPTConfig
from companion.models.hub.folder import our_fields, refuse_others

#: What a Llama's config may say that our model does not have, and the value that it does have.
_FIXED = {
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "attention_dropout": 0.0,  # ours drops more than attention weights
    "sliding_window": None,
    "quantization_config": None,
}

#: Other names of the same function.
_EQUAL = {"hidden_act": ("swish",)}

#: Our fields, and what Llama calls them.
_FIELDS = {
    "vocab_size": "vocab_size",
    "block_size": "max_position_embeddings",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_embd": "hidden_size",
    "n_inner": "intermediate_size",
    "norm_eps": "rms_norm_eps",
}

#: Our tensors, and what Llama calls them: those of a block, then the others. Its queries, keys and values lie apart.
_IN_BLOCK = {
    "ln_1.weight": "input_layernorm.weight",
    "attn.c_attn.weight": "self_attn.qkv_proj.weight",
    "attn.c_proj.weight": "self_attn.o_proj.weight",
    "ln_2.weight": "post_attention_layernorm.weight",
    "mlp.c_gate.weight": "mlp.gate_proj.weight",
    "mlp.c_fc.weight": "mlp.up_proj.weight",
    "mlp.c_proj.weight": "mlp.down_proj.weight",
}
_OUTSIDE = {"wte.weight": "embed_tokens.weight", "ln_f.weight": "norm.weight"}
#: What stands before the names of all but the output weights, unless the folder holds a base model (``LlamaModel``).
_PREFIX = "model."


def fits(config: GPTConfig) -> bool:
    """Whether Llama has all the options of ``config``."""
    return (config.positions, config.norm, config.feed_forward, config.bias) == ("rotary", "rms", "swiglu", False)


def to_json(config: GPTConfig) -> dict[str, Any]:
    """The fields of ``config.json``; ``dropout`` is our own."""
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        **{theirs: getattr(config, ours) for ours, theirs in _FIELDS.items()},
        "intermediate_size": config.inner,
        "num_key_value_heads": config.kv_heads,
        "rope_theta": config.rope_theta,
        "tie_word_embeddings": config.tied,
        "dropout": config.dropout,
        **_FIXED,
    }


def from_json(raw: Mapping[str, Any]) -> GPTConfig:
    """The config that the fields of ``config.json`` stand for.

    Raises:
        ValueError: naming a field that is missing, or asks for what our model does not have.
    """
    fields = our_fields(raw, _FIELDS)
    refuse_others(raw, _FIXED, equal=_EQUAL)
    config = GPTConfig(
        **fields,
        n_kv_head=raw.get("num_key_value_heads"),
        rope_theta=_rope_theta(raw),
        tied=raw.get("tie_word_embeddings", False),
        dropout=raw.get("dropout", 0.0),
        positions="rotary",
        norm="rms",
        feed_forward="swiglu",
    )
    refuse_others(raw, {"head_dim": config.head_dim})
    return config


def _rope_theta(raw: Mapping[str, Any]) -> float:
    """The base of the angles, which moved into ``rope_parameters`` (once ``rope_scaling``) with transformers 5."""
    theta = raw.get("rope_theta", 10_000.0)
    for name in ("rope_scaling", "rope_parameters"):
        given = {field: value for field, value in (raw.get(name) or {}).items() if value is not None}
        theta = given.pop("rope_theta", theta)
        plain = {"rope_type": "default", "type": "default", "partial_rotary_factor": 1.0}
        if any(plain.get(field) != value for field, value in given.items()):
            raise ValueError(
                f"expected {name} of a rope_theta and rope_type='default' in config.json, got {raw[name]}, "
                f"which this model does not have"
            )
    return theta


def to_tensors(weights: Mapping[str, Tensor], config: GPTConfig) -> dict[str, Tensor]:
    """Our weights by Llama's names."""
    heads = [count * config.head_dim for count in (config.n_head, config.kv_heads, config.kv_heads)]
    tensors: dict[str, Tensor] = {}
    for ours, tensor in weights.items():
        name = _renamed(ours, "h.", "layers.", _IN_BLOCK, _OUTSIDE)
        name = name if name == "lm_head.weight" else _PREFIX + name
        if "qkv_proj" in name:
            parts = zip("qkv", tensor.split(heads), strict=True)
            tensors |= {name.replace("qkv_proj", f"{part}_proj"): rows for part, rows in parts}
        else:
            tensors[name] = tensor
    return tensors


def from_tensors(tensors: Mapping[str, Tensor], config: GPTConfig) -> dict[str, Tensor]:
    """Llama's weights by our names; what we do not know keeps its name."""
    kept = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}
    kept = {name: tensor for name, tensor in kept.items() if not name.endswith("rotary_emb.inv_freq")}  # old files
    for layer in range(config.n_layer):
        name = f"layers.{layer}.self_attn.{{}}_proj.weight"
        apart = [name.format(part) for part in "qkv"]
        if kept.keys() >= set(apart):
            kept[name.format("qkv")] = torch.cat([kept.pop(part) for part in apart])
    in_block, outside = ({theirs: ours for ours, theirs in names.items()} for names in (_IN_BLOCK, _OUTSIDE))
    return {_renamed(name, "layers.", "h.", in_block, outside): tensor for name, tensor in kept.items()}


def layer_path(ours: str) -> str:
    """What Llama calls a layer of a block; queries, keys and values together are its ``qkv_proj``, which it splits."""
    weight = _renamed(f"{ours}.weight", "h.", "layers.", _IN_BLOCK, _OUTSIDE)
    return _PREFIX + weight.removesuffix(".weight")


def _renamed(name: str, old: str, new: str, in_block: Mapping[str, str], outside: Mapping[str, str]) -> str:
    """``name`` with the block's prefix ``old`` changed to ``new``, and the rest as the two tables say."""
    if not name.startswith(old):
        return outside.get(name, name)
    layer, _, rest = name.removeprefix(old).partition(".")
    return f"{new}{layer}.{in_block.get(rest, rest)}"
