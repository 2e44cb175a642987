"""Small GGUF files, written by llama.cpp's own package."""

import gguf
import numpy as np

TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q6_K"]
#: Where a block of 256 weights keeps its scales in half precision, for types that ``gguf`` does not write, and scales
#: that give weights a standard deviation near 0.3: with far larger ones, rounding alone would tell two models apart.
SCALES = {"Q4_K": ((slice(0, 2), slice(2, 4)), 0.001), "Q6_K": ((slice(208, 210),), 0.0002)}


def write(path, architecture, metadata, tensors):
    """Writes plain values and (data, type) tensors."""
    writer = gguf.GGUFWriter(path, architecture)
    adders = {
        bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string,
        list: writer.add_array,
    }  # fmt: skip
    for key, value in metadata.items():
        adders[type(value)](key, value)
    for name, (data, kind) in tensors.items():
        writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def quantized(weight, kind):
    """``weight`` in blocks of ``kind``; for types that ``gguf`` does not write, arbitrary ones of as many weights."""
    if weight.ndim == 1:
        return weight, "F32"  # as llama.cpp keeps normalizations
    if kind not in SCALES:
        return gguf.quantize(weight, gguf.GGMLQuantizationType[kind]), kind
    weights, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    blocks = np.random.default_rng(weight.shape).integers(256, size=(weight.size // weights, size), dtype=np.uint8)
    places, scale = SCALES[kind]
    for place in places:
        blocks[:, place] = np.full(1, scale, dtype=np.float16).view(np.uint8)
    return blocks.reshape(len(weight), -1), kind
