"""Layers and models in few bits: against the product with dequantized weights, in memory and on disk."""

import copy
import dataclasses
import json

import pytest
import torch
from torch import nn

from companion.compress import (
    QuantizedEmbedding,
    QuantizedLinear,
    load_quantized,
    model_bytes,
    prune_2_4,
    prune_heads,
    quantize,
    quantize_weight,
    save_quantized,
)
from companion.finetune import LoRAConfig, add_lora, load_adapter, save_adapter
from companion.models import GPT, GPTConfig, RopeScaling

LLAMA = GPTConfig(
    vocab_size=37, block_size=23, n_layer=2, n_head=4, n_kv_head=2, n_embd=64, n_inner=96, positions="rotary",
    norm="rms", feed_forward="swiglu",
)  # fmt: skip
GPT2 = GPTConfig(vocab_size=37, block_size=23, n_layer=2, n_head=2, n_embd=64, bias=True, tied=False)
TOKENS = torch.randint(37, (3, 13), generator=torch.Generator().manual_seed(0))
BF16 = 2.0**-8  # the relative step of bfloat16


def made(config):
    torch.manual_seed(1)
    model = GPT(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def relative(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("shape", [(1, 320), (7, 320), (2, 3, 320)])
@pytest.mark.parametrize(("bits", "group_size"), [(8, 64), (4, 32), (4, 64)])
@pytest.mark.parametrize("bias", [False, True])
def test_a_layer_is_the_product_with_its_dequantized_weights(bits, group_size, bias, shape):
    layer, x = nn.Linear(320, 208, bias=bias), torch.randn(shape)
    small = QuantizedLinear.from_linear(layer, bits=bits, group_size=group_size)
    weight = small.dequantize()
    with torch.no_grad():
        y = small(x)
        product = (x.bfloat16().double() @ weight.double().t()).float()
    assert y.shape == product.shape
    assert y.dtype is torch.float32
    y = y - layer.bias if bias else y
    assert ((y - product).abs() <= BF16 * product.abs() + 1e-5).all()  # the outputs are rounded, nothing else is


@pytest.mark.parametrize(("bits", "group_size"), [(8, 64), (4, 32), (4, 64)])
def test_the_weights_of_a_layer_are_those_of_quantize_weight(bits, group_size):
    layer = nn.Linear(320, 208)
    small = QuantizedLinear.from_linear(layer, bits=bits, group_size=group_size)
    if bits == 8:
        assert torch.equal(small.dequantize(), quantize_weight(layer.weight).dequantize())
        return
    exact = quantize_weight(layer.weight, bits=4, group_size=group_size, scheme="offset")
    assert torch.equal(small.whole_codes(), exact.whole_codes())
    steps = exact.whole_scales().repeat_interleave(group_size, dim=1)  # they are kept in bfloat16
    assert ((small.dequantize() - exact.dequantize()).abs() <= 16 * steps * BF16 / 2).all()


@pytest.mark.parametrize(("bits", "low", "high"), [(8, 3.9, 4.0), (4, 7.0, 7.2)])
def test_a_layer_is_as_small_as_its_bits(bits, low, high):
    layer = nn.Linear(576, 1_536, bias=False)
    small = QuantizedLinear.from_linear(layer, bits=bits)
    assert low < layer.weight.nbytes / small.n_bytes < high
    held = sum(buffer.nbytes for buffer in small.buffers())
    assert small.n_bytes <= held <= small.n_bytes + 2 * 1_536  # nothing else is kept beside it


def test_codes_come_back_from_the_order_of_the_kernel():
    codes = torch.randint(16, (48, 192), dtype=torch.uint8)
    layer = QuantizedLinear(192, 48, bits=4, group_size=32)
    layer.packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes.int(), 1)
    assert torch.equal(layer.whole_codes(), codes)


@pytest.mark.parametrize("bits", [8, 4])
def test_gradients_reach_the_input_through_the_dequantized_weights(bits):
    small = QuantizedLinear.from_linear(nn.Linear(64, 48), bits=bits)
    x = torch.randn(5, 64, requires_grad=True)
    small(x).square().sum().backward()
    y = x.detach() @ small.dequantize().t() + small.bias
    torch.testing.assert_close(x.grad, 2 * y @ small.dequantize(), rtol=1e-4, atol=1e-4)


def test_embeddings_share_their_memory_with_the_head():
    table = nn.Embedding(37, 64)
    small = QuantizedEmbedding.from_embedding(table)
    head = small.head()
    assert head.codes.data_ptr() == small.codes.data_ptr()
    rows = torch.arange(37)
    error = (small(rows) - table.weight).abs()
    assert (error <= table.weight.abs().amax(dim=1, keepdim=True) / 254 + 1e-6).all()
    torch.testing.assert_close(small(rows), head.dequantize())


@pytest.mark.parametrize("config", [LLAMA, GPT2], ids=["llama", "gpt2"])
def test_a_model_is_a_plain_one_with_the_dequantized_weights(config):
    off = {}
    for bits in (8, 4):
        model = made(config)
        with torch.no_grad():
            before = model(TOKENS)
            small = quantize(copy.deepcopy(model), bits=bits, group_size=32)
            for path, layer in small.named_modules():
                if isinstance(layer, QuantizedLinear) and not (path == "lm_head" and config.tied):
                    model.get_submodule(path).weight.copy_(layer.dequantize())
            model.wte.weight.copy_(small.wte(torch.arange(37)))
            found, plain = small(TOKENS), model(TOKENS)
        assert not any(type(each) is nn.Linear for each in small.modules())
        assert relative(found, plain) < 2 * BF16
        off[bits] = relative(plain, before)
    assert 0 < 5 * off[8] < off[4]


@pytest.mark.parametrize("bits", [8, 4])
def test_the_cache_changes_nothing_but_rounding(bits):
    small = quantize(made(LLAMA), bits=bits, group_size=32)
    with torch.inference_mode():
        whole = small(TOKENS)
        writer = small._writer(TOKENS[:, :6], 8)
        logits = small.next_logits(TOKENS[:, :6], writer._cache)
        for t in range(6, 13):
            torch.testing.assert_close(logits, whole[:, t - 1], rtol=0.02, atol=0.02 * whole.std().item())
            logits = small.next_logits(TOKENS[:, t : t + 1], writer._cache)


@pytest.mark.parametrize("config", [LLAMA, GPT2], ids=["llama", "gpt2"])
@pytest.mark.parametrize("bits", [8, 4])
def test_a_folder_and_a_state_give_the_same_model(config, bits, tmp_path):
    small = quantize(made(config), bits=bits, group_size=32)
    save_quantized(small, tmp_path)
    read = load_quantized(tmp_path)
    other = quantize(GPT(config), bits=bits, group_size=32)
    other.load_state_dict(small.state_dict())
    with torch.no_grad():
        assert torch.equal(read(TOKENS), small(TOKENS))
        assert torch.equal(other(TOKENS), small(TOKENS))
        assert torch.equal(copy.deepcopy(small)(TOKENS), small(TOKENS))
    assert model_bytes(read) == model_bytes(small)
    assert read.generate(TOKENS[:, :3], 5, temperature=0).equal(small.generate(TOKENS[:, :3], 5, temperature=0))
    held = (tmp_path / "model.safetensors").stat().st_size
    assert held < model_bytes(small) + 8_000  # the names


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("bits", [8, 4])
def test_other_precisions_go_in_and_out(bits, dtype):
    small = QuantizedLinear.from_linear(nn.Linear(64, 48), bits=bits)
    x = torch.randn(5, 64).bfloat16().float()
    with torch.no_grad():
        expected = small(x)
        found = small.to(dtype)(x.to(dtype))
    assert found.dtype is dtype
    torch.testing.assert_close(found.float(), expected, rtol=4 * BF16, atol=4 * BF16)


def test_the_assistant_shrinks_and_still_knows_the_capital_of_france(assistant):
    model, tokenizer = assistant
    question = [{"role": "user", "content": "What is the capital of France?"}]
    tokens = torch.tensor([tokenizer.apply_chat_template(question, add_generation_prompt=True)])
    sizes = {32: model_bytes(model)}
    for bits, group_size in ((8, 64), (4, 32)):
        small = quantize(copy.deepcopy(model), bits=bits, group_size=group_size)
        sizes[bits] = model_bytes(small)
        answer = small.generate(tokens, 20, temperature=0, stop_tokens=tokenizer.stop_tokens)
        assert "Paris" in tokenizer.decode(answer[0, tokens.shape[1] :])
    assert sizes[32] > 3.9 * sizes[8] > 3.9 * 1.3 * sizes[4]


def test_what_cannot_be_is_refused_and_the_model_stays_as_it_was(tmp_path):
    model = made(LLAMA)
    for options, said in (({"bits": 3}, "8 or 4"), ({"bits": 4, "group_size": 48}, "group_size among")):
        with pytest.raises(ValueError, match=said):
            quantize(model, **options)
    with pytest.raises(ValueError, match="divide the 96 inputs"):
        quantize(model, bits=4, group_size=64)
    assert all(type(layer) is not QuantizedLinear for layer in model.modules())
    with pytest.raises(ValueError, match="multiple of 16 outputs"):
        QuantizedLinear(64, 24, bits=4)
    with pytest.raises(ValueError, match="got a plain one"):
        save_quantized(model, tmp_path)
    small = quantize(model)
    with pytest.raises(ValueError, match="quantized or has adapters"):
        quantize(small)
    with pytest.raises(ValueError, match="for this layer"):
        small.h[0].attn.c_proj.set_weight(quantize_weight(torch.ones(64, 64), bits=4))
    save_quantized(small, tmp_path)
    told = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(told | {"n_layer": 3}))
    with pytest.raises(ValueError, match="got others"):
        load_quantized(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(told | {"quantization": {"bits": 4, "group_size": 32}}))
    with pytest.raises(ValueError, match="other bits"):
        load_quantized(tmp_path)
    with pytest.raises(ValueError, match="model_type"):
        GPT.from_pretrained(tmp_path)
    made(GPT2).save_pretrained(tmp_path / "plain")
    with pytest.raises(ValueError, match="save_quantized wrote"):
        load_quantized(tmp_path / "plain")


