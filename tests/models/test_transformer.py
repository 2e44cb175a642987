import math

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from companion.economics.compute import parameter_count
from companion.models import AttentionConfig, BlockConfig, MultiHeadAttention, Transformer, TransformerConfig
from companion.models.transformer import sinusoids
from reference.attention import by_our_names, copy_and_read
from reference.transformer import Reference, rename

# Distinct primes where the model allows it, so that a swapped axis fails.
BATCH, QUERIES, KEYS, HEADS, WIDTH = 3, 11, 7, 5, 35
SIZES = {
    "source_vocab": 53,
    "target_vocab": 41,
    "n_embd": 35,
    "n_head": 5,
    "n_layer": 2,
    "n_hidden": 17,
    "dropout": 0.0,
}


@pytest.fixture
def attention():
    return MultiHeadAttention(AttentionConfig(n_embd=WIDTH, n_head=HEADS, dropout=0.0))


@pytest.fixture
def model():
    model = Transformer(TransformerConfig(**SIZES))
    for parameter in model.parameters():  # large enough that every part matters
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


def padding(*lengths, time):
    return torch.arange(time) < torch.tensor(lengths)[:, None]


def pairs(source=13, target=11):
    return torch.randint(53, (BATCH, source)), torch.randint(41, (BATCH, target))


@pytest.mark.parametrize(
    ("cross", "causal", "lengths"),
    [
        (False, False, None),
        (False, True, None),
        (False, False, (11, 5, 2)),
        (False, True, (11, 5, 2)),
        (True, False, None),
        (True, False, (7, 1, 3)),
    ],
)
def test_attention_equals_torch(attention, cross, causal, lengths):
    theirs = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    read = copy_and_read(attention, theirs, by_our_names)
    x = torch.randn(BATCH, QUERIES, WIDTH, requires_grad=True)
    context = torch.randn(BATCH, KEYS, WIDTH, requires_grad=True) if cross else x
    padding_mask = None if lengths is None else padding(*lengths, time=context.shape[1])
    found = attention(x, context if cross else None, padding_mask, causal=causal)
    expected, _ = theirs(
        x, context, context,
        key_padding_mask=None if padding_mask is None else ~padding_mask,
        attn_mask=torch.ones(QUERIES, QUERIES, dtype=torch.bool).triu(1) if causal else None,
    )  # fmt: skip
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)

    direction = torch.randn_like(found)
    inputs = [x, context] if cross else [x]
    ours_of_inputs = torch.autograd.grad((found * direction).sum(), inputs, retain_graph=True)
    theirs_of_inputs = torch.autograd.grad((expected * direction).sum(), inputs, retain_graph=True)
    torch.testing.assert_close(ours_of_inputs, theirs_of_inputs, atol=2e-6, rtol=0)
    (found * direction).sum().backward()
    (expected * direction).sum().backward()
    for name, gradient in read().items():
        scale = gradient.abs().max().item()
        torch.testing.assert_close(attention.get_parameter(name).grad, gradient, atol=2e-6 * scale, rtol=0, msg=name)


def test_self_attention_without_positions_follows_a_permutation(attention):
    x, order = torch.randn(BATCH, QUERIES, WIDTH), torch.randperm(QUERIES)
    torch.testing.assert_close(attention(x[:, order]), attention(x)[:, order], atol=1e-6, rtol=0)


@pytest.mark.parametrize("backend", [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION])
def test_padding_before_the_first_token_sees_padding(attention, backend):
    x = torch.randn(BATCH, QUERIES, WIDTH, requires_grad=True)
    padding_mask = torch.arange(QUERIES) >= torch.tensor([[0], [3], [10]])
    with sdpa_kernel(backend):
        found = attention(x, None, padding_mask, causal=True)
        torch.testing.assert_close(found[2, :10], attention(x, causal=True)[2, :10], atol=1e-6, rtol=0)
        torch.testing.assert_close(found[1, 3:], attention(x[1:2, 3:], causal=True)[0], atol=1e-6, rtol=0)
        found.sum().backward()
    assert x.grad.isfinite().all()


