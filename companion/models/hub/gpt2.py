"""A GPT as Hugging Face's GPT-2 says it: the fields of ``config.json`` and the names of the tensors."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from companion.models.gpt_config import GPTConfig
from companion.models.hub.folder import our_fields, refuse_others

#: What transformers' GPT2Config may say that our model does not have, and the value that it does have.
_FIXED = {
    "activation_function": "gelu_new",
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}

#: Other names of the same function: GELU in the approximation by tanh.
_EQUAL = {"activation_function": ("gelu_pytorch_tanh", "gelu_fast", "gelu_python_tanh", "gelu_accurate")}

#: Where GPT-2 drops activations; ours has one probability for all three.
_DROPOUTS = ("attn_pdrop", "embd_pdrop", "resid_pdrop")

#: Our fields, and what GPT-2 calls them.
_FIELDS = {
    "vocab_size": "vocab_size",
    "block_size": "n_positions",
    "n_layer": "n_layer",
    "n_head": "n_head",
    "n_embd": "n_embd",
}


def fits(config: GPTConfig) -> bool:
    """Whether GPT-2 has all the options of ``config``."""
    options = (config.positions, config.norm, config.feed_forward, config.kv_heads, config.head_size)
    return options == ("learned", "layer", "gelu", config.n_head, None) and not (config.qkv_bias or config.qk_norm)


def to_json(config: GPTConfig) -> dict[str, Any]:
    """The fields of ``config.json``; ``bias`` is our own, since GPT-2 always has biases."""
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        **{theirs: getattr(config, ours) for ours, theirs in _FIELDS.items()},
        "n_inner": config.n_inner,
        "layer_norm_epsilon": config.norm_eps,
        "tie_word_embeddings": config.tied,
        "bias": config.bias,
        **dict.fromkeys(_DROPOUTS, config.dropout),
        **_FIXED,
    }


def from_json(raw: Mapping[str, Any]) -> GPTConfig:
    """The config that the fields of ``config.json`` stand for.

    Raises:
        ValueError: naming a field that is missing, or asks for what our model does not have.
    """
    fields = our_fields(raw, _FIELDS)
    refuse_others(raw, _FIXED, equal=_EQUAL)
    return GPTConfig(
        **fields,
        n_inner=raw.get("n_inner"),
        norm_eps=raw.get("layer_norm_epsilon", 1e-5),
        tied=raw.get("tie_word_embeddings", True),
        bias=raw.get("bias", True),
        dropout=_dropout(raw),
    )


def _dropout(raw: Mapping[str, Any]) -> float:
    found = {name: raw[name] for name in _DROPOUTS if name in raw}
    if len(set(found.values())) > 1:
        raise ValueError(
            f"expected {', '.join(found)} of one value in config.json, got {', '.join(map(str, found.values()))}, "
            f"which this model does not have: give them one value there (0 does, unless the model is to be trained)"
        )
    return next(iter(found.values()), 0.0)


def to_tensors(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our weights by GPT-2's names."""
    prefix = {"lm_head.weight": ""}
    return {prefix.get(name, "transformer.") + name: _transposed(name, tensor) for name, tensor in weights.items()}


def from_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """GPT-2's weights by our names."""
    named = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    masks = (".attn.bias", ".attn.masked_bias")  # buffers of old files
    return {name: _transposed(name, tensor) for name, tensor in named.items() if not name.endswith(masks)}


def _transposed(name: str, tensor: Tensor) -> Tensor:
    """GPT-2's linear layers inside blocks are stored [in, out], torch's are [out, in]."""
    return tensor.T if name.startswith("h.") and tensor.ndim == 2 else tensor
