"""Parameters and floating-point operations of every model, known from its config before there is one in memory."""

from companion.economics.compute import language  # noqa: F401 - registers its formulas
from companion.economics.compute.count import forward_flops, parameter_count, six_nd, training_flops

__all__ = ["forward_flops", "parameter_count", "six_nd", "training_flops"]
