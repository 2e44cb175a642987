"""GPTQ: against its definition without the shortcut, against rounding to the nearest, on a real model's inputs."""

import copy

import numpy as np
import pytest
import torch

from companion.compress import gptq, input_moments, quantize, quantize_weight
from companion.models import GPT, GPTConfig

KINDS = [(4, "offset"), (4, "affine"), (8, "symmetric"), (4, "symmetric")]


def correlated(rows, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=generator) @ torch.randn(width, width, generator=generator)


def by_definition(weight, moments, bits, scheme, size, damping=0.01):
    """Optimal brain quantization in a fixed order: after each column the inverse is made anew for those to come."""
    w, h = weight.double().numpy().copy(), moments.double().numpy()
    h = h + damping * np.diag(h).mean() * np.eye(len(h))
    found = np.zeros_like(w)
    for i in range(w.shape[1]):
        if i % size == 0:
            group = quantize_weight(torch.tensor(w[:, i : i + size]).float(), bits=bits, scheme=scheme)
            s, z = (each[:, 0].double().numpy() for each in (group.whole_scales(), group.whole_zeros()))
        found[:, i] = s * (np.clip(np.round(w[:, i] / s + z), 0, 2**bits - 1) - z)
        inverse = np.linalg.inv(h[i:, i:])
        w[:, i:] -= np.outer(w[:, i] - found[:, i], inverse[0] / inverse[0, 0])
    return torch.tensor(found)


@pytest.mark.parametrize("size", [4, 12, 24])
@pytest.mark.parametrize(("bits", "scheme"), KINDS)
def test_it_is_what_its_definition_gives(bits, scheme, size):
    weight, inputs = torch.randn(11, 24), correlated(300, 24)
    moments = inputs.T @ inputs
    found = gptq(weight, moments, bits=bits, scheme=scheme, group_size=size)
    expected = by_definition(weight, moments, bits, scheme, size)
    torch.testing.assert_close(found.dequantize().double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("bits", "scheme"), KINDS)
def test_outputs_change_less_than_with_the_nearest(bits, scheme):
    weight, inputs = torch.randn(37, 64), correlated(500, 64)
    fresh = correlated(500, 64)[-200:]

    def error(rounded, x):
        return ((rounded.dequantize() - weight) @ x.T).square().sum().item()

    ours = gptq(weight, inputs.T @ inputs, bits=bits, scheme=scheme, group_size=32)
    nearest = quantize_weight(weight, bits=bits, scheme=scheme, group_size=32)
    assert error(ours, inputs) < 0.7 * error(nearest, inputs)
    assert error(ours, fresh) < 0.7 * error(nearest, fresh)
    assert (ours.dequantize() - weight).square().sum() > (nearest.dequantize() - weight).square().sum()


def test_it_is_the_nearest_where_inputs_are_uncorrelated():
    weight = torch.randn(11, 24)
    ours = gptq(weight, torch.eye(24), group_size=12)
    assert torch.equal(ours.codes, quantize_weight(weight, bits=4, scheme="offset", group_size=12).codes)


def test_the_unit_of_the_moments_does_not_matter_and_an_input_that_is_always_0_does_no_harm():
    weight, inputs = torch.randn(11, 24), correlated(300, 24)
    inputs[:, 5] = 0
    moments = inputs.T @ inputs
    assert torch.equal(gptq(weight, moments).codes, gptq(weight, moments / 300).codes)


def test_moments_are_those_of_the_inputs_of_each_layer():
    config = GPTConfig(vocab_size=37, block_size=16, n_layer=2, n_head=2, n_embd=32, positions="rotary", norm="rms",
                       feed_forward="swiglu", n_inner=64)  # fmt: skip
    model, tokens = GPT(config), torch.randint(37, (3, 13))
    moments = input_moments(model, tokens)
    assert len(moments) == 10
    with torch.no_grad():
        first = model.h[0].ln_1(model.wte(tokens)).flatten(0, 1)
    torch.testing.assert_close(moments["h.0.attn.c_attn"], first.T @ first, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(moments["h.1.mlp.c_gate"], moments["h.1.mlp.c_fc"])
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert model.training


def test_a_real_layer_loses_less(assistant):
    model, tokenizer = assistant
    text = "The sea is a vast body of salt water that covers more than two thirds of the Earth. It feeds rain, " * 5
    seen = torch.tensor(tokenizer.encode(text)[:96])[None]
    small = copy.deepcopy(model)
    del small.h[1:]  # a block is enough to see it
    moments = input_moments(small, seen)["h.0.mlp.c_fc"]
    weight = small.h[0].mlp.c_fc.weight.detach()[:128]  # rows are rounded each by itself

    def error(rounded):
        off = rounded.dequantize() - weight
        return ((off @ moments) * off).sum().item()

    nearest = quantize_weight(weight, bits=4, scheme="offset", group_size=64)
    assert error(gptq(weight, moments, group_size=64)) < 0.7 * error(nearest)


def test_a_model_loses_less_on_what_it_was_shown():
    torch.manual_seed(0)
    model, tokens = (
        GPT(GPTConfig(vocab_size=7, block_size=16, n_layer=2, n_head=2, n_embd=32)).eval(),
        torch.randint(7, (9, 16)),
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
        plain, off = model(tokens), []
        for given in (input_moments(model, tokens), None):
            small = quantize(copy.deepcopy(model), bits=4, group_size=32, moments=given)
            off.append((small(tokens) - plain).square().mean().item())
    assert off[0] < 0.8 * off[1]


@pytest.mark.parametrize(
    ("moments", "options", "said"),
    [
        (torch.eye(23), {}, "moments of shape"),
        (-torch.eye(24), {}, "diagonal from 0"),
        (torch.ones(24, 24) - 0.5 * torch.eye(24), {}, "not positive definite"),
        (torch.eye(24), {"damping": 0}, "damping above 0"),
        (torch.eye(24), {"scheme": "nf4"}, "nf4"),
        (torch.eye(24), {"group_size": 5}, "divide"),
    ],
)
def test_what_cannot_be_is_refused(moments, options, said):
    with pytest.raises(ValueError, match=said):
        gptq(torch.ones(3, 24), moments, **options)


def test_moments_of_another_model_are_refused():
    model = GPT(GPTConfig(vocab_size=37, block_size=16, n_layer=2, n_head=2, n_embd=32))
    with pytest.raises(ValueError, match="moments of each layer"):
        quantize(model, bits=4, group_size=32, moments={"h.0.attn.c_attn": torch.eye(32)})
