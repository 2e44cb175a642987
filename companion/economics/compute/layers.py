"""Parameters and operations of the layers that the families are made of."""


def linear(inputs: int, outputs: int, *, bias: bool = True) -> int:
    """Parameters of a linear layer."""
    return inputs * outputs + outputs * bias


def linear_flops(rows: int, inputs: int, outputs: int) -> int:
    """Operations of ``rows`` rows through a linear layer."""
    return 2 * rows * inputs * outputs


def convolution(inputs: int, outputs: int, kernel: int, *, bias: bool = True) -> int:
    """Parameters of a square convolution between ``inputs`` and ``outputs`` channels."""
    return inputs * outputs * kernel**2 + outputs * bias


def convolution_flops(pixels: int, inputs: int, outputs: int, kernel: int) -> int:
    """Operations of a square convolution that writes ``pixels`` positions (of all samples together)."""
    return 2 * pixels * inputs * outputs * kernel**2


def attention_flops(queries: int, keys: int, width: int) -> int:
    """Operations of softmax(QKᵀ)V for one sequence of ``queries`` against ``keys`` positions, all heads together."""
    return 2 * 2 * queries * keys * width
