"""Token files: NumPy's ``.npy``, written chunk by chunk and mapped from disk, so that neither needs them in memory."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Integer

Tokens = Integer[np.ndarray, " time"]


def save_tokens(tokens: Tokens, path: str | Path) -> Path:
    """Writes a token file; it appears whole or not at all.

    Example:
        >>> import tempfile
        >>> path = save_tokens(np.array([5, 3, 0], dtype=np.uint16), tempfile.mkdtemp() + "/tokens.npy")
        >>> open_tokens(path).tolist()
        [5, 3, 0]
    """
    return write_tokens([tokens], path)


def write_tokens(chunks: Iterable[Tokens], path: str | Path) -> Path:
    """Writes all chunks, one after the other, as one token file, of which one chunk at a time is in memory.

    Raises:
        ValueError: for no chunk, or chunks of more than one type.

    Example:
        >>> import tempfile
        >>> path = write_tokens((np.arange(n) for n in (2, 3)), tempfile.mkdtemp() + "/tokens.npy")
        >>> open_tokens(path).tolist()
        [0, 1, 0, 1, 2]
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            _write(chunks, file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _write(chunks: Iterable[Tokens], file: BinaryIO) -> None:
    length, dtype = 0, None
    for chunk in chunks:
        dtype = dtype or chunk.dtype
        if chunk.ndim != 1 or chunk.dtype != dtype:
            raise ValueError(f"expected chunks of one dimension and of {dtype}, got {chunk.ndim} and {chunk.dtype}")
        if not length:
            _write_header(file, 0, dtype)
        file.write(chunk.tobytes())
        length += len(chunk)
    if dtype is None:
        raise ValueError("expected at least one chunk of tokens, got none")
    file.seek(0)
    _write_header(file, length, dtype)


def _write_header(file: BinaryIO, length: int, dtype: np.dtype[Any]) -> None:
    """NumPy leaves room in the header for the first axis to grow, so the second one is as long as the first."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, header)


def open_tokens(path: str | Path) -> Tokens:
    """A token file as a read-only array that is mapped from disk: files larger than memory will do.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is not a one-dimensional array of integers.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "tokens.npy"
        >>> _ = save_tokens(np.arange(5, dtype=np.uint16), path)
        >>> open_tokens(path)[1:3].tolist()
        [1, 2]
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"expected a token file in {path}, got no such file")
    try:
        tokens = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"expected a token file (.npy) in {path}, got something else ({error})") from error
    check_tokens(tokens, str(path))
    return tokens


def check_tokens(tokens: np.ndarray, name: str) -> None:
    """Refuses what is no row of tokens.

    Raises:
        ValueError: naming what it got.
    """
    if tokens.ndim != 1 or tokens.dtype.kind not in "ui":
        got = f"{tokens.dtype} {tokens.shape}"
        raise ValueError(f"expected {name} to be a one-dimensional array of integers, got {got}")
