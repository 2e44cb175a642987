"""The folder of a GPT: as a GPT-2's or a Llama's where it is one, so that others can read it, else by our own names."""

import dataclasses
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from companion.models.gpt_config import GPTConfig
from companion.models.hub import gguf_gpt
from companion.models.hub import gpt2 as gpt2_folder
from companion.models.hub import llama as llama_folder
from companion.models.hub.folder import read_json, read_tensors, refuse_missing, write_hub_folder
from companion.models.hub.gguf import GGUFFile, find_gguf
from companion.models.rope_scaling import RopeScaling

#: Options that the first folders do not have, and do without.
_LATER = {"head_size", "qkv_bias", "qk_norm", "rope_scaling"}
_HEAD, _EMBEDDINGS = "lm_head.weight", "wte.weight"


def write_folder(folder: Path, config: GPTConfig, weights: Mapping[str, Tensor]) -> None:
    """Writes ``config.json`` and ``model.safetensors``.

    Raises:
        ValueError: for weights of adapters or in few bits, which no other reader would find in their place.
    """
    if any(name.endswith(".scales") for name in weights):
        raise ValueError("expected a plain GPT, got one that is quantized: save_quantized(model, folder) writes it")
    if added := [name for name in weights if ".lora_" in name]:
        raise ValueError(
            f"expected a plain GPT, got adapters such as {added[0]}: merge_and_unload(model) first, or save_adapter"
        )
    if gpt2_folder.fits(config):
        write_hub_folder(folder, gpt2_folder.to_json(config), gpt2_folder.to_tensors(weights))
    elif llama_folder.fits(config):
        write_hub_folder(folder, llama_folder.to_json(config), llama_folder.to_tensors(weights, config))
    else:
        write_hub_folder(folder, {"model_type": "companion_gpt", **dataclasses.asdict(config)}, weights)


def read_folder(folder: Path) -> tuple[GPTConfig, dict[str, Tensor]]:
    """The config, and the weights by our names, of a folder or a GGUF file.

    Raises:
        FileNotFoundError: where one of the files is missing.
        ValueError: where one of them is damaged, or asks for what our model does not have.
    """
    if (file := find_gguf(folder)) is not None:
        return gguf_gpt.read_gpt(GGUFFile(file))
    model_type, config = read_config(folder)
    weights = read_tensors(folder)
    if model_type == "gpt2":
        weights = gpt2_folder.from_tensors(weights)
    elif model_type in llama_folder.TYPES:
        weights = llama_folder.from_tensors(weights, config)
    return match_head(config, weights)


def read_config(folder: Path) -> tuple[str, GPTConfig]:
    """What ``config.json`` of a folder says: the type of the model, and our config of it; no weights are read.

    Raises:
        FileNotFoundError: where there is none.
        ValueError: where it is damaged, or asks for what our model does not have.
    """
    raw = read_json(folder / "config.json")
    match raw.get("model_type"):
        case "gpt2":
            given = {name: value for name, value in raw.items() if value is not None}  # null says no more than nothing
            return "gpt2", gpt2_folder.from_json(given)
        case str(known) if known in llama_folder.TYPES:
            return known, llama_folder.from_json(raw)
        case "companion_gpt":
            return "companion_gpt", own_config(raw)
        case other:
            raise ValueError(
                f"expected model_type to be one of gpt2, {', '.join(llama_folder.TYPES)} or companion_gpt in "
                f"{folder / 'config.json'}, got {other!r}"
            )


def own_config(raw: Mapping[str, Any]) -> GPTConfig:
    """The config whose fields stand among those of ``config.json``, by our own names.

    Raises:
        ValueError: naming a field that is missing, or a value that cannot be.
    """
    fields = {field.name for field in dataclasses.fields(GPTConfig)}
    refuse_missing(raw, sorted(fields - _LATER))
    given = {name: value for name, value in raw.items() if name in fields}
    if scaling := given.get("rope_scaling"):
        given["rope_scaling"] = RopeScaling(**scaling)
    return GPTConfig(**given)


def match_head(config: GPTConfig, weights: Mapping[str, Tensor]) -> tuple[GPTConfig, dict[str, Tensor]]:
    """Config and weights, by our names, that agree on whether the output weights are the embeddings.

    As in transformers: where a tied model has stored its output weights only, they are its embeddings too; where it has
    stored both and they differ, both are kept and the model is untied, with a warning.

    Raises:
        ValueError: where a model that is not tied has no output weights.
    """
    found, head = dict(weights), weights.get(_HEAD)
    if not config.tied:
        if head is None:
            raise ValueError(
                "expected output weights (lm_head.weight) with tie_word_embeddings=false, got a base model without "
                "them: save the language model (...ForCausalLM, ...LMHeadModel), not its base (...Model)"
            )
        return config, found
    if head is None:
        return config, found
    embeddings = found.setdefault(_EMBEDDINGS, head)
    if head.shape == embeddings.shape and (head == embeddings).all():
        del found[_HEAD]
        return config, found
    warnings.warn(
        "tie_word_embeddings is true in config.json, but lm_head.weight differs from the embeddings: both are used and "
        "the model is untied (tie_word_embeddings=false says so, without this warning)",
        stacklevel=4,
    )
    return dataclasses.replace(config, tied=False), found