def test_a_row_of_padding_is_refused_or_finite(attention, monkeypatch):
    x, padding_mask = torch.randn(BATCH, QUERIES, WIDTH), padding(11, 0, 5, time=QUERIES)
    with pytest.raises(
        ValueError, match=r"padding_mask to mark a token in every row, got none in rows \[1\]: leave these"
    ):
        attention(x, None, padding_mask)
    monkeypatch.setattr("companion.models.attention.values_are_hidden", lambda _: True)  # as on a GPU
    torch.testing.assert_close(attention(x, None, padding_mask)[1], attention(x)[1])


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_equals_torch_transformer(norm_first, activation):
    model = Transformer(TransformerConfig(**SIZES, norm_first=norm_first, activation=activation, norm_eps=1e-3))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    theirs = Reference(model.config)
    read = copy_and_read(model, theirs, rename(model.config))
    (source, target), padding_mask = pairs(), padding(13, 2, 7, time=13)
    found, expected = model(source, target, padding_mask), theirs(source, target, padding_mask)
    scale = expected.abs().max().item()
    torch.testing.assert_close(found, expected, atol=1e-6 * scale, rtol=0)

    model, theirs = model.double(), theirs.double()  # some gradients are small differences of large numbers
    expected = theirs(source, target, padding_mask)
    nn.functional.cross_entropy(expected.flatten(0, 1), target.flatten()).backward()
    model.loss(source, target, target, padding_mask).backward()
    assert read().keys() == dict(model.named_parameters()).keys()
    for name, gradient in read().items():
        scale = gradient.abs().max().item()
        torch.testing.assert_close(model.get_parameter(name).grad, gradient, atol=1e-5 * scale, rtol=0, msg=name)


def test_no_target_position_sees_a_later_one(model, device):
    model = model.to(device)
    source, target = (tokens.to(device) for tokens in pairs())
    changed = target.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % 41
    before, after = model(source, target), model(source, changed)
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5], after[:, 5])


def test_every_target_position_sees_every_source_token(model):
    source, target = pairs()
    for position in range(source.shape[1]):
        changed = source.clone()
        changed[:, position] = (changed[:, position] + 1) % 53
        difference = (model(source, target) - model(changed, target)).abs().amax(dim=2)
        assert (difference > 1e-4).all(), position


def test_padding_changes_nothing(model, device):
    model = model.to(device)
    source, target = (tokens.to(device) for tokens in pairs())
    padding_mask = padding(13, 13, 13, time=17).to(device)
    longer = torch.cat([source, torch.randint(53, (BATCH, 4), device=device)], dim=1)
    targets = torch.cat([target, torch.full((BATCH, 2), -100, device=device)], dim=1)
    more_target = torch.cat([target, torch.randint(41, (BATCH, 2), device=device)], dim=1)
    expected = model(source, target)
    torch.testing.assert_close(model(longer, more_target, padding_mask)[:, :11], expected, atol=1e-5, rtol=1e-5)
    padded = model.loss(longer, more_target, targets, padding_mask)
    torch.testing.assert_close(padded, model.loss(source, target, target))


