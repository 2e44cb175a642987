"""Steps against the tables of How to Scale Your Model (Austin et al. 2025, section on inference)."""

import dataclasses

import pytest

from companion.economics import ACCELERATORS, Accelerator, decode_step, largest_batch
from companion.economics.compute import parameter_count
from companion.models import PUBLISHED, GPTConfig

LLAMA = PUBLISHED["Llama-2 13B"]
V5E = ACCELERATORS["TPU v5e"]
EIGHT = Accelerator(8 * V5E.flops, 8 * V5E.bandwidth, 8 * V5E.memory)
BATCHES = (1, 8, 16, 32, 64, 240)
GROUPED = dataclasses.replace(LLAMA, n_kv_head=8)


@pytest.mark.parametrize(
    ("batch", "milliseconds"), list(zip(BATCHES, (4.98, 12.13, 20.30, 36.65, 69.33, 249.09), strict=True))
)
def test_its_table_of_llama_2_13b(batch, milliseconds):
    """They round the cache to 6.7 GB and the weights to 26 GB, and take them as bound by bandwidth throughout."""
    step = decode_step(LLAMA, EIGHT, batch=batch, time=8_192)
    assert step.memory.kv_cache == pytest.approx(6.7e9 * batch, rel=0.005)
    assert 1e3 * step.seconds == pytest.approx(milliseconds, rel=0.005)
    assert step.tokens_per_second == pytest.approx(batch / step.seconds)


def test_its_table_with_grouped_queries_is_a_fifth_of_the_cache():
    for batch, gigabytes in zip(BATCHES, (1.34, 10.72, 21.44, 42.88, 85.76, 321.6), strict=True):
        assert decode_step(GROUPED, EIGHT, batch=batch, time=8_192).memory.kv_cache == pytest.approx(
            1e9 * gigabytes, rel=0.005
        )


def test_its_limit_of_16_sequences_is_one_of_binary_gigabytes_of_memory():
    """133 GB of 8 x 16 GiB fit; of 8 x 16 GB they do not."""
    binary = dataclasses.replace(EIGHT, memory=8 * 16 * 2**30)
    assert largest_batch(LLAMA, binary, time=8_192) == 16
    assert largest_batch(LLAMA, EIGHT, time=8_192) == 15


def test_large_batches_are_bound_by_compute():
    slow = Accelerator(1e9, 1e15, 1e12)
    config = GPTConfig()
    step = decode_step(config, slow, batch=7, time=1)
    assert step.seconds == pytest.approx(2 * 7 * parameter_count(config) / 1e9, rel=1e-6)


def test_a_million_tokens_cost_their_time():
    step = decode_step(LLAMA, EIGHT, batch=8, time=8_192)
    assert step.dollars_per_million(9.6) == pytest.approx(9.6 * 1e6 / step.tokens_per_second / 3_600)


def test_what_does_not_fit_serves_nobody():
    assert largest_batch(PUBLISHED["Llama-2 70B"], ACCELERATORS["L4"], time=128) == 0


def test_an_accelerator_without_bandwidth_is_refused():
    with pytest.raises(ValueError, match="bandwidth"):
        Accelerator(1e12, 0, 1e9)
