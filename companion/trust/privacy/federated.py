"""Training on data that stay where they are: the average of clients' weights, and a sum that nobody can open."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from torch import Tensor

from companion.checks import check_whole
from companion.stats.base.checks import as_numbers

Weights = Mapping[str, Tensor]
_SCALE = 2**24


def fedavg(clients: Sequence[Weights], examples: Sequence[int]) -> dict[str, Tensor]:
    r"""The clients' weights on average, each by its number of examples.

    .. math:: w = \sum_k \frac{n_k}{n} w_k

    After one step of gradient descent from common weights, on all of each client's examples, it is the step that one
    machine with all of them would make. After more steps it is not.

    Args:
        clients: a state dict of each, with the same names and shapes.
        examples: how many each has trained on.

    Raises:
        ValueError: for no clients, counts that do not fit, or weights of another shape.

    Source:
        McMahan et al. 2017.
    """
    if not clients or len(clients) != len(examples):
        raise ValueError(f"expected a positive number of examples a client, got {len(clients)} and {list(examples)}")
    for n in examples:
        check_whole("the number of examples of each client", n, at_least=1, advice="leave out clients without any")
    shapes = [{name: tensor.shape for name, tensor in client.items()} for client in clients]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError("expected the same weights from each client, got other names or shapes")
    total = sum(examples)
    return {
        name: sum((n / total * client[name] for client, n in zip(clients, examples, strict=True)), torch.zeros(()))
        for name in clients[0]
    }


def mask(values: ArrayLike, client: int, seeds: Int[np.ndarray, "clients clients"]) -> Int[np.ndarray, " numbers"]:
    """What a client sends: its numbers, in fixed point modulo 2^64, hidden by one mask with each other client.

    Each pair shares a seed. The client of lower number adds the mask, the other one subtracts it: in the sum they
    vanish. A client that drops out leaves its masks in; the full protocol of Bonawitz et al. 2017 shares secrets for
    that, and this one does not.

    Args:
        values: to be added up ``[numbers]``, of absolute value below 2^30, and below 2^39 over the number of clients,
            so that the sum has room.
        client: its number.
        seeds: of each pair, symmetric.

    Raises:
        ValueError: for seeds that are not symmetric, a client that is not among them, or values too large.
    """
    n = len(seeds)
    if seeds.shape != (n, n) or (seeds != seeds.T).any() or not 0 <= client < n:
        raise ValueError(f"expected a symmetric table of seeds with client {client} in it, got shape {seeds.shape}")
    (numbers,) = as_numbers(values=values)  # as float64: in narrower types the fixed point overflows
    if (np.abs(numbers) >= (most := min(2**30, 2**39 // n))).any():
        raise ValueError(f"expected values below {most:,} for {n} clients, got {np.abs(numbers).max():g}: scale them")
    sent = np.round(numbers * _SCALE).astype(np.int64).astype(np.uint64)
    for other in range(n):
        if other != client:
            drawn = np.random.Generator(np.random.Philox(int(seeds[client, other])))
            noise = drawn.integers(0, 2**64, len(numbers), dtype=np.uint64)
            sent = sent + noise if client < other else sent - noise
    return sent


def secure_sum(sent: Sequence[Int[np.ndarray, " numbers"]]) -> Float[np.ndarray, " numbers"]:
    """The sum of all clients' numbers from what each has sent by :func:`mask`: masks cancel, to 2^-24 a client.

    Raises:
        ValueError: for no clients, or messages of several lengths.

    >>> rng = np.random.default_rng(0)
    >>> seeds = rng.integers(2**32, size=(3, 3))
    >>> seeds = np.triu(seeds, 1) + np.triu(seeds, 1).T
    >>> sent = [mask(np.array([1.5, -2.0]) * k, k, seeds) for k in range(3)]
    >>> secure_sum(sent).tolist()
    [4.5, -6.0]
    """
    if not sent or len({len(message) for message in sent}) > 1:
        raise ValueError("expected a message of the same length from each client")
    total = np.stack(sent).sum(axis=0, dtype=np.uint64).astype(np.int64)
    return np.asarray(total / _SCALE)
