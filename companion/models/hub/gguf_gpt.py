"""A GPT as a GGUF file says it: a Llama or a GPT-2 by llama.cpp's keys and names."""

import re
from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from companion.models.gpt_config import GPTConfig
from companion.models.hub import llama as llama_folder
from companion.models.hub.gguf import GGUFFile

#: Our fields, and what both architectures call them, after the architecture's name.
_FIELDS = {
    "block_size": "context_length",
    "n_layer": "block_count",
    "n_head": "attention.head_count",
    "n_embd": "embedding_length",
    "n_inner": "feed_forward_length",
}

#: llama.cpp's tensors, and what Hugging Face's Llama calls them: those of a block, then the others.
_LLAMA_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_LLAMA_REST = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}

#: llama.cpp's tensors of a GPT-2, and what we call them. It stores [out, in], as torch does.
_GPT2_BLOCK = {
    "attn_norm": "ln_1",
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}
_GPT2_REST = {"token_embd": "wte", "position_embd": "wpe", "output_norm": "ln_f", "output": "lm_head"}


def read_gpt(file: GGUFFile) -> tuple[GPTConfig, dict[str, Tensor]]:
    """The config, and the weights by our names.

    Raises:
        ValueError: where the file asks for what our model does not have, or lacks what it needs.
    """
    match file.need("general.architecture"):
        case "llama":
            return _read_llama(file)
        case "gpt2":
            return _read_gpt2(file)
        case other:
            raise ValueError(f"expected architecture 'llama' or 'gpt2' in {file.path}, got {other!r}")


def _read_llama(file: GGUFFile) -> tuple[GPTConfig, dict[str, Tensor]]:
    tensors = file.tensors()
    config = GPTConfig(
        **_sizes(file, "llama", tensors),
        n_kv_head=file.get("llama.attention.head_count_kv"),
        rope_theta=file.get("llama.rope.freq_base", 10_000.0),
        norm_eps=file.need("llama.attention.layer_norm_rms_epsilon"),
        positions="rotary",
        norm="rms",
        feed_forward="swiglu",
    )
    dims = ("rope.dimension_count", "attention.key_length", "attention.value_length")
    fixed: dict[str, Any] = {f"llama.{key}": config.head_dim for key in dims}
    file.refuse_others(fixed | {"llama.rope.scaling.type": "none", "llama.expert_count": 0})
    for name in tensors:
        for part, heads in (("attn_q", config.n_head), ("attn_k", config.kv_heads)):
            if name.endswith(f".{part}.weight"):
                tensors[name] = _halves(name, tensors[name], heads, config.head_dim)
    named = {_renamed(name, "model.layers.", _LLAMA_BLOCK, _LLAMA_REST): tensors[name] for name in tensors}
    return config, llama_folder.from_tensors(named, config)


def _read_gpt2(file: GGUFFile) -> tuple[GPTConfig, dict[str, Tensor]]:
    tensors = file.tensors()
    epsilon = file.need("gpt2.attention.layer_norm_epsilon")
    config = GPTConfig(**_sizes(file, "gpt2", tensors), norm_eps=epsilon, bias=True)
    return config, {_renamed(name, "h.", _GPT2_BLOCK, _GPT2_REST): tensors[name] for name in tensors}


def _sizes(file: GGUFFile, architecture: str, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The vocabulary's size is that of the embeddings, since not all files give it."""
    if "token_embd.weight" not in tensors:
        raise ValueError(f"expected the tensor token_embd.weight in {file.path}, got none")
    sizes = {ours: file.need(f"{architecture}.{theirs}") for ours, theirs in _FIELDS.items()}
    tied = "output.weight" not in tensors
    return sizes | {"vocab_size": len(tensors["token_embd.weight"]), "tied": tied}


def _halves(name: str, weight: Float[Tensor, "rows width"], heads: int, dim: int) -> Float[Tensor, "rows width"]:
    """The rows of queries or keys as we turn them: llama.cpp pairs neighbors of a head, we pair its two halves."""
    if weight.ndim != 2 or len(weight) != heads * dim:
        raise ValueError(f"expected {name} of {heads} · {dim} rows, got shape {tuple(weight.shape)}")
    return weight.unflatten(0, (heads, dim // 2, 2)).transpose(1, 2).reshape(weight.shape)


def _renamed(name: str, prefix: str, in_block: Mapping[str, str], rest: Mapping[str, str]) -> str:
    """A tensor's name by the tables; what they do not have keeps its own, and is refused where weights are copied."""
    module, _, leaf = name.rpartition(".")
    if block := re.fullmatch(r"blk\.(\d+)\.(.+)", module):
        return f"{prefix}{block[1]}.{in_block.get(block[2], block[2])}.{leaf}"
    return f"{rest.get(module, module)}.{leaf}"
