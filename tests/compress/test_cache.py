"""The cache in 8 bits: its errors, its size, and what a model writes with it."""

import pytest
import torch

from companion.compress import QuantizedKVCache
from companion.economics import kv_cache_bytes
from companion.models import GPT, GPTConfig
from companion.models.gpt_layers.cache import KVCache

CONFIG = GPTConfig(
    vocab_size=37, block_size=23, n_layer=2, n_head=4, n_kv_head=2, n_embd=24, n_inner=44, positions="rotary",
    norm="rms", feed_forward="swiglu",
)  # fmt: skip


def test_no_number_is_off_by_more_than_half_a_step_and_zeros_stay():
    cache, new = QuantizedKVCache(CONFIG, 3, 11, torch.empty(0)), torch.randn(3, 4, 7, 6)
    new[1, 2, 3] = 0
    cache.extend(1, new[:, :, :5])
    cache.length = 5
    found = cache.extend(1, new[:, :, 5:])
    assert found.shape == new.shape
    assert ((found - new).abs() <= new.abs().amax(dim=-1, keepdim=True) / 254 + 1e-7).all()
    assert (found[1, 2, 3] == 0).all()
    assert (found != new).any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_the_largest_number_keeps_its_sign_in_every_precision(dtype):
    """A scale that is rounded down makes 127 and a half of the largest number, which an int8 would hold as -128."""
    cache = QuantizedKVCache(CONFIG, 3, 997, torch.empty(0, dtype=dtype))
    new = torch.randn(3, 4, 997, 6, generator=torch.Generator().manual_seed(0)).to(dtype)
    step = new.double().abs().amax(dim=-1, keepdim=True) / 127
    rounding = 2 * torch.finfo(dtype).eps * new.double().abs()  # of the scale, and of what it gives back
    assert ((cache.extend(0, new).double() - new.double()).abs() <= 0.51 * step + rounding).all()


@pytest.mark.parametrize(("dtype", "bytes_each"), [(torch.float32, 4), (torch.bfloat16, 2)])
def test_it_takes_a_byte_a_number_and_a_scale_a_head(dtype, bytes_each):
    cache = QuantizedKVCache(CONFIG, 3, 11, torch.empty(0, dtype=dtype))
    codes = kv_cache_bytes(CONFIG, batch=3, time=11, bytes_each=1)
    assert cache.n_bytes == codes + codes // CONFIG.head_dim * bytes_each


def test_logits_are_near_those_of_the_whole_cache_one_token_or_several_at_a_time():
    torch.manual_seed(0)
    model = GPT(CONFIG).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
        tokens = torch.randint(37, (3, 13))
        whole, cache = model(tokens), QuantizedKVCache(CONFIG, 3, 13, model.wte.weight)
        parts = [model.cached_logits(tokens[:, :6], cache), model.cached_logits(tokens[:, 6:12], cache)]
        logits = torch.cat([*parts, model.cached_logits(tokens[:, 12:], cache)], dim=1)
    off = (logits - whole).norm() / whole.norm()
    assert 0 < off < 0.02


def test_the_assistant_writes_the_same_answer(assistant):
    model, tokenizer = assistant
    question = [{"role": "user", "content": "What is the capital of France?"}]
    tokens = torch.tensor([tokenizer.apply_chat_template(question, add_generation_prompt=True)])
    expected = model.generate(tokens, 7, temperature=0)
    written = model.generate(tokens, 7, temperature=0, cache_class=QuantizedKVCache)
    assert torch.equal(written, expected)
    caches = [kind(model.config, 1, written.shape[1], model.ln_f.weight) for kind in (QuantizedKVCache, KVCache)]
    assert 3.7 < sum(layer.nbytes for layer in caches[1].layers) / caches[0].n_bytes < 3.8


def test_writing_with_it_is_writing_from_its_logits_padding_and_a_full_window_included():
    torch.manual_seed(0)
    model = GPT(CONFIG).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    tokens, mask = torch.randint(37, (2, 6)), torch.ones(2, 6, dtype=torch.bool)
    cache, new, expected = QuantizedKVCache(CONFIG, 2, 23, model.wte.weight), tokens, tokens
    with torch.inference_mode():
        for _ in range(17):
            new = model.next_logits(new, cache).argmax(dim=-1, keepdim=True)
            expected = torch.cat([expected, new], dim=1)
    options = {"temperature": 0, "cache_class": QuantizedKVCache}
    assert torch.equal(model.generate(tokens, 17, **options), expected)
    streamed = list(model.generate_stream(tokens, 17, **options))
    assert torch.equal(torch.stack(streamed, dim=1), expected[:, 6:])
    mask[1, :2] = False
    assert model.generate(tokens, 40, padding_mask=mask, **options).shape == (2, 46)
