"""Parameters and floating-point operations of every model, by formula: no model has to be built to know its size."""

from companion.economics.compute import language, others, vision  # noqa: F401 - each registers its families
from companion.economics.compute.count import forward_flops, parameter_count, six_nd, training_flops

__all__ = ["forward_flops", "parameter_count", "six_nd", "training_flops"]
