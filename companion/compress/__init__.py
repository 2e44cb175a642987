"""A trained model made smaller and faster: fewer bits, fewer weights, a smaller model, fewer steps of the large one."""

from companion.compress.normal_float import nf4_levels
from companion.compress.weights import QuantizedScales, QuantizedWeight, double_quantize, quantize_weight

__all__ = ["QuantizedScales", "QuantizedWeight", "double_quantize", "nf4_levels", "quantize_weight"]
