"""A GPT as Hugging Face's Llama, Mistral, Qwen2 and Qwen3 say it: the fields of ``config.json``, the names of tensors.

The four are one model with other options: Mistral has no more than Llama (its early sliding window is refused), Qwen2
has biases on queries, keys and values, Qwen3 normalizes queries and keys.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from companion.models.gpt_config import GPTConfig
from companion.models.hub.folder import our_fields, refuse_missing, refuse_others
from companion.models.rope_scaling import RopeScaling

#: The model types that are read here, and what transformers calls their language models.
TYPES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}

#: What a config may say that our model does not have, and the value that it does have.
_FIXED = {
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "attention_dropout": 0.0,  # ours drops more than attention weights
    "use_sliding_window": False,
    "quantization_config": None,
}

#: Other names of the same function.
_EQUAL = {"hidden_act": ("swish",)}

#: Our fields, and what they call them.
_FIELDS = {
    "vocab_size": "vocab_size",
    "block_size": "max_position_embeddings",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_embd": "hidden_size",
    "n_inner": "intermediate_size",
    "norm_eps": "rms_norm_eps",
}

#: Our tensors, and what they call them: those of a block, then the others. Its queries, keys and values lie apart.
_IN_BLOCK = {
    "ln_1.weight": "input_layernorm.weight",
    "attn.c_attn.weight": "self_attn.qkv_proj.weight",
    "attn.c_attn.bias": "self_attn.qkv_proj.bias",
    "attn.q_norm.weight": "self_attn.q_norm.weight",
    "attn.k_norm.weight": "self_attn.k_norm.weight",
    "attn.c_proj.weight": "self_attn.o_proj.weight",
    "ln_2.weight": "post_attention_layernorm.weight",
    "mlp.c_gate.weight": "mlp.gate_proj.weight",
    "mlp.c_fc.weight": "mlp.up_proj.weight",
    "mlp.c_proj.weight": "mlp.down_proj.weight",
}
_OUTSIDE = {"wte.weight": "embed_tokens.weight", "ln_f.weight": "norm.weight"}
#: What stands before the names of all but the output weights, unless the folder holds a base model (``LlamaModel``).
_PREFIX = "model."


#: Our names of the parameters of scaled angles, and theirs; ``linear`` has the first only.
_SCALING = {
    "linear": {"factor": "factor"},
    "llama3": {
        "factor": "factor",
        "original": "original_max_position_embeddings",
        "low": "low_freq_factor",
        "high": "high_freq_factor",
    },
    "yarn": {
        "factor": "factor",
        "original": "original_max_position_embeddings",
        "low": "beta_slow",
        "high": "beta_fast",
        "attention_factor": "attention_factor",
    },
}
#: What yarn's authors take where a config says nothing.
_YARN = {"beta_slow": 1.0, "beta_fast": 32.0}


def fits(config: GPTConfig) -> bool:
    """Whether one of the four has all the options of ``config``."""
    options = (config.positions, config.norm, config.feed_forward, config.bias)
    return options == ("rotary", "rms", "swiglu", False) and not (config.qkv_bias and config.qk_norm)


def to_json(config: GPTConfig) -> dict[str, Any]:
    """The fields of ``config.json``; ``dropout`` is our own."""
    model_type = "qwen2" if config.qkv_bias else "qwen3" if config.qk_norm else "llama"
    return {
        "model_type": model_type,
        "architectures": [TYPES[model_type]],
        **{theirs: getattr(config, ours) for ours, theirs in _FIELDS.items()},
        "intermediate_size": config.inner,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "rope_theta": config.rope_theta,
        "rope_scaling": _scaling_to_json(config.rope_scaling),
        "tie_word_embeddings": config.tied,
        "dropout": config.dropout,
        "sliding_window": None,
        **_FIXED,
    }


def from_json(raw: Mapping[str, Any]) -> GPTConfig:
    """The config that the fields of ``config.json`` stand for; a field of null is as an absent one.

    Raises:
        ValueError: naming a field that is missing, or asks for what our model does not have.
    """
    given = {name: value for name, value in raw.items() if value is not None}
    model_type = given["model_type"]
    fields = our_fields(given, _FIELDS)
    refuse_others(given, _FIXED, equal=_EQUAL)
    _refuse_windows(raw, model_type)
    if model_type != "llama":
        refuse_missing(given, ["num_key_value_heads"])  # each has a default of its own
    if model_type == "qwen3":
        refuse_missing(given, ["head_dim"])
    plain = fields["n_embd"] // fields["n_head"]
    theta, scaling = _angles(given)
    return GPTConfig(
        **fields,
        n_kv_head=given.get("num_key_value_heads"),
        head_size=None if given.get("head_dim", plain) == plain else given["head_dim"],
        qkv_bias=model_type == "qwen2",
        qk_norm=model_type == "qwen3",
        rope_theta=theta,
        rope_scaling=scaling,
        tied=given.get("tie_word_embeddings", False),
        dropout=given.get("dropout", 0.0),
        positions="rotary",
        norm="rms",
        feed_forward="swiglu",
    )


def _refuse_windows(raw: Mapping[str, Any], model_type: str) -> None:
    """Refuses attention to the last tokens only, unless the window is as long as the context.

    Qwens have a window only where ``use_sliding_window`` says so. A Mistral has one of 4,096 unless it says null.
    """
    length = raw["max_position_embeddings"]
    window = raw.get("sliding_window", 4_096 if model_type == "mistral" else None)
    if model_type in ("llama", "mistral") and window is not None and window < length:
        raise ValueError(
            f"expected sliding_window=None in config.json, got {window} with a context of {length}, which this model "
            f"does not have: with max_position_embeddings={window} it reads texts that fit the window"
        )
    if set(raw.get("layer_types") or ()) - {"full_attention"}:
        raise ValueError(
            f"expected layer_types of full_attention in config.json, got {sorted(set(raw['layer_types']))}, which this "
            f"model does not have"
        )


def _angles(given: Mapping[str, Any]) -> tuple[float, RopeScaling | None]:
    """Base and scaling of the angles; transformers 5 has both in ``rope_parameters``, once ``rope_scaling``."""
    theta, scaling = given.get("rope_theta", 10_000.0), None
    for name in ("rope_scaling", "rope_parameters"):
        fields = {field: value for field, value in given.get(name, {}).items() if value is not None}
        theta = fields.pop("rope_theta", theta)
        kind = fields.pop("rope_type", fields.pop("type", "default"))
        fields.pop("type", None)
        if fields.get("partial_rotary_factor") == 1:
            del fields["partial_rotary_factor"]
        known = set(_SCALING.get(kind, {}).values())
        if (kind != "default" and not known) or fields.keys() - known - {"original_max_position_embeddings"}:
            raise ValueError(
                f"expected {name} of rope_type default, {', '.join(_SCALING)} with its parameters in config.json, "
                f"got {given[name]}, which this model does not have"
            )
        if kind != "default":
            scaling = _scaling_from_json(kind, fields)
    return theta, scaling


def _scaling_from_json(kind: str, fields: Mapping[str, Any]) -> RopeScaling:
    names = _SCALING[kind]
    filled = (_YARN if kind == "yarn" else {}) | dict(fields)
    refuse_missing(filled, [theirs for ours, theirs in names.items() if ours != "attention_factor"])
    return RopeScaling(kind, **{ours: filled[theirs] for ours, theirs in names.items() if theirs in filled})  # type: ignore[arg-type]


def _scaling_to_json(scaling: RopeScaling | None) -> dict[str, Any] | None:
    if scaling is None:
        return None
    named = {theirs: getattr(scaling, ours) for ours, theirs in _SCALING[scaling.kind].items()}
    return {"rope_type": scaling.kind, **{name: value for name, value in named.items() if value is not None}}


def to_tensors(weights: Mapping[str, Tensor], config: GPTConfig) -> dict[str, Tensor]:
    """Our weights by their names."""
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
    """Their weights by our names; what we do not know keeps its name."""
    kept = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}
    kept = {name: tensor for name, tensor in kept.items() if not name.endswith("rotary_emb.inv_freq")}  # old files
    for layer in range(config.n_layer):
        for kind in ("weight", "bias"):
            name = f"layers.{layer}.self_attn.{{}}_proj.{kind}"
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
