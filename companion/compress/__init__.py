"""A trained model made smaller and faster: fewer bits, fewer weights, a smaller model, fewer steps of the large one."""

from companion.compress.cache import QuantizedKVCache
from companion.compress.distillation import distillation_loss
from companion.compress.embedding import QuantizedEmbedding
from companion.compress.frontier import frontier
from companion.compress.gptq import gptq, input_moments
from companion.compress.linear import QuantizedLinear
from companion.compress.model import load_quantized, model_bytes, quantize, save_quantized
from companion.compress.normal_float import nf4_levels
from companion.compress.pruning import magnitude_mask, mask_2_4, prune_2_4, prune_heads, prune_magnitude
from companion.compress.speculative import SpeculativeText, expected_tokens, speculative_generate
from companion.compress.weights import QuantizedScales, QuantizedWeight, double_quantize, quantize_weight

__all__ = [
    "QuantizedEmbedding",
    "QuantizedKVCache",
    "QuantizedLinear",
    "QuantizedScales",
    "QuantizedWeight",
    "SpeculativeText",
    "distillation_loss",
    "double_quantize",
    "expected_tokens",
    "frontier",
    "gptq",
    "input_moments",
    "load_quantized",
    "magnitude_mask",
    "mask_2_4",
    "model_bytes",
    "nf4_levels",
    "prune_2_4",
    "prune_heads",
    "prune_magnitude",
    "quantize",
    "quantize_weight",
    "save_quantized",
    "speculative_generate",
]
