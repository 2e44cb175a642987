"""What GPT-2 does not have: rotary positions, RMSNorm, SwiGLU, shared keys and values, untied output weights."""

import dataclasses
import itertools
import json

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from companion.economics.compute import forward_flops, parameter_count
from companion.models import GPT, GPTConfig
from companion.models.gpt import make_norm
from companion.models.gpt_layers.cache import KVCache
from companion.models.gpt_layers.rotary import rotate, rotation
from companion.models.hub.weights import named_weights

PLAIN = GPTConfig(vocab_size=211, block_size=23, n_layer=2, n_head=15, n_embd=90)
OPTIONS = {
    "rotary": {"positions": "rotary", "rope_theta": 101.0},
    "rms": {"norm": "rms", "norm_eps": 0.1},
    "rms-bias": {"norm": "rms", "bias": True},
    "swiglu": {"feed_forward": "swiglu", "n_inner": 53},
    "inner": {"n_inner": 53},
    "gqa": {"n_kv_head": 5},
    "mqa": {"n_kv_head": 1, "bias": True},
    "untied": {"tied": False},
}
OPTIONS["llama"] = OPTIONS["rotary"] | OPTIONS["rms"] | OPTIONS["swiglu"] | OPTIONS["gqa"] | OPTIONS["untied"]


@pytest.fixture(params=OPTIONS)
def model(request):
    model = GPT(dataclasses.replace(PLAIN, **OPTIONS[request.param])).eval()
    for parameter in model.parameters():  # large enough that every part matters
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def tokens(batch=2, time=19):
    return torch.randint(PLAIN.vocab_size, (batch, time))


def test_no_position_sees_a_later_one(model):
    x = tokens()
    changed = x.clone()
    changed[:, 11:] = (changed[:, 11:] + 1) % PLAIN.vocab_size
    torch.testing.assert_close(model(x)[:, :11], model(changed)[:, :11])
    assert not torch.allclose(model(x)[:, 11], model(changed)[:, 11])


@pytest.mark.parametrize("time", [2, 3, 4, 5])
def test_no_position_sees_a_later_one_in_short_sequences_either(model, time):
    x = tokens(3, time)
    whole = model(x)
    for end in range(1, time):
        torch.testing.assert_close(whole[:, :end], model(x[:, :end]), atol=1e-5, rtol=1e-5)
        changed = x.clone()
        changed[:, end] = (changed[:, end] + 1) % PLAIN.vocab_size
        torch.testing.assert_close(whole[:, :end], model(changed)[:, :end], atol=1e-5, rtol=1e-5)
        assert not torch.allclose(whole[:, end], model(changed)[:, end])


def test_the_cached_logits_are_those_without_a_cache(model):
    x, cache = tokens(), KVCache(model.config, 2, 19, model.wte.weight)
    with torch.no_grad():
        parts = [model._head(model._hidden(part, cache)) for part in x.split((7, *[1] * 12), dim=1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), model(x), atol=1e-4, rtol=1e-5)


def test_counts_by_formula_are_those_that_are_counted(model):
    assert parameter_count(model.config) == sum(p.numel() for p in model.parameters())
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        model(tokens(2, 19))
    assert forward_flops(model.config, batch=2, time=19) == counter.get_total_flops()


def test_saving_and_reading_changes_nothing(model, tmp_path):
    model.save_pretrained(tmp_path)
    again, x = GPT.from_pretrained(tmp_path), tokens()
    assert torch.equal(again(x), model(x))
    assert named_weights(again).keys() == named_weights(model).keys()
    assert again.config == model.config


def test_dropout_and_sizes_that_are_given_by_name_come_back(tmp_path):
    config = dataclasses.replace(PLAIN, **OPTIONS["llama"], dropout=0.125)
    for n_kv_head, n_inner in itertools.product((None, 15), (None, 53)):
        given = dataclasses.replace(config, n_kv_head=n_kv_head, n_inner=n_inner)
        GPT(given).save_pretrained(tmp_path)
        resolved = dataclasses.replace(given, n_kv_head=given.kv_heads, n_inner=given.inner)
        assert GPT.from_pretrained(tmp_path).config == resolved


@pytest.mark.parametrize(
    ("name", "model_type"),
    [("inner", "gpt2"), ("untied", "gpt2"), ("llama", "llama"), ("rotary", "companion_gpt"), ("gqa", "companion_gpt")],
)
def test_the_folder_is_one_that_others_read_where_it_can_be(name, model_type, tmp_path):
    GPT(dataclasses.replace(PLAIN, **OPTIONS[name])).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == model_type


