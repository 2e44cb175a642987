r"""Recurrent layers: the cells from scratch, for reading, and the fused kernel over the same weights, for speed.

A cell reads the input :math:`x_t` and its last state :math:`h_{t-1}` and writes :math:`h_t`. With
:math:`a = W_{ih}x_t + b_{ih}` and :math:`b = W_{hh}h_{t-1} + b_{hh}`, each split into one part a gate, in the order in
which ``torch.nn`` stores the gates, :math:`\sigma` the logistic function and :math:`\odot` the product by elements:

.. math::

    \text{RNN:}\quad & h_t = \tanh(a + b) \\
    \text{LSTM:}\quad & i, f, o = \sigma(a_{i,f,o} + b_{i,f,o}), \quad g = \tanh(a_g + b_g), \\
    & c_t = f \odot c_{t-1} + i \odot g, \quad h_t = o \odot \tanh(c_t) \\
    \text{GRU:}\quad & r, z = \sigma(a_{r,z} + b_{r,z}), \quad n = \tanh(a_n + r \odot b_n), \\
    & h_t = (1 - z) \odot n + z \odot h_{t-1}

Gates: i input, f forget, g candidate, o output; r reset, z update, n candidate. Sources: Elman 1990 for the RNN;
Hochreiter & Schmidhuber 1997 for the LSTM, with the forget gate of Gers et al. 2000; Cho et al. 2014 for the GRU.
Departures: two biases where one would do, and a GRU that resets after the product (:math:`r \odot (W h + b)`), not
before it (:math:`W (r \odot h)`), both as ``torch.nn`` and cuDNN compute it.

Weights start uniform in ±1/√width, as in ``torch.nn``.

Axes: batch; time (position in the sequence); inputs (numbers a step); width (numbers of the state).
"""

import math
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.models.checks import check_tensor, values_are_hidden

CellName = Literal["rnn", "lstm", "gru"]

#: What ``torch.nn`` calls a cell, and how many gates it has.
_MODES: dict[CellName, str] = {"rnn": "RNN_TANH", "lstm": "LSTM", "gru": "GRU"}
GATES: dict[CellName, int] = {"rnn": 1, "lstm": 4, "gru": 3}

#: The state of an LSTM: its output h and its memory c.
LSTMState = tuple[Float[Tensor, "batch width"], Float[Tensor, "batch width"]]


class _Cell(nn.Module):
    """The weights of one cell, named and shaped as those of ``torch.nn.LSTMCell`` and the like."""

    def __init__(self, inputs: int, width: int, cell: CellName) -> None:
        super().__init__()
        rows, bound = GATES[cell] * width, 1 / math.sqrt(width)
        self.weight_ih = nn.Parameter(torch.empty(rows, inputs).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(rows, width).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))

    def _parts(
        self, x: Float[Tensor, "batch inputs"], h: Float[Tensor, "batch width"]
    ) -> tuple[Float[Tensor, "batch gates"], Float[Tensor, "batch gates"]]:
        """What the input and the state say to the gates: a and b above."""
        check_tensor("x", x, "batch", self.weight_ih.shape[1])
        check_tensor("h", h, len(x), self.weight_hh.shape[1])
        return F.linear(x, self.weight_ih, self.bias_ih), F.linear(h, self.weight_hh, self.bias_hh)


class RNNCell(_Cell):
    """The simple recurrent network: the whole state is written anew at every step.

    Example:
        >>> cell = RNNCell(inputs=3, width=5)
        >>> cell(torch.randn(2, 3), torch.zeros(2, 5)).shape  # the state after one step
        torch.Size([2, 5])
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(inputs, width, "rnn")

    def forward(
        self, x: Float[Tensor, "batch inputs"], h: Float[Tensor, "batch width"]
    ) -> Float[Tensor, "batch width"]:
        """The state after one step."""
        a, b = self._parts(x, h)
        return torch.tanh(a + b)


class LSTMCell(_Cell):
    """Long short-term memory: a memory c that changes by addition, so that gradients need not fade.

    Example:
        >>> cell, start = LSTMCell(inputs=3, width=5), torch.zeros(2, 5)
        >>> h, c = cell(torch.randn(2, 3), (start, start))  # one step: what it says, and what it remembers
        >>> h.shape, c.shape
        (torch.Size([2, 5]), torch.Size([2, 5]))
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(inputs, width, "lstm")

    def forward(self, x: Float[Tensor, "batch inputs"], state: LSTMState) -> LSTMState:
        """The output and the memory after one step."""
        h, c = state
        a, b = self._parts(x, h)
        check_tensor("c", c, *h.shape)
        i, f, g, o = (a + b).chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


