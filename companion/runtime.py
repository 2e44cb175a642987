"""What hardware there is, and what follows: device, precision, seeds, sizes. The only module that asks."""

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

try:
    import fcntl
    import resource
except ImportError:  # Windows has neither
    fcntl = resource = None  # type: ignore[assignment]

PrecisionName = Literal["fp32", "bf16", "fp16", "auto"]

#: Dense peaks in TFLOP/s of matrix products in bf16 and fp16, from the makers' data sheets. The figures that assume
#: sparsity, twice as high, are never used. The first name that a device's name contains counts.
DENSE_TFLOPS = {
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
}


@dataclass(frozen=True)
class Precision:
    """The number format of a model's arithmetic, and why it was chosen.

    ``dtype`` is what matrix products compute in; parameters stay in float32 (Micikevicius et al. 2018).
    """

    dtype: torch.dtype
    why: str

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context in which a forward pass runs; for float32 it changes nothing."""
        return torch.autocast(device.type, dtype=self.dtype, enabled=self.dtype is not torch.float32)


def pick_device(name: str = "auto") -> torch.device:
    """The device called ``name``; ``auto`` takes CUDA, else Apple's MPS, else the CPU.

    Raises:
        ValueError: where the named device is not on this machine.
    """
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in found.items() if there))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"expected a device such as 'auto', 'cpu' or 'cuda:0', got {name!r}") from error
    if not found.get(device.type, False):
        there = ", ".join(kind for kind, is_there in found.items() if is_there)
        raise ValueError(f"expected a device of this machine ({there}), got {name!r}; choose one of these or 'auto'")
    return device


def pick_precision(name: PrecisionName, device: torch.device) -> Precision:
    """The precision called ``name`` on ``device``; ``auto`` takes bfloat16 where the hardware multiplies in it.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in get_args(PrecisionName):
        raise ValueError(f"expected precision to be one of {', '.join(get_args(PrecisionName))}, got {name!r}")
    if name != "auto":
        dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
        return Precision(dtypes[name], "asked for")
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return Precision(torch.bfloat16, f"{torch.cuda.get_device_name(device)} multiplies in bfloat16")
    if device.type == "cpu" and _cpu_multiplies_in_bf16():
        return Precision(torch.bfloat16, "this processor multiplies in bfloat16")
    return Precision(torch.float32, f"this {device.type} device does not multiply in bfloat16")


def _cpu_multiplies_in_bf16() -> bool:
    """True with AVX512-BF16 or AMX instructions: elsewhere bfloat16 is emulated, and slow."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def dense_peak(device: torch.device, dtype: torch.dtype) -> float | None:
    """Operations a second that a GPU reaches in bf16 and fp16 at most; None where the table does not tell."""
    if device.type != "cuda" or dtype is torch.float32:
        return None
    name = torch.cuda.get_device_name(device)
    return next((1e12 * tflops for part, tflops in DENSE_TFLOPS.items() if part in name), None)


def peak_memory(device: torch.device) -> int:
    """The most memory that this process has held, in bytes: the GPU's since the last reset, else the process's own.

    Zero where the system does not tell.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts in bytes, Linux in KiB


def process_rank() -> int:
    """Which of the processes that ``torchrun`` started this is, from 0; 0 where it started none."""
    return int(os.environ.get("RANK", 0))


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Holds a lock that one process has at a time, and that ends with the process, however it ends.

    Windows has no such lock, and goes without.

    Raises:
        BlockingIOError: where another process has it and ``wait`` is False.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def total_memory() -> int:
    """The memory of this machine, in bytes; zero where nothing tells."""
    if resource is None:
        return 0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def held_memory(device: torch.device) -> int:
    """The memory that this process holds now, in bytes: of the GPU, else of the machine. Zero where nothing tells."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    statm = Path("/proc/self/statm")  # Linux
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is what torch, NumPy or Python raise where there is too little memory.

    Example:
        >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("a shape that does not fit"))
        (True, False)
    """
    # torch has no class of its own for the CPU's memory
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def seed_everything(seed: int) -> None:
    """Seeds Python's, NumPy's legacy and torch's generators (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries that we call may still draw from it; it takes no more
    torch.manual_seed(seed)


def cache_dir() -> Path:
    """The folder for what is slow to make and can be made again: ``COMPANION_CACHE``, else the user's cache folder.

    Raises:
        OSError: where it cannot be made.
    """
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "large-models-companion"
    folder = Path(os.environ.get("COMPANION_CACHE", default))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"expected a cache in {folder}, got {error}: name another folder in COMPANION_CACHE") from error
    return folder
