"""Speculative decoding: the target's distribution, the paper's counts, and what happens at the edges."""

import itertools

import pytest
import torch
from scipy import stats

from companion.compress import expected_tokens, speculative_generate
from companion.models import GPT, GPTConfig

SIZES = {"vocab_size": 3, "block_size": 40, "n_head": 2}
TARGET = GPTConfig(**SIZES, n_layer=2, n_embd=16, positions="rotary", norm="rms", feed_forward="swiglu", n_kv_head=1)
DRAFT = GPTConfig(**SIZES, n_layer=1, n_embd=8, bias=True)
PROMPT = torch.tensor([[1, 0, 2, 2]])


def random_model(config, seed, std=0.5):
    torch.manual_seed(seed)
    model = GPT(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=std)
    return model


def constant_model(p):
    """A model that gives the next token these probabilities, whatever stands before."""
    model = GPT(GPTConfig(vocab_size=len(p), block_size=2_000, n_layer=1, n_head=1, n_embd=2, bias=True, tied=False))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.ln_f.bias[0] = 1
        model.lm_head.weight[:, 0] = torch.tensor(p).log()
    return model.eval()


def sequence_probabilities(model, new, temperature):
    """The exact probability of each continuation of the prompt."""
    found = {}
    for continuation in itertools.product(range(3), repeat=new):
        tokens = torch.cat([PROMPT, torch.tensor([continuation])], dim=1)
        with torch.no_grad():
            logs = (model(tokens)[0] / temperature).log_softmax(dim=-1)
        places = range(PROMPT.shape[1] - 1, tokens.shape[1] - 1)
        found[continuation] = sum(logs[place, tokens[0, place + 1]] for place in places).exp().item()
    return found


@pytest.mark.parametrize(("gamma", "temperature"), [(1, 1.0), (3, 0.7)])
def test_the_distribution_is_the_targets(gamma, temperature):
    target, draft, runs = random_model(TARGET, 3), random_model(DRAFT, 5), 400
    expected = sequence_probabilities(target, 3, temperature)
    counts = dict.fromkeys(expected, 0)
    for seed in range(runs):
        text = speculative_generate(target, draft, PROMPT, 3, gamma=gamma, temperature=temperature, seed=seed)
        counts[tuple(text.tokens[0, 4:].tolist())] += 1

    def p_value(probabilities):
        cells = sorted(probabilities, key=probabilities.get)
        rare = [cell for cell in cells if runs * probabilities[cell] < 5]
        cells = [[cell] for cell in cells if cell not in rare] + ([rare] if rare else [])
        seen = [sum(counts[each] for each in cell) for cell in cells]
        likely = [runs * sum(probabilities[each] for each in cell) for cell in cells]
        return stats.chisquare(seen, [runs * each / sum(likely) for each in likely]).pvalue  # but for rounding

    assert p_value(expected) > 0.01
    assert p_value(sequence_probabilities(draft, 3, temperature)) < 1e-6  # the test would tell


@pytest.mark.parametrize("gamma", [1, 3, 6])
def test_tokens_of_a_pass_are_those_that_the_paper_expects(gamma):
    p, q, new = [0.5, 0.3, 0.2], [0.2, 0.3, 0.5], 600
    alpha = sum(map(min, p, q))  # 0.7: corollary 3.6
    text = speculative_generate(constant_model(p), constant_model(q), PROMPT, new, gamma=gamma, seed=1)
    assert text.acceptance == pytest.approx(alpha, abs=4 * (alpha * (1 - alpha) / text.judged) ** 0.5)
    chances = [alpha**i * (1 - alpha) for i in range(gamma)] + [alpha**gamma]  # of 1 to γ + 1 tokens
    deviation = sum(chance * (i + 1 - expected_tokens(alpha, gamma)) ** 2 for i, chance in enumerate(chances)) ** 0.5
    assert new / text.passes == pytest.approx(expected_tokens(alpha, gamma), abs=4 * deviation / text.passes**0.5)
    assert expected_tokens(alpha, gamma) == pytest.approx((1 - alpha ** (gamma + 1)) / (1 - alpha))


@pytest.mark.parametrize("gamma", [0, 1, 4])
@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": 2.0, "top_k": 1}, {"top_p": 1e-6}])
def test_greedy_it_writes_what_the_target_writes(gamma, options):
    target, draft = random_model(TARGET, 3), random_model(DRAFT, 5)
    expected = target.generate(PROMPT, 30, temperature=0)
    text = speculative_generate(target, draft, PROMPT, 30, gamma=gamma, seed=0, **options)
    assert torch.equal(text.tokens, expected)
    assert 0 <= text.kept < text.judged or gamma == 0


