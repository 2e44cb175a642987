"""companion.models.seq2seq against the cells from scratch, and what an encoder-decoder with attention must do."""

import pytest
import torch
from torch.nn import functional as F

from companion.data import pair_batches, reversal_pairs
from companion.models import Seq2Seq, Seq2SeqConfig
from companion.models.recurrent import GRUCell

CONFIG = Seq2SeqConfig(source_vocab=23, target_vocab=19, n_layer=2, n_embd=5, n_hidden=7)
LENGTHS, TARGET = (11, 1, 4), 13


@pytest.fixture
def model():
    model = Seq2Seq(CONFIG).double().eval()
    for parameter in model.parameters():  # large enough that every part matters
        torch.nn.init.normal_(parameter, std=0.5)
    return model


@pytest.fixture
def source():
    source = torch.randint(3, CONFIG.source_vocab, (3, 11))
    for row, length in zip(source, LENGTHS, strict=True):
        row[length:] = 0
    return source


@pytest.fixture
def target():
    return torch.randint(3, CONFIG.target_vocab, (3, TARGET))


def step(layers, x, states):
    """One step through all layers, by the cell from scratch."""
    after = []
    for layer, state in zip(layers, states, strict=True):
        cell = GRUCell(len(x), CONFIG.n_hidden).double()
        cell.load_state_dict({key.removesuffix("_l0"): value for key, value in layer.state_dict().items()})
        x = cell(x[None], state[None])[0]
        after.append(x)
    return after


def from_scratch(model, source, target_in):
    """Logits and attention weights of one pair without padding, token by token as the formulas have it."""
    states, seen = [torch.zeros(CONFIG.n_hidden).double()] * CONFIG.n_layer, []
    for token in source:
        states = step(model.encoder, model.source_embedding.weight[token], states)
        seen.append(states[-1])
    logits, weights = [], []
    for token in target_in:
        states = step(model.decoder, model.target_embedding.weight[token], states)
        h = states[-1]
        scores = torch.stack([h @ model.score.weight @ s for s in seen]).exp()
        a = scores / scores.sum()
        context = sum(weight * s for weight, s in zip(a, seen, strict=True))
        attentional = torch.tanh(model.combine.weight @ torch.cat([context, h]))
        logits.append(model.head.weight @ attentional)
        weights.append(a)
    return torch.stack(logits), torch.stack(weights)


def test_logits_and_attention_equal_the_formulas_for_each_pair_alone(model, source, target):
    logits, attention = model(source, target), model.attention(source, target)
    for row, length in enumerate(LENGTHS):
        expected, weights = from_scratch(model, source[row, :length], target[row])
        torch.testing.assert_close(logits[row], expected, atol=1e-12, rtol=0)
        torch.testing.assert_close(attention[row, :, :length], weights, atol=1e-12, rtol=0)


def test_attention_sums_to_one_and_leaves_padding_out(model, source, target):
    attention = model.attention(source, target)
    assert attention.shape == (3, TARGET, 11)
    torch.testing.assert_close(attention.sum(dim=2), torch.ones(3, TARGET).double())
    padding = (source == CONFIG.pad_id)[:, None].expand_as(attention)
    assert torch.equal(attention[padding], torch.zeros(int(padding.sum())).double())
    assert attention[~padding].min() > 0


def test_more_padding_changes_nothing(model, source, target):
    longer = torch.cat([source, torch.zeros(3, 5, dtype=torch.long)], dim=1)
    torch.testing.assert_close(model(longer, target), model(source, target), atol=1e-12, rtol=0)
    model(source, target).sum().backward()
    assert torch.equal(model.source_embedding.weight.grad[CONFIG.pad_id], torch.zeros(5).double())


def test_no_position_sees_a_later_target(model, source, target):
    changed = target.clone()
    changed[:, 6:] = 21 - changed[:, 6:]
    found, expected = model(source, changed), model(source, target)
    torch.testing.assert_close(found[:, :6], expected[:, :6], atol=1e-12, rtol=0)
    assert not torch.allclose(found[:, 6], expected[:, 6])


def test_the_loss_is_the_mean_over_real_targets(model, source, target):
    target_out = target.roll(-1, dims=1)
    target_out[1, 2:], target_out[2, 7:] = CONFIG.pad_id, CONFIG.pad_id
    logits = model(source, target)
    kept = torch.cat([logits[0], logits[1, :2], logits[2, :7]])
    expected = F.cross_entropy(kept, torch.cat([target_out[0], target_out[1, :2], target_out[2, :7]]))
    torch.testing.assert_close(model.loss(source, target, target_out), expected)


