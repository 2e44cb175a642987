"""What no model of the zoo shows: errors, rules of thumb, and what causal attention saves."""

import pytest
import torch

from companion.economics.compute import forward_flops, parameter_count, six_nd, training_flops
from companion.models import GPT, PUBLISHED, BERTConfig, BlockConfig, GPTConfig, MLPConfig, ResNetConfig


@pytest.mark.parametrize("config", ["gpt", None, BlockConfig()])
@pytest.mark.parametrize("count", [parameter_count, forward_flops])
def test_what_is_no_model_is_refused(count, config):
    with pytest.raises(TypeError, match="expected the config of a model of companion.models, got"):
        count(config)


@pytest.mark.parametrize(
    ("config", "parameters", "sizes", "flops"),
    [
        (MLPConfig(sizes=(5, 7, 3)), 5 * 7 + 7 + 7 * 3 + 3, {"batch": 11}, 2 * 11 * (5 * 7 + 7 * 3)),
        # Of a width h: 4 h² for attention and 2 h m for the layers after it; a head of h² and h·v.
        (
            BERTConfig(vocab_size=101, block_size=17, n_embd=14, n_layer=1, n_head=2, n_hidden=23, n_segment=2),
            (101 + 17 + 2) * 14 + 2 * 14 + 4 * (14**2 + 14) + 2 * 14 * 23 + 23 + 14 + 4 * 14 + 14**2 + 3 * 14 + 101,
            {"batch": 3, "time": 13},
            2 * 3 * 13 * (4 * 14**2 + 2 * 13 * 14 + 2 * 14 * 23 + 14**2 + 14 * 101),
        ),
    ],
)
def test_what_is_built_and_counted_is_what_one_writes_down_by_hand(config, parameters, sizes, flops):
    assert parameter_count(config) == parameters
    assert forward_flops(config, **sizes) == flops


def test_counting_holds_no_weights():
    """A residual network of more weights than any machine has: 9 · 10¹² in its last stage alone."""
    assert parameter_count(ResNetConfig(widths=(64, 128, 256, 1_000_000))) > 9e12


@pytest.mark.parametrize(
    "options", [{}, {"norm": "rms", "positions": "rotary", "feed_forward": "swiglu", "bias": False}]
)
def test_formulas_of_the_language_model_are_those_of_one_that_is_built(options):
    config = GPTConfig(vocab_size=101, block_size=19, n_layer=2, n_head=2, n_embd=28, **options)
    with torch.device("meta"):
        assert parameter_count(config) == sum(parameter.numel() for parameter in GPT(config).parameters())


def test_sizes_that_a_family_does_not_have_are_refused():
    for config in (GPTConfig(), MLPConfig(sizes=(5, 3))):
        with pytest.raises(TypeError, match="height"):
            forward_flops(config, batch=1, height=3)


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
