"""The folder of a GPT: as a GPT-2's or a Llama's where it is one, so that others can read it, else by our own names."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from companion.models.gpt_config import GPTConfig
from companion.models.hub import gpt2 as gpt2_folder
from companion.models.hub import llama as llama_folder
from companion.models.hub.folder import read_json, read_tensors, refuse_missing, write_hub_folder


def write_folder(folder: Path, config: GPTConfig, weights: Mapping[str, Tensor]) -> None:
    """Writes ``config.json`` and ``model.safetensors``."""
    if gpt2_folder.fits(config):
        write_hub_folder(folder, gpt2_folder.to_json(config), gpt2_folder.to_tensors(weights))
    elif llama_folder.fits(config):
        write_hub_folder(folder, llama_folder.to_json(config), llama_folder.to_tensors(weights, config))
    else:
        write_hub_folder(folder, {"model_type": "companion_gpt", **dataclasses.asdict(config)}, weights)


def read_folder(folder: Path) -> tuple[GPTConfig, dict[str, Tensor]]:
    """The config, and the weights by our names.

    Raises:
        FileNotFoundError: where one of the files is missing.
        ValueError: where one of them is damaged, or asks for what our model does not have.
    """
    raw = read_json(folder / "config.json")
    match raw.pop("model_type", None):
        case "gpt2":
            config = gpt2_folder.from_json(raw)
            return config, gpt2_folder.from_tensors(read_tensors(folder), config)
        case "llama":
            config = llama_folder.from_json(raw)
            return config, llama_folder.from_tensors(read_tensors(folder), config)
        case "companion_gpt":
            fields = [field.name for field in dataclasses.fields(GPTConfig)]
            refuse_missing(raw, fields)
            return GPTConfig(**{name: raw[name] for name in fields}), read_tensors(folder)
        case other:
            raise ValueError(
                f"expected model_type 'gpt2', 'llama' or 'companion_gpt' in {folder / 'config.json'}, got {other!r}"
            )
