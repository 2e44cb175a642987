"""What no model of the zoo shows: errors, rules of thumb, and what causal attention saves."""

import pytest

from companion.economics.compute import forward_flops, parameter_count, six_nd, training_flops
from companion.models import PUBLISHED, BlockConfig, GPTConfig


@pytest.mark.parametrize("config", ["gpt", None, BlockConfig()])
@pytest.mark.parametrize("count", [parameter_count, forward_flops])
def test_what_is_no_model_is_refused(count, config):
    with pytest.raises(TypeError, match="expected the config of a model of companion.models, got"):
        count(config)


def test_sizes_that_a_family_does_not_have_are_refused():
    with pytest.raises(TypeError, match="height"):
        forward_flops(GPTConfig(), batch=1, height=3)


def test_causal_attention_is_half_of_it():
    config, sizes = GPTConfig(), {"batch": 3, "time": 1_024}
    scores = forward_flops(config, **sizes) - forward_flops(config, **sizes, causal=True)
    assert scores == 3 * config.n_layer * 2 * 1_024**2 * config.n_embd


def test_six_nd_is_close_to_the_count_where_sequences_are_short():
    """Kaplan et al. 2020, section 2.1: without embeddings, and while n_ctx is far below 12 times the width."""
    config = PUBLISHED["GPT-3 6.7B"]
    counted = training_flops(config, batch=1, time=256, causal=True)
    matrices = parameter_count(config) - config.block_size * config.n_embd
    assert six_nd(matrices, 256) == pytest.approx(counted, rel=0.01)
