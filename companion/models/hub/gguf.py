"""A GGUF file, in which llama.cpp keeps a whole model: metadata, and tensors that are usually quantized.

It is read through the ``gguf`` package of llama.cpp's authors, which dequantizes them. The format's description:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from gguf import GGUFReader


class GGUFFile:
    """An open file; its tensors are mapped from disk until they are asked for.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: where there is no such file.
        ImportError: where the ``gguf`` package is not installed.
        ValueError: where it is no GGUF file, is damaged, or is one part of several.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise FileNotFoundError(f"expected a GGUF file in {path}, got no such file")
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ValueError(f"expected a GGUF file or a folder in {path}, got another file")
        try:
            self._reader = _open(path)
        except (ValueError, IndexError, KeyError, OverflowError) as error:
            raise ValueError(f"expected a whole GGUF file in {path}, got a damaged or newer one ({error})") from error
        self.refuse_others({"split.count": 1})

    def get(self, key: str, default: Any = None) -> Any:
        """The metadata under ``key``: a number, a text, or a list of either."""
        field = self._reader.get_field(key)
        return default if field is None else field.contents()

    def need(self, key: str) -> Any:
        """As :meth:`get`, where the metadata must be there.

        Raises:
            ValueError: where it is not.
        """
        found = self.get(key)
        if found is None:
            raise ValueError(f"expected {key} in the metadata of {self.path}, got none")
        return found

    def refuse_others(self, fixed: dict[str, Any]) -> None:
        """Refuses metadata that give a key of ``fixed`` another value; what is absent or 0 has that value.

        Raises:
            ValueError: naming the key and both values.
        """
        for key, value in fixed.items():
            if (found := self.get(key)) and found != value:
                raise ValueError(f"expected {key}={value!r} in {self.path}, got {found!r}, which is not supported here")

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by the file's names, dequantized to float32.

        Raises:
            ValueError: naming a tensor whose type ``gguf`` does not dequantize.
        """
        return {tensor.name: self._dequantized(tensor) for tensor in self._reader.tensors}

    def _dequantized(self, tensor: Any) -> Tensor:
        from gguf import dequantize

        try:
            numbers = dequantize(tensor.data, tensor.tensor_type)
        except NotImplementedError as error:
            got = f"{tensor.tensor_type.name} of {tensor.name}"
            raise ValueError(f"expected a tensor type in {self.path} that gguf dequantizes, got {got}") from error
        # float32 comes as a view of the file, which must not be written to
        return torch.from_numpy(np.require(numbers, np.float32, ["C", "W"]))


def find_gguf(path: Path) -> Path | None:
    """The GGUF file that ``path`` is, or that a folder without ``config.json`` holds; None where there is none.

    Raises:
        ValueError: where there are several.
    """
    if path.is_file() or path.suffix == ".gguf":
        return path
    found = [] if (path / "config.json").is_file() else sorted(path.glob("*.gguf"))
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise ValueError(f"expected config.json or one GGUF file in {path}, got {names}: give the path of one")
    return found[0] if found else None


def _open(path: Path) -> "GGUFReader":
    if importlib.util.find_spec("gguf") is None:
        raise ImportError('expected gguf to read GGUF, got none: run pip install "large-models-companion[pretrained]"')
    from gguf import GGUFReader

    class Reader(GGUFReader):
        """Keeps the mapped file as a plain array, whose slices cost a third: a vocabulary takes 200,000 of them."""

        @property  # type: ignore[override]
        def data(self) -> np.ndarray:
            return self._data

        @data.setter
        def data(self, mapped: np.ndarray) -> None:
            self._data = np.asarray(mapped)

    return Reader(path)