class GRUCell(_Cell):
    """The gated recurrent unit: one gate weighs the old state against the new, and there is no memory beside it.

    Example:
        >>> cell = GRUCell(inputs=3, width=5)
        >>> cell(torch.randn(2, 3), torch.zeros(2, 5)).shape  # the state after one step
        torch.Size([2, 5])
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(inputs, width, "gru")

    def forward(
        self, x: Float[Tensor, "batch inputs"], h: Float[Tensor, "batch width"]
    ) -> Float[Tensor, "batch width"]:
        """The state after one step."""
        a, b = (part.chunk(3, dim=1) for part in self._parts(x, h))
        r, z = (a[0] + b[0]).sigmoid(), (a[1] + b[1]).sigmoid()
        n = torch.tanh(a[2] + r * b[2])
        return (1 - z) * n + z * h


def unroll(
    cell: RNNCell | LSTMCell | GRUCell, x: Float[Tensor, "batch time inputs"]
) -> Float[Tensor, "batch time width"]:
    """The outputs of ``cell`` over a sequence, one step after the other from a state of zeros.

    This is what ``Recurrent`` computes, at the pace of Python.

    Example:
        >>> x, layer, cell = torch.randn(2, 7, 3), Recurrent("gru", 3, 5), GRUCell(3, 5)
        >>> _ = cell.load_state_dict({name.removesuffix("_l0"): weight for name, weight in layer.state_dict().items()})
        >>> bool(torch.allclose(unroll(cell, x), layer(x), atol=1e-6))
        True
    """
    h = x.new_zeros(len(x), cell.weight_hh.shape[1])
    state = (h, h) if isinstance(cell, LSTMCell) else h
    outputs = []
    for step in x.unbind(dim=1):
        state = cell(step, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(outputs, dim=1)


class Recurrent(nn.RNNBase):
    """One layer in one direction, all steps in one call of torch's kernel (oneDNN or cuDNN).

    The weights have the names and shapes that ``torch.nn.LSTM`` and the like give them: ``weight_ih_l0`` and so on.
    Those modules cannot be used themselves: ``torch.compile`` stops at them, while the functions below can be traced.
    On a CPU, Inductor writes a graph for training out step by step, so that compiling takes longer with every step; in
    PyTorch 2.13 it fails there for an LSTM whose input needs no gradient, such as frozen embeddings (its issue 158007).

    Under autocast on a CPU, torch calls oneDNN's kernel of 16 bits for an LSTM even where the processor has none (for
    bfloat16 it needs AVX-512). There it is computed in the weights' dtype, as a GRU is on every CPU.

    Example:
        >>> layer = Recurrent("lstm", inputs=3, width=5)
        >>> layer(torch.randn(2, 7, 3)).shape  # the output of each of seven steps
        torch.Size([2, 7, 5])
    """

    def __init__(self, cell: CellName, inputs: int, width: int) -> None:
        super().__init__(_MODES[cell], inputs, width, batch_first=True)
        self._lacking = _lacking() if cell == "lstm" else ()  # asked here: the question cannot be compiled

    def forward(
        self, x: Float[Tensor, "batch time inputs"], start: Float[Tensor, "batch width"] | None = None
    ) -> Float[Tensor, "batch time width"]:
        """The outputs of all steps. The first state is ``start``, or zeros; an LSTM's memory starts with zeros."""
        weights: list[Tensor] = list(self.parameters())
        # Biases, layers, dropout, training, bidirectional, batch first.
        options = (True, 1, 0.0, self.training, False, True)
        on_cpu = x.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        if on_cpu and torch.get_autocast_dtype("cpu") in self._lacking:
            with torch.autocast("cpu", enabled=False):
                return self(x.to(weights[0].dtype), None if start is None else start.to(weights[0].dtype))
        h = x.new_zeros(1, len(x), self.hidden_size) if start is None else start[None]
        if self.mode == "LSTM":
            return torch.lstm(x, (h, torch.zeros_like(h)), weights, *options)[0]
        kernel = torch.gru if self.mode == "GRU" else torch.rnn_tanh
        return kernel(x, h, weights, *options)[0]


def _lacking() -> tuple[torch.dtype, ...]:
    """The dtypes for which oneDNN has no LSTM on this processor; where torch has no oneDNN, it does not ask for one."""
    if not torch.backends.mkldnn.is_available():
        return ()
    found = {
        torch.bfloat16: torch.ops.mkldnn._is_mkldnn_bf16_supported(),
        torch.float16: torch.ops.mkldnn._is_mkldnn_fp16_supported(),
    }
    return tuple(dtype for dtype, supported in found.items() if not supported)


def lengths_without_padding(name: str, tokens: Int[Tensor, "batch time"], pad_id: int) -> Int[Tensor, " batch"]:
    """How many tokens of each row come before its padding.

    Raises:
        ValueError: where a row starts with padding or has a token behind it (checked on the CPU only).
    """
    real = tokens != pad_id
    if not values_are_hidden(tokens) and not (real[:, 0].all() and (real[:, 1:] <= real[:, :-1]).all()):
        raise ValueError(
            f"expected {name} with padding behind at least one token and nowhere else, got a row that starts with "
            f"pad_id={pad_id} or has a token behind it; move the padding to the end, and drop empty rows"
        )
    return real.sum(dim=1)


def last(outputs: Float[Tensor, "batch time width"], lengths: Int[Tensor, " batch"]) -> Float[Tensor, "batch width"]:
    """The output at each sequence's last token, which is the whole state of an RNN or a GRU."""
    return outputs.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, outputs.shape[2]))[:, 0]
