"""Every random generator that training may draw from, as tensors."""

import random

import numpy as np
import torch
from torch import Tensor


def capture() -> dict[str, Tensor]:
    """The states of torch's generators (CPU, and the current GPU), NumPy's legacy one and Python's."""
    states = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    _, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 - libraries may draw from it
    states["numpy"] = torch.tensor([*map(int, keys), position, has_gauss], dtype=torch.int64)
    states["numpy.gauss"] = torch.tensor(gauss, dtype=torch.float64)
    _, numbers, gauss = random.getstate()
    states["python"] = torch.tensor(numbers, dtype=torch.int64)
    states["python.gauss"] = torch.tensor(float("nan") if gauss is None else gauss, dtype=torch.float64)
    return states


def restore(states: dict[str, Tensor]) -> None:
    """Puts back what :func:`capture` gave."""
    torch.set_rng_state(states["torch"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
    *keys, position, has_gauss = states["numpy"].tolist()
    numpy_state = ("MT19937", np.array(keys, dtype=np.uint32), position, has_gauss, states["numpy.gauss"].item())
    np.random.set_state(numpy_state)  # noqa: NPY002
    gauss = states["python.gauss"].item()
    random.setstate((3, tuple(states["python"].tolist()), None if gauss != gauss else gauss))
