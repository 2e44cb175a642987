"""Memory by part against tensors that exist: the cache of a model, what autograd keeps, and Adam's state."""

import pytest
import torch

from companion.economics import activation_numbers, kv_cache_bytes, serving_memory, training_memory
from companion.economics.compute import parameter_count
from companion.models import GPT, PUBLISHED, GPTConfig
from companion.models.gpt_layers.cache import KVCache

SIZES = {"vocab_size": 101, "block_size": 61, "n_layer": 3, "n_head": 6, "n_embd": 42, "n_inner": 89}
OPTIONS = {
    "GPT-2": {"bias": True},
    "Llama": {"positions": "rotary", "norm": "rms", "feed_forward": "swiglu", "tied": False, "n_head": 3},
    "grouped": {"positions": "rotary", "norm": "rms", "feed_forward": "swiglu", "n_head": 21, "n_kv_head": 7},
}


def config_of(name):
    return GPTConfig(**SIZES | OPTIONS[name])


def bytes_kept(model, batch, time):
    """What autograd keeps for each sequence: no weights, token ids and targets, and no angles, which all rows share."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights and tensor.dtype == torch.float32 and storage.nbytes() % batch == 0:
            kept[storage.data_ptr()] = storage
        return tensor

    tokens = torch.zeros(batch, time, dtype=torch.int64)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model.loss(tokens, tokens)
    assert loss.requires_grad
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("name", OPTIONS)
def test_activations_are_what_autograd_keeps(name):
    config, batch, time = config_of(name), 11, 53
    expected = training_memory(config, batch=batch, time=time, bytes_each=4).activations
    assert bytes_kept(GPT(config), batch, time) == expected


@pytest.mark.parametrize("name", OPTIONS)
def test_the_cache_is_that_of_the_model(name):
    config = config_of(name)
    cache = KVCache(config, 5, 37, torch.empty(0, dtype=torch.bfloat16))
    assert kv_cache_bytes(config, batch=5, time=37) == sum(layer.nbytes for layer in cache.layers)


def test_weights_gradients_and_adam_are_16_bytes_a_parameter():
    config = config_of("Llama")
    model = GPT(config)
    optimizer = torch.optim.Adam(model.parameters())
    model.loss(torch.zeros(2, 7, dtype=torch.int64), torch.zeros(2, 7, dtype=torch.int64)).backward()
    optimizer.step()
    memory = training_memory(config, batch=2, time=7, bytes_each=4)
    assert memory.weights == sum(p.nbytes for p in model.parameters())
    assert memory.gradients == sum(p.grad.nbytes for p in model.parameters())
    states = [value for state in optimizer.state.values() for value in state.values() if value.dim()]
    assert memory.optimizer == sum(value.nbytes for value in states)
    for bytes_each in (2, 4):
        memory = training_memory(config, batch=2, time=7, bytes_each=bytes_each)
        assert memory.total - memory.activations == 16 * parameter_count(config)


def test_zero_names_120_gigabytes_for_7_5_billion_parameters():
    """Rajbhandari et al. 2020, figure 1: 16 bytes a parameter."""
    config = PUBLISHED["Llama-2 7B"]
    memory = training_memory(config, batch=1, time=1)
    states = memory.total - memory.activations
    assert states / parameter_count(config) * 7.5e9 == pytest.approx(120e9)


def test_recomputation_keeps_one_block_and_the_inputs_of_all():
    config = config_of("grouped")
    full, less = activation_numbers(config, time=53), activation_numbers(config, time=53, recompute=True)
    deeper = GPTConfig(**SIZES | OPTIONS["grouped"] | {"n_layer": 4})
    assert activation_numbers(deeper, time=53, recompute=True) - less == 53 * config.n_embd
    assert less < full


def test_grouped_queries_shrink_the_cache_of_llama_2_70b_eight_times():
    config = PUBLISHED["Llama-2 70B"]
    ungrouped = GPTConfig(n_layer=80, n_head=64, n_embd=8_192)
    sizes = {"batch": 3, "time": 4_096}
    assert kv_cache_bytes(ungrouped, **sizes) == 8 * kv_cache_bytes(config, **sizes)


def test_quantized_weights_take_their_bytes():
    config = PUBLISHED["GPT-2 small"]
    assert serving_memory(config, batch=1, time=8, weight_bytes=0.5).weights == 124_439_808 // 2


@pytest.mark.parametrize("sizes", [{"batch": 0, "time": 8}, {"batch": 1, "time": 0}, {"batch": 1.5, "time": 8}])
def test_sizes_that_are_none_are_refused(sizes):
    for count in (kv_cache_bytes, training_memory):
        with pytest.raises(ValueError, match=r"expected (batch|time)"):
            count(GPTConfig(), **sizes)


def test_formats_and_dropout_that_are_not_counted_are_refused():
    with pytest.raises(ValueError, match="bytes_each of 2"):
        training_memory(GPTConfig(), batch=1, time=8, bytes_each=1)
    with pytest.raises(ValueError, match="dropout=0, got 0.1"):
        training_memory(GPTConfig(dropout=0.1), batch=1, time=8)