def test_the_start_is_that_of_gpt2_for_every_layer():
    model = GPT(dataclasses.replace(PLAIN, **OPTIONS["llama"] | {"bias": True, "n_layer": 8}))
    for name, parameter in model.named_parameters():
        if "ln_" in name:
            assert (parameter == 1).all(), name
        elif name.endswith("bias"):
            assert (parameter == 0).all(), name
        else:
            expected = 0.02 / 4 if name.endswith("c_proj.weight") else 0.02
            assert parameter.std().item() == pytest.approx(expected, rel=0.05), name
    assert abs(model.loss(tokens(7), tokens(7)).item() - torch.tensor(211.0).log().item()) < 0.1


def test_attention_scores_depend_on_relative_positions_only():
    q, k = torch.randn(2, 2, 11, 3, 14, dtype=torch.float64)
    scores = [
        rotate(q, *turn).transpose(1, 2) @ rotate(k, *turn).permute(0, 2, 3, 1)
        for turn in (rotation(torch.arange(start, start + 11), 14, 10_000.0) for start in (0, 5, 29))
    ]
    for shifted in scores[1:]:
        torch.testing.assert_close(shifted, scores[0], atol=1e-4, rtol=0)  # angles are float32
    assert not torch.allclose(scores[0], q.transpose(1, 2) @ k.permute(0, 2, 3, 1))


def test_the_rotation_is_that_of_complex_numbers():
    x = torch.randn(2, 11, 3, 14, dtype=torch.float64)
    angles = torch.arange(5, 16)[:, None, None] * 101.0 ** -(torch.arange(7, dtype=torch.float64) / 7)
    turned = torch.complex(x[..., :7], x[..., 7:]) * torch.exp(1j * angles)
    expected = torch.cat([turned.real, turned.imag], dim=-1)
    torch.testing.assert_close(rotate(x, *rotation(torch.arange(5, 16), 14, 101.0)), expected, atol=1e-5, rtol=0)


def test_angles_keep_their_precision_in_bfloat16():
    x = torch.randn(2, 11, 3, 14)
    turn = rotation(torch.arange(1_000, 1_011), 14, 10_000.0)
    found = rotate(x.bfloat16(), *turn)
    assert found.dtype is torch.bfloat16
    torch.testing.assert_close(found.float(), rotate(x, *turn), atol=0.03, rtol=0)


@pytest.mark.parametrize("n_kv_head", [1, 3, 5, 15])
def test_shared_heads_equal_heads_with_copied_weights(n_kv_head):
    shared = GPT(dataclasses.replace(PLAIN, positions="rotary", n_kv_head=n_kv_head))
    plain = GPT(dataclasses.replace(PLAIN, positions="rotary"))
    weights = named_weights(shared)
    for name, parameter in plain.named_parameters():
        if "c_attn" in name:
            q, k, v = weights[name].view(-1, 6, 90).split((15, n_kv_head, n_kv_head))
            copied = torch.cat([q, *(heads.repeat_interleave(15 // n_kv_head, dim=0) for heads in (k, v))])
            parameter.data = copied.view(270, 90)
        else:
            parameter.data = weights[name]
    x = tokens()
    torch.testing.assert_close(shared(x), plain(x))


def test_rms_norm_is_its_formula():
    norm, x = make_norm(GPTConfig(n_embd=12, norm="rms", norm_eps=0.5)).double(), torch.randn(3, 5, 12).double()
    torch.nn.init.normal_(norm.weight)
    torch.testing.assert_close(norm(x), norm.weight * x / (x.square().mean(dim=-1, keepdim=True) + 0.5).sqrt())


def test_layer_norm_takes_the_config_s_eps():
    norm, x = make_norm(GPTConfig(n_embd=12, norm_eps=0.5)).double(), torch.randn(3, 5, 12).double()
    centered = x - x.mean(dim=-1, keepdim=True)
    torch.testing.assert_close(norm(x), centered / (centered.square().mean(dim=-1, keepdim=True) + 0.5).sqrt())


def test_the_cache_has_room_for_the_heads_of_keys_and_values_only():
    config = dataclasses.replace(PLAIN, n_kv_head=5)
    cache = KVCache(config, 3, 17, torch.empty(0))
    assert sum(layer.numel() for layer in cache.layers) == 2 * config.n_layer * 3 * 17 * 5 * 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positions": "sinusoidal"}, "positions to be one of .* got 'sinusoidal'"),
        ({"norm": "batch"}, "norm to be one of .* got 'batch'"),
        ({"feed_forward": "relu"}, "feed_forward to be one of .* got 'relu'"),
        ({"n_kv_head": 4}, "n_kv_head to divide n_head=15, got 4: take one of [1, 3, 5, 15]"),
        ({"n_kv_head": 0}, "n_kv_head to be a positive integer, got 0"),
        ({"n_inner": 1.5}, "n_inner to be a positive integer, got 1.5"),
        ({"norm_eps": 0.0}, "norm_eps above 0, got 0.0"),
        ({"rope_theta": -1.0}, "rope_theta above 0, got -1.0"),
        ({"positions": "rotary", "n_embd": 45}, "even number of dimensions a head .* got 3: change n_embd"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        dataclasses.replace(PLAIN, **options)
