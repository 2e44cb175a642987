"""The time of an answer: step by step, at both ends of the roofline, and on this machine."""

import dataclasses
import time

import pytest
import torch

from companion.economics import ACCELERATORS, Accelerator, answer_latency, decode_step
from companion.economics.compute import forward_flops, parameter_count
from companion.models import GPT, PUBLISHED, GPTConfig

LLAMA, H100 = PUBLISHED["Llama-2 7B"], ACCELERATORS["H100"]


@pytest.mark.parametrize(("batch", "new"), [(1, 1), (1, 2), (7, 300)])
def test_it_is_the_sum_of_its_steps(batch, new):
    found = answer_latency(LLAMA, H100, prompt=500, new=new, batch=batch, weight_bytes=1)
    steps = [decode_step(LLAMA, H100, batch=batch, time=500 + i, weight_bytes=1).seconds for i in range(1, new)]
    assert found.total == pytest.approx(found.first_token + sum(steps), rel=1e-9)
    assert found.per_token == pytest.approx(sum(steps) / len(steps) if steps else 0, rel=1e-9)


def test_a_short_prompt_reads_the_weights_and_a_long_one_computes():
    short, long = (answer_latency(LLAMA, H100, prompt=prompt, new=1) for prompt in (10, 2_000))
    assert (short.prompt_is_bound_by, long.prompt_is_bound_by) == ("bandwidth", "compute")
    assert short.first_token == pytest.approx(2 * parameter_count(LLAMA) / H100.bandwidth, rel=1e-6)
    assert long.first_token == pytest.approx(forward_flops(LLAMA, batch=1, time=2_000, causal=True) / H100.flops)
    assert long.first_token > 2 * parameter_count(LLAMA) * 2_000 * 0.95 / H100.flops  # 2 N a token, and attention


def test_8_bits_write_faster_and_read_a_long_prompt_no_faster():
    whole, small = (answer_latency(LLAMA, H100, prompt=2_000, new=50, weight_bytes=size) for size in (2, 1))
    assert small.first_token == whole.first_token
    assert 0.5 < small.per_token / whole.per_token < 0.6  # the cache stays as it is


def test_rates_measured_on_a_small_model_tell_the_time_of_a_large_one():
    """Float32 on this processor, both bound by reading weights; a factor of 2 is allowed for a busy machine."""
    configs = [GPTConfig(vocab_size=5_000, block_size=64, n_layer=layers, n_head=8, n_embd=1_024) for layers in (3, 9)]
    tokens, seconds = torch.randint(5_000, (1, 8)), []
    for config in configs:
        model, best = GPT(config), float("inf")
        for _ in range(4):
            stream = model.generate_stream(tokens, 7, temperature=0)
            next(stream)
            started = time.perf_counter()
            assert sum(1 for _ in stream) == 6
            best = min(best, (time.perf_counter() - started) / 6)
        seconds.append(best)
    reached = Accelerator(flops=1e15, bandwidth=4 * parameter_count(configs[0]) / seconds[0], memory=1e9)
    told = answer_latency(configs[1], reached, prompt=8, new=7, weight_bytes=4, cache_bytes=4).per_token
    assert 0.5 < seconds[1] / told < 2


def test_sizes_that_cannot_be_are_refused():
    for change in ({"prompt": 0}, {"new": 0}, {"batch": 1.5}):
        with pytest.raises(ValueError, match="whole number|at least 1"):
            answer_latency(LLAMA, H100, **({"prompt": 5, "new": 5} | change))
    with pytest.raises(ValueError, match="bandwidth"):
        answer_latency(LLAMA, dataclasses.replace(H100, bandwidth=0), prompt=5, new=5)
