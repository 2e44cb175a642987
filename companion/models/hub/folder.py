"""A folder in Hugging Face's layout: ``config.json``, and one safetensors file, or several and their index."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from companion.models.hub.weights import load_weights


def write_hub_folder(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Writes both files, the weights in one."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf8")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected a model's config in {path}, got no such file")
    try:
        found = json.loads(path.read_text(encoding="utf8"))
    except ValueError as error:
        raise ValueError(f"expected JSON in {path}, got something else ({error})") from error
    if not isinstance(found, dict):
        raise ValueError(f"expected a JSON object in {path}, got {found!r}")
    return found


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors of ``model.safetensors``, or of the files that ``model.safetensors.index.json`` names.

    Raises:
        FileNotFoundError: where one of the files is missing.
        ValueError: where the index is none, or as :func:`load_weights`.
    """
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file() or not index.is_file():
        return load_weights(whole)
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or any(Path(str(file)).name != file for file in names.values()):
        raise ValueError(f"expected weight_map in {index} to name files of that folder, got {names!r}")
    return {
        name: tensor for file in sorted(set(names.values())) for name, tensor in load_weights(folder / file).items()
    }


def refuse_missing(config: Mapping[str, Any], names: Iterable[str], file: str = "config.json") -> None:
    """Refuses a config that does not give all of ``names``.

    Raises:
        ValueError: naming what is missing.
    """
    if missing := [name for name in names if name not in config]:
        raise ValueError(f"expected {', '.join(names)} in {file}, got no {', '.join(missing)}")


def our_fields(config: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A config's values by our names; ``names`` has theirs by ours. Raises as :func:`refuse_missing`."""
    refuse_missing(config, names.values())
    return {ours: config[theirs] for ours, theirs in names.items()}


def refuse_others(
    config: Mapping[str, Any], fixed: Mapping[str, Any], *, equal: Mapping[str, Iterable[Any]] | None = None
) -> None:
    """Refuses a config that gives a field of ``fixed`` another value; absent or null it has that value.

    Args:
        config: the fields of ``config.json``.
        fixed: the value that each field must have.
        equal: by field, other values that mean the same.

    Raises:
        ValueError: naming the field and both values.
    """
    for name, value in fixed.items():
        if config.get(name) not in (None, value, *(equal or {}).get(name, ())):
            raise ValueError(
                f"expected {name}={value!r} in config.json, got {config[name]!r}, which this model does not have"
            )
