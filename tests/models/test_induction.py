"""Where heads look: probabilities that give the model's own output, a closed form, and heads put out of work."""

import pytest
import torch

from companion.models import GPT, GPTConfig, attention_weights, induction_score, repeated_tokens, without_heads

SIZES = {"vocab_size": 41, "block_size": 22, "n_layer": 3, "n_head": 6, "n_embd": 36}
OPTIONS = [{}, {"positions": "rotary"}, {"positions": "rotary", "n_kv_head": 2}, {"bias": True}, {"dropout": 0.5}]


def model(**options):
    torch.manual_seed(0)
    made = GPT(GPTConfig(**SIZES | options))
    for parameter in made.parameters():  # as they start, all scores are nearly equal
        parameter.data += 0.3 * torch.randn_like(parameter)
    return made


def tokens(batch=5, time=13):
    return torch.randint(SIZES["vocab_size"], (batch, time), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_weights_are_probabilities_of_the_past(options):
    weights = attention_weights(model(**options), tokens())
    assert weights.shape == (3, 5, 6, 13, 13)
    torch.testing.assert_close(weights.sum(4), torch.ones(3, 5, 6, 13))
    assert weights.triu(1).abs().max() == 0
    assert weights.std() > 0.1


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_with_the_values_they_give_what_attention_gives(options):
    made = model(**options).eval()
    seen = {}
    made.h[1].attn.register_forward_hook(lambda attn, given, result: seen.update(x=given[0], result=result))
    weights = attention_weights(made, tokens())[1]
    attention, kv = made.h[1].attn, made.config.kv_heads
    values = attention.c_attn(seen["x"])[..., -kv * 6 :].unflatten(2, (kv, 6)).transpose(1, 2)
    values = values.repeat_interleave(6 // kv, dim=1)
    mixed = (weights @ values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(attention.c_proj(mixed), seen["result"], rtol=1e-5, atol=1e-5)


def test_the_model_is_left_as_it_was():
    made = model(dropout=0.5).train()
    attention_weights(made, tokens())
    assert made.training
    assert not any(block.attn._forward_pre_hooks for block in made.h)


def test_a_head_that_looks_everywhere_alike_has_the_score_of_chance():
    made = model()
    for block in made.h:
        torch.nn.init.zeros_(block.attn.c_attn.weight)
    chance = sum(1 / (t + 1) for t in range(7, 14)) / 7
    torch.testing.assert_close(induction_score(made, period=7, batch=3), torch.full((3, 6), chance))


def test_a_head_that_looks_one_period_back_less_one_has_score_one():
    # Learned positions alone decide: the query of position t is the key of position t - 4, times 100.
    made = GPT(GPTConfig(vocab_size=10, block_size=10, n_layer=1, n_head=1, n_embd=32, norm="rms"))
    place = torch.eye(32)[:10]
    with torch.no_grad():
        made.wte.weight.zero_()
        made.wpe.weight.copy_(place)
        made.h[0].attn.c_attn.weight.zero_()
        made.h[0].attn.c_attn.weight[32:64] = torch.eye(32)
        for t in range(4, 10):
            made.h[0].attn.c_attn.weight[t - 4, t] = 100.0
    score = induction_score(made, period=5, batch=2)
    assert score.item() == pytest.approx(1, abs=1e-6)


def test_the_score_is_the_mean_over_its_rows():
    made = model()
    weights = attention_weights(made, repeated_tokens(41, period=11, batch=2, seed=3))
    by_hand = torch.stack([weights[:, :, :, t, t - 10] for t in range(11, 22)]).mean(dim=(0, 2))
    torch.testing.assert_close(induction_score(made, period=11, batch=2, seed=3), by_hand)


def test_tokens_repeat_once_and_differ_within_a_period():
    rows = repeated_tokens(9, period=7, batch=5, seed=0)
    assert torch.equal(rows[:, :7], rows[:, 7:])
    assert all(len(set(row.tolist())) == 7 for row in rows)
    assert not torch.equal(rows[0], rows[1])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_silent_heads_are_those_without_output_weights(options):
    made, silent = model(**options).eval(), [(0, 1), (2, 0), (2, 5)]
    other = model(**options).eval()
    for layer, head in silent:
        other.h[layer].attn.c_proj.weight.data[:, 6 * head : 6 * head + 6] = 0
    before = made(tokens())
    with without_heads(made, silent):
        torch.testing.assert_close(made(tokens()), other(tokens()))
    assert torch.equal(made(tokens()), before)
    assert not torch.allclose(other(tokens()), before)


def test_refusals_say_what_to_do():
    made = model()
    with pytest.raises(ValueError, match=r"block_size / 2 = 11 tokens, read twice, got 12"):
        induction_score(made, period=12)
    with pytest.raises(ValueError, match=r"at most vocab_size=5 different tokens, got 6"):
        repeated_tokens(5, period=6, batch=1, seed=0)
    with pytest.raises(ValueError, match=r"batch of at least 1"):
        induction_score(made, period=3, batch=0)
    with pytest.raises(ValueError, match=r"below \(3, 6\), got \(0, 6\)"), without_heads(made, [(0, 6)]):
        pass


def test_the_assistant_has_induction_heads_that_it_needs(assistant):
    made, _ = assistant
    score = induction_score(made, period=20, batch=2)
    assert score.shape == (30, 9)
    assert score.max() > 0.7
    assert score.median() < 0.05
    rows = repeated_tokens(made.config.vocab_size, period=20, batch=2, seed=1)
    best = [divmod(i, 9) for i in score.flatten().topk(5).indices.tolist()]
    losses = []
    for silent in ([], best):
        with torch.inference_mode(), without_heads(made, silent):
            nats = torch.nn.functional.cross_entropy(made(rows[:, :-1]).mT, rows[:, 1:], reduction="none")
        losses.append((nats[:, :19].mean().item(), nats[:, 20:].mean().item()))
    (first, second), (first_without, second_without) = losses
    assert second < first / 2
    assert second_without > second + 3
    assert first_without == pytest.approx(first, abs=0.5)