def test_learns_to_reverse_a_batch():
    config = TransformerConfig(source_vocab=13, n_embd=32, n_head=2, n_layer=1, n_hidden=64, dropout=0.0)
    model = Transformer(config)
    source = torch.randint(1, 13, (7, 5))
    target = source.flip(1)
    start = torch.zeros(7, 1, dtype=torch.long)
    target_in = torch.cat([start, target[:, :-1]], dim=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        model.loss(source, target_in, target).backward()
        optimizer.step()
    assert torch.equal(model.generate(source, start, 5)[:, 1:], target)
    assert model.training


def test_generating_is_greedy_and_sees_no_padding(model):
    (source, _), start = pairs(), torch.zeros(BATCH, 1, dtype=torch.long)
    padding_mask = padding(13, 5, 2, time=13)
    found = model.generate(source, start, 7, padding_mask)
    expected = model(source, found[:, :-1], padding_mask).argmax(dim=2)
    assert torch.equal(found[:, 1:], expected)
    assert torch.equal(model.generate(source[1:2, :5], start[:1], 7)[0], found[1])


def test_positions_are_those_of_the_paper():
    found = sinusoids(7, 5, like=torch.zeros((), dtype=torch.float64))
    for position in range(7):
        for pair in range(3):
            angle = position / 10_000 ** (2 * pair / 5)
            assert found[position, 2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-6)
            if 2 * pair + 1 < 5:
                assert found[position, 2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_one_vocabulary_has_one_table():
    with torch.device("meta"):
        base = Transformer(TransformerConfig())
    assert base.source_embedding is base.target_embedding
    assert sum(p.numel() for p in base.parameters()) == parameter_count(base.config)
    two = parameter_count(TransformerConfig(target_vocab=37_000))
    assert two - parameter_count(base.config) == 37_000 * 512


def test_dropout_acts_in_training_only():
    model, (source, target) = Transformer(TransformerConfig(**SIZES | {"dropout": 0.5})), pairs()
    assert not torch.equal(model(source, target), model(source, target))
    model.eval()
    assert torch.equal(model(source, target), model(source, target))


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        (AttentionConfig, {"n_embd": 10, "n_head": 3}, "n_embd=10 and n_head=3: take n_embd=12"),
        (AttentionConfig, {"n_head": 0}, "n_head to be a positive integer, got 0"),
        (AttentionConfig, {"dropout": 1.0}, r"dropout in \[0, 1\), got 1"),
        (BlockConfig, {"n_hidden": 0}, "n_hidden to be a positive integer, got 0"),
        (BlockConfig, {"activation": "tanh"}, "activation to be one of .* got 'tanh'"),
        (BlockConfig, {"norm_eps": 0.0}, "norm_eps above 0, got 0.0"),
        (TransformerConfig, {"source_vocab": 0}, "source_vocab to be a positive integer, got 0"),
        (TransformerConfig, {"target_vocab": 0}, "target_vocab to be a positive integer, got 0"),
    ],
)
def test_bad_configs_are_refused(config, fields, message):
    with pytest.raises(ValueError, match=message):
        config(**fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(3, 11, 34)}, r"x of shape \[batch, queries, 35\] .* got \[3, 11, 34\]"),
        ({"x": torch.zeros(11, 35)}, r"got \[11, 35\]"),
        ({"x": torch.zeros(3, 11, 35).double()}, "dtype torch.float32, got .* torch.float64"),
        ({"context": torch.zeros(2, 7, 35)}, r"context of shape \[3, keys, 35\]"),
        ({"context": torch.zeros(3, 0, 35)}, "at least one element"),
        ({"padding_mask": torch.ones(3, 11, dtype=torch.bool)}, r"padding_mask of shape \[3, 7\] .* got \[3, 11\]"),
        ({"padding_mask": torch.ones(3, 7)}, "dtype torch.bool.* got .* torch.float32; it is True at tokens"),
        ({"causal": True}, "causal=False with a context"),
    ],
)
def test_bad_tensors_are_refused_by_attention(attention, change, message):
    arguments = {"x": torch.zeros(3, 11, 35), "context": torch.zeros(3, 7, 35)} | change
    with pytest.raises(ValueError, match=message):
        attention(**arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": torch.zeros(3, 13)}, "source of shape .* got .* torch.float32"),
        ({"source": torch.zeros(13, dtype=torch.long)}, r"source of shape \[batch, time\] .* got \[13\]"),
        ({"source": torch.full((3, 13), 53)}, "source from 0 to 52, got 53 to 53; the vocabulary has 53 tokens"),
        ({"target_in": torch.full((3, 11), 41)}, "target from 0 to 40, got 41"),
        ({"target_in": torch.zeros(2, 11, dtype=torch.long)}, r"target of shape \[3, time\] .* got \[2, 11\]"),
        ({"target_out": torch.zeros(3, 10, dtype=torch.long)}, r"targets of shape \[3, 11\] .* got \[3, 10\]"),
        ({"target_out": torch.zeros(3, 11, dtype=torch.int32)}, "dtype torch.int64, got .* torch.int32"),
        ({"target_out": torch.full((3, 11), -100)}, "one of targets to count, got only -100"),
        ({"target_out": torch.full((3, 11), 41)}, "targets from 0 to 40, got 41"),
        ({"padding_mask": torch.ones(3, 11, dtype=torch.bool)}, r"padding_mask of shape \[3, 13\] .* got \[3, 11\]"),
    ],
)
def test_bad_batches_are_refused(model, change, message):
    source, target = pairs()
    with pytest.raises(ValueError, match=message):
        model.loss(**({"source": source, "target_in": target, "target_out": target} | change))


def test_generating_fewer_than_no_tokens_is_refused(model):
    with pytest.raises(ValueError, match="max_new_tokens of at least 0, got -1"):
        model.generate(*pairs(), -1)
