r"""Whether any change within a distance fools a network of ReLUs: neither a bound nor an attempt, but the answer.

A unit is off or on, which is a whole number; everything else about the network is linear. So the question is a mixed
integer program. Its time may double with each unit that could be either, which is why bounds and attacks are needed.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, hstack, vstack
from torch import Tensor, nn

from companion.checks import is_number
from companion.trust.certify import layers_of, worst_margins

_INFEASIBLE = 2  # status of scipy.optimize.milp


@dataclass(frozen=True)
class WorstCase:
    """What is known of one input.

    Attributes:
        robust: True where no change fools the model, False where one does, None where time ran out.
        example: an input that fools it, of the shape of the original; None unless ``robust`` is False.
    """

    robust: bool | None
    example: Float[Tensor, "..."] | None


def worst_case(
    model: nn.Module,
    x: Float[Tensor, "..."],
    target: int,
    *,
    epsilon: float,
    bounds: tuple[float, float] = (0.0, 1.0),
    seconds: float = 60.0,
) -> WorstCase:
    r"""Decides whether some change of at most ``epsilon`` in each number makes the model err on one input.

    For each other class it asks for an input in the box at which that class's logit is at least the right one's. A unit
    :math:`h = \max(0, z)` with :math:`l \le z \le u` is written with a whole number :math:`a`:

    .. math:: h \ge 0, \quad h \ge z, \quad h \le u a, \quad h \le z - l (1 - a), \quad a \in \{0, 1\}

    Args:
        model: an :class:`companion.models.MLP` of ReLUs, or an ``nn.Sequential`` of linear layers and ReLUs.
        x: one input.
        target: its class.
        epsilon: the largest change of a number.
        bounds: between which inputs lie.
        seconds: for each other class, after which the answer may be None.

    Raises:
        ValueError: for an epsilon below 0, or another layer.

    Source:
        Tjeng, Xiao and Tedrake 2019, *Evaluating robustness of neural networks with mixed integer programming*.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(2, 2))
        >>> _ = model[0].weight.data.copy_(torch.eye(2)), model[0].bias.data.zero_()
        >>> x = torch.tensor([0.7, 0.5])  # apart by 0.2: each may move by 0.1 at least
        >>> worst_case(model, x, 0, epsilon=0.09).robust, worst_case(model, x, 0, epsilon=0.11).robust
        (True, False)
    """
    if not is_number(epsilon) or epsilon < 0:
        raise ValueError(f"expected epsilon to be a number of at least 0, got {epsilon!r}")
    rows = x[None]
    low, high = (rows - epsilon).clamp(*bounds), (rows + epsilon).clamp(*bounds)
    with torch.no_grad():
        margins = worst_margins(model, low, high, torch.tensor([target]))[0]
    others = [each for each in range(len(margins) + 1) if each != target]
    network, decided = _Program(model, low.flatten(), high.flatten()), True
    for other, margin in zip(others, margins.tolist(), strict=True):
        if margin > 0:
            continue
        for deepest in (False, True):  # the first one found may lie on the border, within the solver's tolerance
            found, proved = network.beaten(target, other, seconds, deepest=deepest)
            if found is None:
                break
            example = torch.from_numpy(found).to(x).reshape(x.shape)
            with torch.no_grad():
                if int(model(example[None]).argmax()) != target:
                    return WorstCase(False, example)
        decided = decided and proved
    return WorstCase(True if decided else None, None)


class _Program:
    """The network as constraints on ``[x, h, a, h, a, ...]``: inputs, and the units and states of each layer."""

    def __init__(self, model: nn.Module, low: Tensor, high: Tensor) -> None:
        self.low, self.high = low.double().numpy(), high.double().numpy()
        self.n_inputs = len(self.low)
        self.whole = np.zeros(self.n_inputs)
        self.constraints: list[tuple[csr_array, np.ndarray, np.ndarray]] = []
        self.before = slice(0, self.n_inputs)  # where the outputs of the layer before stand
        linear = _linear(model)
        for layer in linear[:-1]:
            self._add(*_numbers(layer))
        self.last = _numbers(linear[-1])

    def _add(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """One layer and its ReLUs."""
        low, high = self.low[self.before], self.high[self.before]
        center, spread = weight @ (low + high) / 2 + bias, abs(weight) @ (high - low) / 2
        least, most = np.minimum(center - spread, 0), np.maximum(center + spread, 0)
        n, at = len(bias), len(self.low)
        z = np.zeros((n, at))
        z[:, self.before] = weight
        one, free = np.eye(n), np.full(n, np.inf)
        self._constrain([-z, one, 0 * one], bias, free)
        self._constrain([-z, one, -np.diag(least)], -free, bias - least)
        self._constrain([0 * z, one, -np.diag(most)], -free, np.zeros(n))
        surely_on, surely_off = center - spread >= 0, center + spread <= 0
        self.low = np.concatenate([self.low, np.zeros(n), surely_on])
        self.high = np.concatenate([self.high, most, ~surely_off])
        self.whole = np.concatenate([self.whole, np.zeros(n), np.ones(n)])
        self.before = slice(at, at + n)

    def _constrain(self, parts: list[np.ndarray], low: np.ndarray, high: np.ndarray) -> None:
        self.constraints.append((csr_array(np.hstack(parts)), low, high))

    def beaten(self, target: int, other: int, seconds: float, *, deepest: bool) -> tuple[np.ndarray | None, bool]:
        """An input at which the other class is not below the right one, or farthest above; whether there is none."""
        weight, bias = self.last
        n = len(self.low)
        margin = np.zeros(n)
        margin[self.before] = weight[target] - weight[other]
        wanted = (csr_array(margin[None]), np.array([-np.inf]), np.array([bias[other] - bias[target]]))
        every = [*self.constraints, wanted]
        matrix = vstack([hstack([m, csr_array((m.shape[0], n - m.shape[1]))]) for m, _, _ in every])
        low, high = (np.concatenate([each[i] for each in every]) for i in (1, 2))
        answer = milp(
            margin if deepest else np.zeros(n),
            integrality=self.whole,
            bounds=Bounds(self.low, self.high),
            constraints=LinearConstraint(matrix, low, high),
            options={"time_limit": seconds},
        )
        return None if answer.x is None else answer.x[: self.n_inputs], answer.status == _INFEASIBLE


def _linear(model: nn.Module) -> list[nn.Linear]:
    """The linear layers, between which there are ReLUs."""
    layers = [each for each in layers_of(model) if not isinstance(each, nn.Flatten | nn.Identity)]
    if not all(isinstance(each, (nn.Linear, nn.ReLU)[i % 2]) for i, each in enumerate(layers)) or len(layers) % 2 == 0:
        raise ValueError(f"expected linear layers with ReLUs between them, got {[type(e).__name__ for e in layers]}")
    return [each for each in layers if isinstance(each, nn.Linear)]


def _numbers(layer: nn.Linear) -> tuple[np.ndarray, np.ndarray]:
    bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias
    return layer.weight.detach().double().numpy(), bias.detach().double().numpy()