@pytest.mark.parametrize("temperature", [1e-320, 1e-45, 1e-8])
def test_toward_temperature_0_it_is_greedy(temperature):
    """A temperature by which no float32 can be divided, too."""
    target, draft = random_model(TARGET, 3), random_model(DRAFT, 5)
    greedy = target.generate(PROMPT, 12, temperature=0)
    text = speculative_generate(target, draft, PROMPT, 12, gamma=3, temperature=temperature, seed=0)
    assert torch.equal(text.tokens, greedy)


def test_in_half_precision_it_draws_from_what_the_target_draws_from():
    """The set that reaches top_p misses it by the rounding of bfloat16, as in generate: two of (.5, .3, .1, .1)."""
    target = constant_model([0.5, 0.3, 0.1, 0.1]).bfloat16()
    options = {"top_p": 0.8, "seed": 0}
    drawn = speculative_generate(target, target, torch.tensor([[0]]), 200, gamma=3, **options).tokens[0, 1:]
    assert set(drawn.tolist()) == set(target.generate(torch.tensor([[0]]), 200, **options)[0, 1:].tolist()) == {0, 1}


def test_a_draft_that_is_the_target_is_always_right():
    model = random_model(TARGET, 3)
    text = speculative_generate(model, model, PROMPT, 20, gamma=4, seed=0)
    assert (text.passes, text.kept, text.judged) == (4, 16, 16)


def test_a_draft_that_is_always_wrong_costs_passes_and_nothing_else():
    text = speculative_generate(constant_model([1.0, 0.0, 0.0]), constant_model([0.0, 0.0, 1.0]), PROMPT, 9, gamma=3)
    assert text.tokens[0, 4:].tolist() == [0] * 9
    assert (text.passes, text.kept, text.judged) == (9, 0, 8)  # the last token is not drafted


def test_it_stops_at_a_stop_token_and_keeps_nothing_behind_it():
    target, draft = random_model(TARGET, 3), random_model(DRAFT, 5)
    free = speculative_generate(target, draft, PROMPT, 30, gamma=4, seed=2).tokens
    stop = free[0, 9].item()
    stopped = speculative_generate(target, draft, PROMPT, 30, gamma=4, seed=2, stop_tokens=[stop]).tokens
    end = free[0, 4:].tolist().index(stop) + 5
    assert torch.equal(stopped, free[:, :end])


def test_the_same_seed_gives_the_same_text_and_training_goes_on_as_it_was():
    target, draft = random_model(TARGET, 3).train(), random_model(DRAFT, 5)
    texts = [speculative_generate(target, draft, PROMPT, 20, seed=seed).tokens for seed in (0, 0, 1)]
    assert torch.equal(texts[0], texts[1])
    assert not torch.equal(texts[0], texts[2])
    assert target.training
    assert not draft.training


def test_nothing_is_written_where_nothing_is_asked_for():
    text = speculative_generate(random_model(TARGET, 3), random_model(DRAFT, 5), PROMPT, 0)
    assert torch.equal(text.tokens, PROMPT)
    assert text.acceptance != text.acceptance


@pytest.mark.parametrize("config", [TARGET, DRAFT], ids=["llama", "gpt2"])
def test_logits_of_several_new_tokens_on_a_cache_are_those_of_the_whole_text(config):
    from companion.models.gpt_layers.cache import KVCache

    model, tokens = random_model(config, 0), torch.randint(3, (2, 13))
    cache = KVCache(config, 2, 20, model.ln_f.weight)
    with torch.no_grad():
        parts = [model.cached_logits(tokens[:, :5], cache), model.cached_logits(tokens[:, 5:9], cache)]
        cache.length = 7  # two are taken out again
        parts = [*parts[:1], parts[1][:, :2], model.cached_logits(tokens[:, 7:8], cache)]
        parts.append(model.cached_logits(tokens[:, 8:], cache))
        torch.testing.assert_close(torch.cat(parts, dim=1), model(tokens), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"draft": random_model(GPTConfig(vocab_size=4, block_size=40, n_layer=1, n_head=1, n_embd=4), 0)},
            "tokens, got",
        ),
        ({"tokens": PROMPT.repeat(2, 1)}, "one prompt"),
        ({"max_new_tokens": 37}, "block_size"),
        ({"max_new_tokens": -1}, "at least 0"),
        ({"gamma": -1}, "gamma of at least 0"),
        ({"gamma": 1.5}, "whole number"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"seed": 2**64}, "seed"),
        ({"stop_tokens": [3]}, "stop_tokens"),
    ],
)
def test_what_cannot_be_is_refused(change, said):
    call = {"target": random_model(TARGET, 3), "draft": random_model(DRAFT, 5), "tokens": PROMPT, "max_new_tokens": 5}
    with pytest.raises(ValueError, match=said):
        speculative_generate(**(call | change))


@pytest.mark.parametrize("acceptance", [-0.1, 1.1, None])
def test_an_acceptance_that_cannot_be_is_refused(acceptance):
    with pytest.raises(ValueError, match="from 0 to 1"):
        expected_tokens(acceptance, 3)
