r"""How far a convolutional network sees: what its layers could reach, and where its gradient comes from.

An output can depend on the inputs of its *theoretical* receptive field (Araujo, Norris & Sim 2019). How much it depends
on each of them is its *effective* receptive field (Luo et al. 2016): the squared gradient of the output with respect to
every input. With independent weights of mean 0 the expected squared gradient takes a random step within each window on
its way back, so that variances add: the spread grows like the root of the depth.

Axes: batch; channel; space (one axis or several: time, or height and width).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from companion.checks import check_sizes


@dataclass(frozen=True)
class Window:
    """One layer of convolution or pooling along one axis.

    Attributes:
        kernel: inputs that a window takes.
        stride: inputs between neighboring windows.
        dilation: inputs between neighbors within a window.

    Raises:
        ValueError: where one of them is below 1.

    Example:
        >>> Window(kernel=3, dilation=2)
        Window(kernel=3, stride=1, dilation=2)
    """

    kernel: int
    stride: int = 1
    dilation: int = 1

    def __post_init__(self) -> None:
        check_sizes(self, "kernel", "stride", "dilation")


@dataclass(frozen=True)
class Reach:
    """What a stack of windows sees of one axis of its input.

    Attributes:
        size: inputs between the first and the last that an output can depend on, both included.
        stride: inputs between neighboring outputs.
        spread: standard deviation of the expected squared gradient of random weights, in inputs.

    Example:
        >>> theoretical_receptive_field([Window(3)] * 3)
        Reach(size=7, stride=1, spread=1.4142135623730951)
    """

    size: int
    stride: int
    spread: float


def theoretical_receptive_field(windows: Iterable[Window]) -> Reach:
    r"""Size, stride and spread of layers in sequence, input first.

    .. math::

        \text{size} = 1 + \sum_l d_l\,j_l\,(k_l - 1), \qquad
        \text{spread}^2 = \sum_l (d_l\,j_l)^2\,\frac{k_l^2 - 1}{12}, \qquad
        j_l = \prod_{i < l} s_i

    for layers :math:`l` with kernel :math:`k_l`, stride :math:`s_l` and dilation :math:`d_l`. The size is that of
    Araujo, Norris & Sim 2019. The spread is that of a sum of independent steps, each uniform over its window: the
    expectation for independent weights of mean 0 and one variance a layer, without ReLU. With ReLU, and with pooling
    that takes the largest, it is an approximation. A shortcut shortens the spread and leaves the size.

    Example:
        >>> vgg = [[Window(3)] * convolutions + [Window(2, stride=2)] for convolutions in (2, 2, 3, 3, 3)]
        >>> theoretical_receptive_field(sum(vgg, [])).size
        212
    """
    size, stride, variance = 1, 1, 0.0
    for window in windows:
        step = stride * window.dilation
        size += step * (window.kernel - 1)
        variance += step**2 * (window.kernel**2 - 1) / 12
        stride *= window.stride
    return Reach(size, stride, math.sqrt(variance))


@dataclass(frozen=True)
class ReceptiveField:
    """Where the gradient of the central output comes from.

    Attributes:
        share: each place's part of the squared gradient, of the input's space; sums to 1.

    Example:
        >>> field = ReceptiveField(torch.tensor([0.0, 0.5, 0.0, 0.5]))
        >>> field.center, field.spread
        ((2.0,), (1.0,))
    """

    share: Float[Tensor, "*space"]

    @property
    def center(self) -> tuple[float, ...]:
        """Mean place along each axis, counted from 0."""
        return tuple(float(part @ torch.arange(len(part), dtype=part.dtype)) for part in self._marginals())

    @property
    def spread(self) -> tuple[float, ...]:
        """Standard deviation along each axis, in inputs."""
        return tuple(
            float(part @ (torch.arange(len(part), dtype=part.dtype) - mean).square()) ** 0.5
            for part, mean in zip(self._marginals(), self.center, strict=True)
        )

    def _marginals(self) -> list[Tensor]:
        flat = [self.share.movedim(axis, 0).reshape(self.share.shape[axis], -1) for axis in range(self.share.ndim)]
        return [part.sum(1) for part in flat]


def effective_receptive_field(
    network: Callable[[Tensor], Tensor], inputs: Float[Tensor, "batch channel *space"], *, seed: int = 0
) -> ReceptiveField:
    r"""Mean squared gradient of the central output with respect to every input, as parts of 1.

    .. math::

        g_{\mathbf{p}} \propto \sum_{n,i} \Bigl(\frac{\partial}{\partial x_{n,i,\mathbf{p}}}
        \sum_c \epsilon_{n,c}\, y_{n,c,\text{center}}\Bigr)^2, \qquad \epsilon_{n,c} = \pm 1 \text{ at random}

    whose expectation over the signs is the sum over the output's channels :math:`c`, for one backward pass. Luo et al.
    2016 average the gradient itself over inputs; for random weights, whose gradients have either sign, that average
    vanishes, and the variances that add are those of the square. Gradients of parameters are left alone. Set a model
    with batch-norm or dropout to evaluation.

    Args:
        network: maps [batch, channel, \*space] to [batch, channel, \*space]; the number of axes stays.
        inputs: what the gradient is averaged over; large enough that the field does not meet the border.
        seed: of the signs.

    Raises:
        ValueError: where the output has other axes than the input, or its gradient is 0 or not finite.

    Example:
        >>> blur = torch.nn.AvgPool2d(3, stride=1, padding=1)
        >>> field = effective_receptive_field(blur, torch.rand(1, 1, 7, 7))
        >>> print(f"{field.spread[0]:.4f}")  # the root of 2/3
        0.8165
    """
    x = inputs.detach().requires_grad_()
    y = network(x)
    if y.ndim != x.ndim or len(y) != len(x):
        raise ValueError(
            f"expected an output of {x.ndim} axes and {len(x)} examples, as the input, got {list(y.shape)}: "
            f"pass the layers before the head that flattens or averages the features"
        )
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(2, y.shape[:2], generator=generator).to(y) * 2 - 1
    for edge in y.shape[2:]:
        y = y[:, :, edge // 2]  # one axis of space less each time
    (gradient,) = torch.autograd.grad((signs * y).sum(), x)
    squared = gradient.double().square().sum((0, 1))  # double: float32 squares underflow far from the center
    if not 0 < float(squared.sum()) < math.inf:
        raise ValueError(
            f"expected a gradient that is neither 0 nor infinite, got a sum of squares of {float(squared.sum())}: "
            f"are all units of a layer off for these inputs?"
        )
    return ReceptiveField(squared / squared.sum())