def test_scaled_angles_come_back_from_a_folder(tmp_path):
    config = dataclasses.replace(LLAMA, rope_scaling=RopeScaling("linear", factor=4.0))
    model = quantize(made(config))
    save_quantized(model, tmp_path)
    loaded = load_quantized(tmp_path)
    assert loaded.config == config
    with torch.no_grad():
        assert torch.equal(loaded(TOKENS), model(TOKENS))


def test_what_is_quantized_is_neither_adapted_nor_pruned_nor_written_as_a_plain_model(tmp_path):
    save_adapter(add_lora(made(LLAMA), LoRAConfig(r=2)), tmp_path)
    for act in (
        add_lora,
        lambda model: load_adapter(model, tmp_path),
        lambda model: prune_heads(model, [(0, 0)]),
        lambda model: model.save_pretrained(tmp_path / "folder"),
    ):
        with pytest.raises(ValueError, match="^expected a plain "):
            act(quantize(made(LLAMA)))
    with pytest.raises(ValueError, match="^expected a plain GPT, got one with LoRALinear"):
        prune_heads(add_lora(made(LLAMA), LoRAConfig(target_modules=["o_proj"])), [(0, 0)])


def test_what_was_pruned_stays_zero_in_8_bits():
    model = made(LLAMA)
    masks = prune_2_4(model, but=("lm_head",))
    small = quantize(model)
    for path, mask in masks.items():
        assert (small.get_submodule(path).dequantize()[~mask] == 0).all()
