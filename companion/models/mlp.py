r"""Multilayer perceptron with the backward pass written out by hand, beside the one that autograd finds.

A hidden layer: weights, normalization, activation, dropout, in this order. Batch normalization (Ioffe & Szegedy 2015),
layer normalization (Ba et al. 2016) and dropout (Srivastava et al. 2014) are there where the config asks for them.

Axes: ``batch`` samples; ``inputs`` and ``outputs`` the units of the first and the last layer.
Layers count from 1 to :math:`L`; ``layers.0`` holds :math:`\mathbf{W}^{(1)}` and :math:`\mathbf{b}^{(1)}`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.checks import check_choices
from companion.models.checks import check_dropout, check_tensor, check_values

ActivationName = Literal["relu", "tanh", "sigmoid", "gelu", "silu", "identity"]
NormalizationName = Literal["none", "batch", "layer"]
LossName = Literal["cross_entropy", "squared_error", "binary_cross_entropy"]


class _Activation(NamedTuple):
    value: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor], Tensor]  # as a function of z, not of the value


def _gelu_derivative(z: Tensor) -> Tensor:
    # d/dz of z·Φ(z), with Φ and φ the standard normal distribution function and density.
    return 0.5 * (1 + torch.erf(z / math.sqrt(2))) + z * torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)


_ACTIVATIONS: dict[ActivationName, _Activation] = {
    # At 0, where ReLU has no derivative, autograd takes 0; so do we, or the two would disagree.
    "relu": _Activation(torch.relu, lambda z: (z > 0).to(z.dtype)),
    "tanh": _Activation(torch.tanh, lambda z: 1 - torch.tanh(z).square()),
    # σ(−z) in place of 1 − σ(z), which cancels to 0 for large z.
    "sigmoid": _Activation(torch.sigmoid, lambda z: torch.sigmoid(z) * torch.sigmoid(-z)),
    "gelu": _Activation(F.gelu, _gelu_derivative),
    "silu": _Activation(F.silu, lambda z: torch.sigmoid(z) * (1 + z * torch.sigmoid(-z))),
    "identity": _Activation(lambda z: z, torch.ones_like),
}


@dataclass(frozen=True)
class MLPConfig:
    """Shape and loss of an :class:`MLP`.

    Attributes:
        sizes: units of each layer, inputs first, outputs last: ``(64, 32, 10)`` has one hidden layer of 32.
        activation: the function of every hidden layer.
        loss: ``cross_entropy`` (softmax over the outputs, integer labels), ``squared_error`` (half the sum of squares)
            or ``binary_cross_entropy`` (one sigmoid an output, targets in [0, 1]). Every loss sums over the outputs and
            averages over the batch.
        output: the function of the last layer. The two cross-entropies work on logits and need ``identity``.
        normalization: of every hidden layer, before its activation: over the ``batch`` for each unit, over the units of
            the ``layer`` for each sample, or ``none``.
        dropout: probability with which a hidden layer's activations are dropped in training.

    Raises:
        ValueError: for fewer than two sizes, a size below 1, an unknown name, a dropout outside [0, 1), or an
            ``output`` that the loss excludes.

    Example:
        >>> MLPConfig(sizes=(64, 32, 10), activation="gelu", dropout=0.1).loss
        'cross_entropy'
        >>> MLPConfig(sizes=(64, 32, 10), output="sigmoid")
        Traceback (most recent call last):
        ValueError: expected output='identity' with loss='cross_entropy', which takes logits, got...
    """

    sizes: tuple[int, ...]
    activation: ActivationName = "relu"
    loss: LossName = "cross_entropy"
    output: ActivationName = "identity"
    normalization: NormalizationName = "none"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if len(self.sizes) < 2 or min(self.sizes) < 1:
            raise ValueError(
                f"expected sizes to hold at least two layers of at least one unit, got {self.sizes}; "
                "give (inputs, hidden …, outputs)"
            )
        check_choices(
            self, activation=ActivationName, output=ActivationName, loss=LossName, normalization=NormalizationName
        )
        check_dropout(self)
        if self.loss != "squared_error" and self.output != "identity":
            raise ValueError(
                f"expected output='identity' with loss={self.loss!r}, which takes logits, got output={self.output!r}; "
                "drop output, or choose loss='squared_error'"
            )
        if self.loss == "cross_entropy" and self.sizes[-1] < 2:
            raise ValueError(
                f"expected at least two outputs with loss='cross_entropy', got sizes={self.sizes}; "
                "for two classes on one output choose loss='binary_cross_entropy'"
            )


_NORMALIZATIONS = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


class MLP(nn.Module):
    r"""Fully connected network :math:`\mathbf{a}^{(l)} = \sigma(\mathbf{z}^{(l)})`.

    .. math::

        \mathbf{z}^{(l)} = \mathbf{a}^{(l-1)} \mathbf{W}^{(l)\top} + \mathbf{b}^{(l)}, \qquad
        \mathbf{a}^{(0)} = \mathbf{x}, \qquad l = 1, \dots, L

    Rows are samples. :math:`\mathbf{W}^{(l)}` is [units of layer l, units of layer l − 1]. Weights start as
    :class:`torch.nn.Linear` draws them. Source of the backward pass: Rumelhart, Hinton & Williams 1986.

    Args:
        config: layer sizes, activations and loss.

    Example:
        >>> from companion.data import TensorBatches
        >>> from companion.training import TrainConfig, fit
        >>> x = torch.randn(500, 2)
        >>> y = (x.prod(dim=1) > 0).long()  # no straight line tells these classes apart
        >>> model = MLP(MLPConfig(sizes=(2, 32, 2)))
        >>> history = fit(model, TensorBatches((x, y)), TrainConfig(steps=200, batch_size=100, lr=1e-2))
        >>> bool((model(x).argmax(dim=1) == y).float().mean() > 0.9)
        True
    """

    def __init__(self, config: MLPConfig) -> None:
        super().__init__()
        self.config = config
        pairs = zip(config.sizes[:-1], config.sizes[1:], strict=True)
        self.layers = nn.ModuleList(nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairs)
        self.norms = nn.ModuleList(_NORMALIZATIONS[config.normalization](size) for size in config.sizes[1:-1])
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        """The last layer's activations: logits for the two cross-entropies, predictions for ``squared_error``.

        Raises:
            ValueError: where ``x`` has another rank, width or dtype than the first layer takes, or batch normalization
                would learn from a single row.
        """
        return self._run(x)[-1][-1]

    def loss(self, x: Float[Tensor, "batch inputs"], y: Tensor) -> Float[Tensor, ""]:
        r"""Mean over the batch of one sample's loss, differentiable by autograd.

        With :math:`p` the softmax or the sigmoid of the logits, :math:`\hat{y}` the output, :math:`c` the label:
        ``cross_entropy`` :math:`-\log p_c`; ``squared_error`` :math:`\frac12 \sum_k (\hat{y}_k - y_k)^2`;
        ``binary_cross_entropy`` :math:`-\sum_k y_k \log p_k + (1 - y_k) \log(1 - p_k)`.

        Args:
            x: the inputs.
            y: labels, int64 [batch], for ``cross_entropy``; else targets of the weights' dtype, [batch, outputs].
                Values are checked on the CPU only: to read them, an accelerator would have to stop.

        Raises:
            ValueError: where ``x`` or ``y`` does not fit the configuration.
        """
        out = self(x)
        self._check_targets(y, out)
        if self.config.loss == "cross_entropy":
            return F.cross_entropy(out, y)
        if self.config.loss == "squared_error":
            return (out - y).square().sum() / 2 / len(out)
        return F.binary_cross_entropy_with_logits(out, y, reduction="sum") / len(out)

    def n_targets(self, x: Float[Tensor, "batch inputs"], y: Tensor) -> int:
        """The number of samples: what the mean of :meth:`loss` is over."""
        return len(x)

    @torch.no_grad()
    def gradients(self, x: Float[Tensor, "batch inputs"], y: Tensor) -> dict[str, Tensor]:
        r"""Gradient of :meth:`loss` for every parameter, by the delta recursion and without autograd.

        .. math::

            \boldsymbol\delta^{(l)} = \frac{\partial L}{\partial \mathbf{z}^{(l)}}
            = \bigl(\boldsymbol\delta^{(l+1)} \mathbf{W}^{(l+1)}\bigr) \odot \sigma'(\mathbf{z}^{(l)}),

            \frac{\partial L}{\partial \mathbf{W}^{(l)}} = \boldsymbol\delta^{(l)\top} \mathbf{a}^{(l-1)}, \qquad
            \frac{\partial L}{\partial \mathbf{b}^{(l)}} = \sum_i \boldsymbol\delta^{(l)}_i

        A normalization puts one more step between :math:`\sigma'` and the weights. In training mode the running
        statistics of batch normalization move, as in :meth:`loss`.

        Returns:
            The gradients under the names of ``named_parameters()``.

        Raises:
            ValueError: as :meth:`loss`, and for dropout in training mode: another pass would draw another mask.
        """
        if self.training and self.config.dropout:
            raise ValueError(
                f"expected no dropout in training mode, got dropout={self.config.dropout}, which draws a new mask; "
                "call eval() first, or take autograd's gradients of loss"
            )
        z, u, a = self._run(x)
        self._check_targets(y, a[-1])
        delta = self._output_delta(z[-1], a[-1], y)
        found: dict[str, Tensor] = {}
        for index in reversed(range(len(self.layers))):
            found[f"layers.{index}.weight"] = delta.T @ a[index]
            found[f"layers.{index}.bias"] = delta.sum(dim=0)
            if index > 0:  # nobody asks for the inputs' gradient: its product is saved
                hidden = _ACTIVATIONS[self.config.activation]
                weight = self.get_parameter(f"layers.{index}.weight")
                delta = (delta @ weight) * hidden.derivative(u[index - 1])
                if self.config.normalization != "none":
                    delta, gain, shift = self._through_norm(index - 1, z[index - 1], delta)
                    found |= {f"norms.{index - 1}.weight": gain, f"norms.{index - 1}.bias": shift}
        return {name: found[name] for name, _ in self.named_parameters()}

    def _through_norm(
        self, index: int, z: Float[Tensor, "batch units"], delta: Float[Tensor, "batch units"]
    ) -> tuple[Float[Tensor, "batch units"], Float[Tensor, " units"], Float[Tensor, " units"]]:
        r"""From ∂L/∂u with u = γ·n + β and n = (z − mean)/s: ∂L/∂z, ∂L/∂γ and ∂L/∂β.

        :math:`\partial L/\partial z = (d - \overline{d} - n\,\overline{dn})/s` with :math:`d = \partial L/\partial n`:
        mean and s follow z, so that z cannot move n by a constant or along itself. Running statistics do not follow.
        """
        norm = self.norms[index]
        assert isinstance(norm, nn.BatchNorm1d | nn.LayerNorm)
        axis = 0 if isinstance(norm, nn.BatchNorm1d) else 1
        frozen = axis == 0 and not norm.training
        mean = norm.get_buffer("running_mean") if frozen else z.mean(axis, keepdim=True)
        variance = norm.get_buffer("running_var") if frozen else z.var(axis, unbiased=False, keepdim=True)
        scale = (variance + norm.eps).rsqrt()
        n, d = (z - mean) * scale, delta * norm.weight
        follows = 0 if frozen else d.mean(axis, keepdim=True) + n * (d * n).mean(axis, keepdim=True)
        return (d - follows) * scale, (delta * n).sum(dim=0), delta.sum(dim=0)

    def _output_delta(
        self, z: Float[Tensor, "batch outputs"], out: Float[Tensor, "batch outputs"], y: Tensor
    ) -> Float[Tensor, "batch outputs"]:
        """∂L/∂z of the last layer. Under both cross-entropies σ' cancels, and prediction minus target is left."""
        if self.config.loss == "cross_entropy":
            return (z.softmax(dim=1) - F.one_hot(y, z.shape[1])) / len(z)
        if self.config.loss == "squared_error":
            return (out - y) * _ACTIVATIONS[self.config.output].derivative(z) / len(z)
        return (torch.sigmoid(z) - y) / len(z)

    def _run(self, x: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """What the weights give (z, layers 1 to L), these normalized (u, 1 to L − 1), activations (a, 0 to L)."""
        self._check_inputs(x)
        z: list[Tensor] = []
        u: list[Tensor] = []
        a = [x]
        for layer, norm in zip(self.layers[:-1], self.norms, strict=True):
            z.append(layer(a[-1]))
            u.append(norm(z[-1]))
            a.append(self.dropout(_ACTIVATIONS[self.config.activation].value(u[-1])))
        z.append(self.layers[-1](a[-1]))
        a.append(_ACTIVATIONS[self.config.output].value(z[-1]))
        return z, u, a

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def _check_inputs(self, x: Float[Tensor, "batch inputs"]) -> None:
        do = f"flatten each sample into a row, and convert it with x.to({self._dtype})"
        check_tensor("x", x, "batch", self.config.sizes[0], dtype=self._dtype, do=do)
        if len(x) == 1 and self.training and self.config.normalization == "batch":
            raise ValueError(
                "expected at least two rows for normalization='batch' in training mode, got one: it has no variance; "
                "use a larger batch, call eval(), or choose normalization='layer'"
            )

    def _check_targets(self, y: Int[Tensor, " batch"] | Float[Tensor, "batch outputs"], out: Tensor) -> None:
        labels = self.config.loss == "cross_entropy"
        # The weights' dtype, not the outputs': under autocast these are bfloat16, and the targets stay as they are.
        dtype, shape = (torch.int64, out.shape[:1]) if labels else (self._dtype, out.shape)
        hint = f"this is what loss={self.config.loss!r} takes"
        check_tensor("y", y, *shape, dtype=dtype, do=f"{hint}: reshape or convert it, it is never broadcast")
        if self.config.loss != "squared_error":
            top = out.shape[1] - 1 if labels else 1
            check_values("y", y, 0, top, do=f"{hint}: number the classes from 0, or scale the targets")
