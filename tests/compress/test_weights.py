"""Weights in few bits: against published constants and plain loops, with bounds of the error and counts of bits."""

import math

import numpy as np
import pytest
import torch

from companion.compress import double_quantize, nf4_levels, quantize_weight

# bitsandbytes/functional.py, get_4bit_type("nf4"): the values that its kernels use.
BITSANDBYTES = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
]  # fmt: skip
KINDS = [(8, "symmetric"), (4, "symmetric"), (8, "affine"), (4, "affine"), (8, "offset"), (4, "offset"), (4, "nf4")]


def leaning(rows=11, columns=84):
    """Weights that lean to one side, some rows wholly, with a group of zeros."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(rows, columns, generator=generator) + torch.linspace(-5, 5, rows)[:, None]
    weight[2, :12] = 0
    return weight


def test_nf4_has_the_levels_of_bitsandbytes():
    np.testing.assert_allclose(nf4_levels().numpy(), BITSANDBYTES, rtol=0, atol=3e-7)


def one_by_one(group, bits, scheme):
    """A group as the formulas of the docstring have it, a number at a time, in float64."""
    low, high = min(0.0, *group), max(0.0, *group)
    largest, top = max(high, -low), 2**bits - 1
    if scheme == "nf4":
        scale = largest or 1.0
        return [scale * min(BITSANDBYTES, key=lambda level: abs(level - w / scale)) for w in group]
    if scheme == "offset":
        low, high = min(group), max(group)
        scale = (high - low) / top or abs(low) or 1.0
        return [low + scale * round((w - low) / scale) for w in group]
    if scheme == "symmetric":
        scale, zero = largest / (2 ** (bits - 1) - 1) or 1.0, 2 ** (bits - 1)
    else:
        scale = (high - low) / top or 1.0
        zero = round(-low / scale)
    return [scale * (min(max(round(w / scale) + zero, 0), top) - zero) for w in group]


# torchao 0.18, with from torchao.quantization.quant_primitives import *, of LITTLE in groups of (1, 3):
#   s, z = choose_qparams_affine(w, MappingType.ASYMMETRIC, (1, 3), torch.uint8, 0, 2**bits - 1)
#   quantize_affine(w, (1, 3), s, z, torch.uint8, 0, 2**bits - 1)
# and for symmetric MappingType.SYMMETRIC, torch.int8 and -(2**(bits-1) - 1), 2**(bits-1) - 1; plus 2**(bits-1).
LITTLE = [[0.31, -1.7, 2.05, 0.44, -0.02, 0.9], [3.1, 4.7, 1.05, 2.44, 9.02, 0.9], [-0.5, 0.25, -0.125, 0.0625, 1, -1]]
TORCHAO = {
    (8, "affine"): [[137, 0, 255, 128, 0, 255], [168, 255, 57, 69, 255, 25], [0, 255, 128, 135, 254, 0]],
    (4, "affine"): [[8, 0, 15, 7, 0, 15], [10, 15, 3, 4, 15, 1], [0, 15, 8, 7, 14, 0]],
    (8, "symmetric"): [[147, 23, 255, 190, 125, 255], [212, 255, 156, 162, 255, 141], [1, 192, 96, 136, 255, 1]],
    (4, "symmetric"): [[9, 2, 15, 11, 8, 15], [13, 15, 10, 10, 15, 9], [1, 11, 6, 8, 15, 1]],
}


@pytest.mark.parametrize(("bits", "scheme"), TORCHAO)
def test_codes_are_those_of_torchao(bits, scheme):
    found = quantize_weight(torch.tensor(LITTLE), bits=bits, scheme=scheme, group_size=3)
    assert found.whole_codes().tolist() == TORCHAO[bits, scheme]


@pytest.mark.parametrize("group_size", [4, 12, None])
@pytest.mark.parametrize(("bits", "scheme"), KINDS)
def test_each_number_is_that_of_the_formulas(bits, scheme, group_size):
    weight = leaning()
    size = group_size or weight.shape[1]
    groups = weight.double().view(-1, size).tolist()
    expected = torch.tensor([one_by_one(group, bits, scheme) for group in groups]).view_as(weight)
    found = quantize_weight(weight, bits=bits, scheme=scheme, group_size=group_size).dequantize()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("bits", "scheme"), KINDS)
def test_no_weight_is_off_by_more_than_half_a_step_and_zero_stays(bits, scheme):
    weight = leaning()
    quantized = quantize_weight(weight, bits=bits, scheme=scheme, group_size=12)
    steps = quantized.whole_scales().repeat_interleave(12, dim=1)
    if scheme == "nf4":
        steps = steps * (1 + BITSANDBYTES[1])  # the widest gap between levels, at the lower end
    error = (quantized.dequantize() - weight).abs()
    assert (error <= steps / 2 + 1e-6).all()
    assert (error > 0.4 * steps).any()  # the bound is no loose one
    if scheme != "offset":
        assert (quantized.dequantize()[weight == 0] == 0).all()


@pytest.mark.parametrize("bits", [8, 4])
def test_an_offset_gives_weights_back_that_have_been_on_such_a_grid(bits):
    """As llama.cpp's Q4_1 has them: a minimum and a step in half precision, codes that reach both ends."""
    low, step = torch.randn(7, 5, 1).half().float(), torch.rand(7, 5, 1).half().float()
    codes = torch.randint(2**bits, (7, 5, 32))
    codes[..., 3], codes[..., 8] = 0, 2**bits - 1
    weight = (low + step * codes).flatten(1)
    quantized = quantize_weight(weight, bits=bits, group_size=32, scheme="offset")
    assert torch.equal(quantized.whole_codes(), codes.flatten(1).to(torch.uint8))
    torch.testing.assert_close(quantized.dequantize(), weight, rtol=1e-5, atol=1e-5)
    assert (quantize_weight(weight, bits=bits, group_size=32, scheme="affine").dequantize() - weight).abs().max() > 1e-3


