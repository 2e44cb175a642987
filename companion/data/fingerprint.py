"""What tells one data set from another without reading all of a large one."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

_PIECES, _PIECE_BYTES = 64, 2**18  # 16 MiB in all: a tenth of a second


def digest(array: np.ndarray | Tensor) -> str:
    """The shape, the kind of number and a SHA-256 sum of an array.

    Past 16 MiB the sum is of 64 pieces of 256 KiB, evenly spread from the first row to the last, so that a token file
    larger than memory is told from another in a moment; a change between the pieces is not seen. Integers of one value
    and different size (uint16, int64) are the same, for batches hold them as int64.

    Example:
        >>> import numpy as np
        >>> digest(np.arange(5, dtype=np.uint16)) == digest(np.arange(5))
        True
        >>> digest(np.arange(5))
        '[5] integer 281b02b10f5f'
    """
    kind, total = _kind(array), hashlib.sha256()
    for piece in _pieces(array):
        # A piece of a mapped file is copied: torch warns of memory that cannot be written to.
        values = piece if isinstance(piece, Tensor) else torch.from_numpy(np.array(piece))
        values = values.detach().cpu().to(torch.int64 if kind == "integer" else values.dtype)
        if values.numel():
            total.update(values.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"{list(array.shape)} {kind} {total.hexdigest()[:12]}"


def digest_items(items: Sequence[Any]) -> str:
    """A SHA-256 sum of nested tuples, lists and dicts of tensors, arrays, numbers and texts."""
    total = hashlib.sha256()
    for leaf in tree_leaves(items):
        text = digest(leaf) if isinstance(leaf, np.ndarray | Tensor) else f"{type(leaf).__name__} {leaf!r}"
        total.update(text.encode() + b"\0")
    return total.hexdigest()[:12]


def _pieces(array: Any) -> Iterator[Any]:
    """The array, or rows of a large one from all over it."""
    n = array.shape[0] if array.ndim else 1
    if array.nbytes <= _PIECES * _PIECE_BYTES or n <= _PIECES:
        yield array
        return
    rows = max(1, _PIECE_BYTES // (array.nbytes // n))
    for start in np.linspace(0, n - rows, _PIECES).astype(int):
        yield array[start : start + rows]


def _kind(array: np.ndarray | Tensor) -> str:
    name = str(array.dtype).removeprefix("torch.")
    return "integer" if "int" in name else name
