"""Adapters on disk, in peft's format: ``adapter_config.json`` and ``adapter_model.safetensors``."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from companion.finetune.lora import LoRAConfig, add_lora, check_plain, lora_layers
from companion.models import GPT
from companion.models.hub.folder import read_json, refuse_missing
from companion.models.hub.layers import layer_parts
from companion.models.hub.weights import load_weights

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX, _A = "base_model.model.", ".lora_A.weight"

#: What peft's config may ask for that our adapters do not have, and the values that say no.
_FIXED: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none", None),
    **dict.fromkeys(["use_dora", "use_rslora", "use_qalora", "lora_bias"], (False, None)),
    **dict.fromkeys(["rank_pattern", "alpha_pattern"], ({}, None)),
    **dict.fromkeys(
        ["modules_to_save", "layers_to_transform", "layer_replication", "exclude_modules", "trainable_token_indices",
         "target_parameters", "use_bdlora", "alora_invocation_tokens"],
        (None, [], False),
    ),
}  # fmt: skip


def save_adapter(model: GPT, folder: str | Path, *, base: str | None = None) -> None:
    """Writes the adapters of a model, a few megabytes, so that peft reads them for the same base model.

    Args:
        model: a GPT with adapters.
        folder: where to; made where it is missing.
        base: name or path of the base model, which peft's ``AutoPeftModel`` opens.

    Raises:
        ValueError: for a model without adapters.

    Example:
        >>> import tempfile
        >>> from companion.models import GPTConfig
        >>> config = GPTConfig(vocab_size=257, block_size=64, n_layer=2, n_head=4, n_embd=32)
        >>> folder = tempfile.mkdtemp()
        >>> save_adapter(add_lora(GPT(config)), folder)
        >>> sorted(path.name for path in Path(folder).iterdir())
        ['adapter_config.json', 'adapter_model.safetensors']
        >>> model = load_adapter(GPT(config), folder)
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in _tensors(model).items()}
    if not tensors:
        raise ValueError("expected a model with adapters, got one that has none: add_lora(model) first")
    layer = next(iter(lora_layers(model).values()))
    r = next(iter(layer.lora_A.values())).shape[0]
    told = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "inference_mode": True,
        "r": r,
        "lora_alpha": layer.scaling * r,
        "lora_dropout": getattr(layer.dropout, "p", 0.0),
        "target_modules": sorted({name for each in lora_layers(model).values() for name in each.lora_A}),
        "bias": "none",
        "fan_in_fan_out": model.config.positions == "learned",  # GPT-2's layers are stored [in, out]
        "init_lora_weights": True,
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / _WEIGHTS, metadata={"format": "pt"})
    (folder / _CONFIG).write_text(json.dumps(told, indent=2) + "\n", encoding="utf8")


def load_adapter(model: GPT, folder: str | Path) -> GPT:
    """Adds to a GPT the adapters of a folder that :func:`save_adapter` or peft wrote, in place.

    Raises:
        FileNotFoundError: where one of the two files is missing.
        ValueError: for adapters of another model (naming what differs), or of a kind that ours are not.
    """
    check_plain(model)
    folder = Path(folder)
    told = read_json(folder / _CONFIG)
    for name, allowed in _FIXED.items():
        if name in told and told[name] not in allowed:
            raise ValueError(f"expected {name}={allowed[0]!r} in {folder / _CONFIG}, got {told[name]!r}: not supported")
    refuse_missing(told, ["r", "lora_alpha"], _CONFIG)
    weights = load_weights(folder / _WEIGHTS)
    paths = {name.removesuffix(_A) for name in weights if name.endswith(_A)}
    if not paths:
        raise ValueError(f"expected matrices named …{_A} in {folder / _WEIGHTS}, got {sorted(weights)[:2]}")
    config = LoRAConfig(
        r=told["r"],
        lora_alpha=told["lora_alpha"],
        lora_dropout=told.get("lora_dropout", 0.0),
        target_modules=sorted({path.rpartition(".")[2] for path in paths}),
    )
    _check_same_model(model, config, weights, folder)
    add_lora(model, config)
    with torch.no_grad():
        for name, tensor in _tensors(model).items():
            tensor.copy_(weights[name])
    return model


def _check_same_model(model: GPT, config: LoRAConfig, weights: dict[str, Tensor], folder: Path) -> None:
    """Refuses adapters whose names or shapes are not those that this model would get."""
    expected: dict[str, tuple[int, int]] = {}
    for path, parts in layer_parts(model.config).items():
        for part in parts:
            if part.name in (config.target_modules or ()):
                inputs = model.get_parameter(f"{path}.weight").shape[1]
                expected[f"{_PREFIX}{part.path}.lora_A.weight"] = (config.r, inputs)
                expected[f"{_PREFIX}{part.path}.lora_B.weight"] = (part.rows, config.r)
    missing, unknown = sorted(expected.keys() - weights.keys()), sorted(weights.keys() - expected.keys())
    if missing or unknown:
        raise ValueError(
            f"expected adapters for this model in {folder}, got {len(missing)} missing (such as {missing[:1]}) and "
            f"{len(unknown)} unknown (such as {unknown[:1]}): were they made for another model?"
        )
    for name, shape in expected.items():
        if tuple(weights[name].shape) != shape:
            raise ValueError(
                f"expected {name} of shape {shape} in {folder}, got {tuple(weights[name].shape)}: were they made for "
                "another model?"
            )


def _tensors(model: GPT) -> dict[str, Tensor]:
    """The matrices by peft's names; they share the model's memory."""
    found: dict[str, Tensor] = {}
    for layer in lora_layers(model).values():
        for part in layer.parts:
            for side, matrices in (("lora_A", layer.lora_A), ("lora_B", layer.lora_B)):
                if part.name in matrices:
                    found[f"{_PREFIX}{part.path}.{side}.weight"] = matrices[part.name]
    return found
