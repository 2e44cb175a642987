"""The folder that Hugging Face gives a GPT-2: ``config.json`` and ``model.safetensors``, by GPT-2's own names."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from companion.models.weights import load_weights

#: What transformers' GPT2Config may say that this model does not have, and the value that it does have.
_FIXED = {
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "tie_word_embeddings": True,
    "add_cross_attention": False,
}

_NEEDED = ("vocab_size", "n_positions", "n_layer", "n_head", "n_embd")


def write_folder(folder: Path, sizes: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Writes both files; ``sizes`` are the fields of a ``GPTConfig``."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = {f"transformer.{name}": _transposed(name, tensor).contiguous() for name, tensor in weights.items()}
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(_config(dict(sizes)), indent=2) + "\n")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a folder by the names of our parameters; raises as :func:`load_weights`."""
    return {
        name.removeprefix("transformer."): _transposed(name.removeprefix("transformer."), tensor)
        for name, tensor in load_weights(path).items()
        # Buffers of old files (the causal mask), and the output weights, which are the embeddings again.
        if not name.endswith((".attn.bias", ".attn.masked_bias")) and name != "lm_head.weight"
    }


def _config(sizes: dict[str, Any]) -> dict[str, Any]:
    dropout = sizes.pop("dropout")
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "n_positions": sizes.pop("block_size"),
        **sizes,
        **{f"{place}_pdrop": dropout for place in ("attn", "embd", "resid")},
        **_FIXED,
    }


def read_sizes(path: Path) -> dict[str, Any]:
    """The fields of a ``GPTConfig`` from a ``config.json``.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is no JSON, or asks for what our model does not have.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected a model's config in {path}, got no such file")
    try:
        raw = json.loads(path.read_text(encoding="utf8"))
    except ValueError as error:
        raise ValueError(f"expected JSON in {path}, got something else ({error})") from error
    model_type = raw.get("model_type") if isinstance(raw, dict) else raw
    if model_type != "gpt2":
        raise ValueError(f"expected model_type 'gpt2' in {path}, got {model_type!r}")
    if missing := [name for name in _NEEDED if name not in raw]:
        raise ValueError(f"expected {', '.join(_NEEDED)} in {path}, got no {', '.join(missing)}")
    for name, value in _FIXED.items():
        if raw.get(name, value) != value:
            raise ValueError(f"expected {name}={value!r} in {path}, got {raw[name]!r}, which this model does not have")
    if raw.get("n_inner") not in (None, 4 * raw["n_embd"]):
        raise ValueError(f"expected n_inner = 4 * n_embd = {4 * raw['n_embd']} in {path}, got {raw['n_inner']}")
    return {
        "vocab_size": raw["vocab_size"],
        "block_size": raw["n_positions"],
        "n_layer": raw["n_layer"],
        "n_head": raw["n_head"],
        "n_embd": raw["n_embd"],
        "dropout": raw.get("resid_pdrop", 0.0),
        "bias": raw.get("bias", True),
    }


def _transposed(name: str, tensor: Tensor) -> Tensor:
    """GPT-2's linear layers inside blocks are stored [in, out], torch's are [out, in]."""
    return tensor.T if name.startswith("h.") and tensor.ndim == 2 else tensor