@pytest.mark.parametrize(("bits", "scheme"), KINDS)
def test_what_is_quantized_already_stays_as_it_is(bits, scheme):
    once = quantize_weight(leaning(), bits=bits, scheme=scheme, group_size=12).dequantize()
    again = quantize_weight(once, bits=bits, scheme=scheme, group_size=12).dequantize()
    torch.testing.assert_close(again, once, rtol=1e-5, atol=1e-6)


def test_a_group_that_leans_is_nearer_with_a_zero_point_and_normal_weights_with_normal_levels():
    def error(weight, scheme):
        quantized = quantize_weight(weight, bits=4, group_size=64, scheme=scheme)
        return (quantized.dequantize() - weight).square().mean().item()

    normal = torch.randn(256, 512, generator=torch.Generator().manual_seed(0))
    assert error(normal + 3, "affine") < 0.5 * error(normal + 3, "symmetric")
    assert error(normal, "nf4") < 0.9 * error(normal, "symmetric")


def test_errors_of_uniform_weights_are_a_twelfth_of_a_squared_step():
    weight = torch.rand(128, 1_024, generator=torch.Generator().manual_seed(0)) * 2 - 1
    quantized = quantize_weight(weight, bits=8)
    variance = (quantized.dequantize() - weight).square().mean().item()
    assert variance == pytest.approx((1 / 127) ** 2 / 12, rel=0.03)


def test_bits_are_those_of_the_paper():
    weight = torch.randn(512, 4_096, generator=torch.Generator().manual_seed(0))
    once = quantize_weight(weight, bits=4, group_size=64, scheme="nf4")
    twice = double_quantize(once)
    assert once.bits_per_weight == 4 + 32 / 64
    constants = twice.bits_per_weight - 4
    assert constants == pytest.approx(8 / 64 + 32 / (64 * 256), abs=1e-4)
    assert round(constants, 3) == 0.127
    assert once.bits_per_weight - twice.bits_per_weight == pytest.approx(0.373, abs=1e-3)  # what it saves
    assert quantize_weight(weight, bits=8).bits_per_weight == 8 + 32 / 4_096
    assert quantize_weight(weight, bits=4, group_size=32, scheme="affine").bits_per_weight == 4 + 40 / 32


def test_scales_in_8_bits_are_off_by_half_a_step_of_their_own():
    weight = torch.randn(7, 640, generator=torch.Generator().manual_seed(0)).exp()
    once = quantize_weight(weight, bits=4, group_size=20, scheme="nf4")  # 224 scales: a block that is not full
    twice = double_quantize(once)
    step = twice.scales.blocks.scales.max()
    off = (twice.whole_scales() - once.scales).abs()
    assert 0 < off.max() <= step / 2 + 1e-6
    difference = (twice.dequantize() - once.dequantize()).abs()
    assert (difference <= off.repeat_interleave(20, dim=1) + 1e-6).all()
    assert torch.equal(twice.whole_codes(), once.whole_codes())


def test_half_precision_weights_are_computed_with_in_float32():
    weight = leaning().bfloat16()
    assert torch.equal(quantize_weight(weight, bits=8).dequantize(), quantize_weight(weight.float()).dequantize())


@pytest.mark.parametrize(
    ("weight", "options", "said"),
    [
        (torch.ones(4), {}, "weight of shape"),
        (torch.ones(4, 4, dtype=torch.int64), {}, "floating"),
        (torch.ones(4, 4), {"bits": 3}, "bits of 8 or 4"),
        (torch.ones(4, 4), {"bits": 8, "scheme": "nf4"}, "bits of 8 or 4"),
        (torch.ones(4, 4), {"scheme": "fp4"}, "scheme to be one of"),
        (torch.ones(4, 6), {"group_size": 4}, "divide the 6 inputs"),
        (torch.ones(4, 6), {"group_size": 0}, "at least 1"),
        (torch.ones(4, 5), {"bits": 4}, "even number"),
        (torch.full((4, 4), math.nan), {}, "finite"),
    ],
)
def test_what_cannot_be_is_refused(weight, options, said):
    with pytest.raises(ValueError, match=said):
        quantize_weight(weight, **options)


def test_scales_are_quantized_once_only():
    twice = double_quantize(quantize_weight(torch.ones(4, 8)))
    with pytest.raises(ValueError, match="already"):
        double_quantize(twice)