def test_generate_takes_the_likeliest_token_of_the_forward_pass():
    model = Seq2Seq(Seq2SeqConfig(source_vocab=23, target_vocab=7, n_layer=2, n_embd=5, n_hidden=7)).double()
    for parameter in model.parameters():  # so large that what is written changes from step to step
        torch.nn.init.normal_(parameter, std=2.0)
    source = torch.randint(3, 23, (31, 11))
    out = model.generate(source, 17)
    written = torch.cat([torch.full((31, 1), CONFIG.start_id), out], dim=1)
    likeliest = model(source, written[:, :-1]).argmax(dim=2)
    ended = (out == CONFIG.end_id).cumsum(dim=1) - (out == CONFIG.end_id).int() > 0
    assert 5 < ended.any(dim=1).sum() < 26, "the test needs rows that end and rows that do not"
    assert torch.equal(out, likeliest.masked_fill(ended, CONFIG.pad_id))


def test_generating_leaves_the_model_as_it_was(source):
    model = Seq2Seq(Seq2SeqConfig(source_vocab=23, target_vocab=19, n_embd=5, n_hidden=7, dropout=0.5))
    out = model.generate(source, 5)
    assert model.training
    assert torch.equal(model.generate(source, 5), out)  # no dropout
    model.loss(source, out, out).backward()  # no inference tensor gets out


def test_learns_to_reverse_strings():
    batches, vocabulary = pair_batches(reversal_pairs(400, seed=0, alphabet="abcd", longest=5))
    model = Seq2Seq(Seq2SeqConfig(source_vocab=len(vocabulary), target_vocab=len(vocabulary), n_embd=16, n_hidden=32))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0, total_iters=150)
    for number in range(150):
        model.loss(*batches.batch(number, 32, seed=0)).backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    source, _, target_out = batches.validation_set
    written = vocabulary.decode(model.generate(source, target_out.shape[1]))
    right = sum(text == expected for text, expected in zip(written, vocabulary.decode(target_out), strict=True))
    assert right >= 0.9 * len(source)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_layer": 0}, "expected n_layer to be a positive integer, got 0"),
        ({"dropout": -0.1}, r"expected dropout in \[0, 1\), got -0.1"),
        ({"end_id": 1}, r"expected pad_id, start_id and end_id to be three tokens .* got \(0, 1, 1\)"),
        ({"end_id": 19}, r"below target_vocab=19, .* got \(0, 1, 19\)"),
        ({"source_vocab": 3, "pad_id": 4}, r"pad_id below source_vocab=3, got \(4, 1, 2\)"),
    ],
)
def test_bad_configs_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Seq2SeqConfig(**(vars(CONFIG) | changes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, i, o: (s[0], i, o), r"expected source of shape \[batch, source\] .* got \[11\]"),
        (lambda s, i, o: (s[:0], i, o), "at least one element"),
        (lambda s, i, o: (s.double(), i, o), "got .* torch.float64"),
        (lambda s, i, o: (s + 20, i, o), "expected source from 0 to 22, got 20 to .* this model's vocabulary"),
        (lambda s, i, o: (s.flip(1), i, o), "expected source with padding behind at least one token"),
        (lambda s, i, o: (s, i[:2], o), r"expected target_in of shape \[3, target\] .* got \[2, 13\]"),
        (lambda s, i, o: (s, i + 19, o), "expected target_in from 0 to 18"),
        (lambda s, i, o: (s, i, o[:, :1]), r"expected target_out of shape \[3, 13\] .* got \[3, 1\]"),
        (lambda s, i, o: (s, i, o.int()), "dtype torch.int64, got .* torch.int32"),
        (lambda s, i, o: (s, i, o - 19), "expected target_out from 0 to 18"),
        (lambda s, i, o: (s, i, 0 * o), "expected a target to predict, got only pad_id=0"),
    ],
)
def test_bad_batches_are_refused(model, source, target, change, message):
    with pytest.raises(ValueError, match=message):
        model.loss(*change(source, target, target))


def test_generate_refuses_to_write_nothing(model, source):
    with pytest.raises(ValueError, match="max_new_tokens of at least 1, got 0"):
        model.generate(source, 0)
