"""companion.models.recurrent and its classifier against torch.nn with the weights copied; properties of such nets."""

import math

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from companion.economics.compute import forward_flops
from companion.models import SequenceClassifier, SequenceClassifierConfig
from companion.models.recurrent import GRUCell, LSTMCell, Recurrent, RNNCell, unroll

BATCH, TIME, INPUTS, WIDTH = 3, 13, 5, 7
CELLS = {
    "rnn": (RNNCell, nn.RNNCell, nn.RNN),
    "lstm": (LSTMCell, nn.LSTMCell, nn.LSTM),
    "gru": (GRUCell, nn.GRUCell, nn.GRU),
}


@pytest.fixture(params=CELLS)
def name(request):
    return request.param


def cell_and_layer(name, theirs=False):
    """A cell from scratch and a layer (ours, or torch.nn's), with one set of weights in float64."""
    cell = CELLS[name][0](INPUTS, WIDTH).double()
    layer = CELLS[name][2](INPUTS, WIDTH, batch_first=True) if theirs else Recurrent(name, INPUTS, WIDTH)
    layer.double().load_state_dict({f"{key}_l0": value for key, value in cell.state_dict().items()})
    return cell, layer


def assert_equal_with_gradients(ours, theirs, our_leaves, their_leaves, atol=1e-12):
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=0)
    direction = torch.randn_like(ours)
    found = torch.autograd.grad((ours * direction).sum(), our_leaves)
    expected = torch.autograd.grad((theirs * direction).sum(), their_leaves)
    for mine, yours in zip(found, expected, strict=True):
        assert mine.abs().max() > 0
        torch.testing.assert_close(mine, yours, atol=10 * atol, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.usefixtures("annotations_unchecked")
def test_autocast_on_any_processor(name, dtype, compiled):
    layer, start = Recurrent(name, INPUTS, WIDTH), torch.randn(BATCH, WIDTH)
    x = torch.randn(BATCH, TIME, INPUTS)
    expected = layer(x, start)
    expected.sum().backward()
    gradients = {key: p.grad.clone() for key, p in layer.named_parameters()}
    layer.zero_grad()
    run = torch.compile(layer, backend="aot_eager", fullgraph=True) if compiled else layer
    with torch.autocast("cpu", dtype=dtype):
        # As a layer before it gives it: in 16 bits, and with a gradient, without which torch 2.13 compiles no LSTM.
        found = run(x.to(dtype).requires_grad_(), start)
    torch.testing.assert_close(found.float(), expected, atol=0.03, rtol=0)
    found.float().sum().backward()
    for key, parameter in layer.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[key], atol=0.5, rtol=0.05)


def test_a_cell_equals_that_of_torch(name):
    ours, theirs = (cls(INPUTS, WIDTH).double() for cls in CELLS[name][:2])
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(BATCH, INPUTS, dtype=torch.float64, requires_grad=True)
    h, c = torch.randn(2, BATCH, WIDTH, dtype=torch.float64)
    state = (h, c) if name == "lstm" else h
    found, expected = ours(x, state), theirs(x, state)
    if name == "lstm":
        found, expected = torch.cat(found), torch.cat(expected)
    assert_equal_with_gradients(found, expected, [x, *ours.parameters()], [x, *theirs.parameters()])


@pytest.mark.parametrize("theirs", [False, True], ids=["fused", "torch.nn"])
def test_unrolled_steps_equal_the_kernel(name, theirs):
    cell, layer = cell_and_layer(name, theirs)
    x = torch.randn(BATCH, TIME, INPUTS, dtype=torch.float64, requires_grad=True)
    expected = layer(x)[0] if theirs else layer(x)
    assert_equal_with_gradients(unroll(cell, x), expected, [x, *cell.parameters()], [x, *layer.parameters()])


def test_single_precision_is_equal_to_1e_6(name):
    layer, reference = Recurrent(name, INPUTS, WIDTH), CELLS[name][2](INPUTS, WIDTH, batch_first=True)
    reference.load_state_dict(layer.state_dict())
    x = torch.randn(BATCH, TIME, INPUTS)
    leaves = list(layer.parameters()), list(reference.parameters())
    assert_equal_with_gradients(layer(x), reference(x)[0], *leaves, atol=1e-6)


def test_a_layer_goes_on_from_a_state():
    layer = Recurrent("gru", INPUTS, WIDTH).double()
    x = torch.randn(BATCH, TIME, INPUTS, dtype=torch.float64)
    whole = layer(x)
    torch.testing.assert_close(layer(x[:, 5:], whole[:, 4]), whole[:, 5:])


def test_no_output_depends_on_a_later_input(name):
    layer = Recurrent(name, INPUTS, WIDTH)
    x = torch.randn(1, TIME, INPUTS)
    jacobian = torch.autograd.functional.jacobian(layer, x)[0, :, :, 0].abs().amax(dim=(1, 3))  # [output, input]
    assert torch.equal(jacobian > 0, torch.ones(TIME, TIME).tril().bool())


def test_a_saturated_lstm_keeps_its_memory():
    cell = LSTMCell(INPUTS, WIDTH)
    with torch.no_grad():
        cell.bias_ih[:WIDTH] = -200  # the input gate is 0 in float32 …
        cell.bias_ih[WIDTH : 2 * WIDTH] = 100  # … and the forget gate 1
    h, c = torch.randn(2, BATCH, WIDTH)
    state = (h, c)
    for _ in range(TIME):
        state = cell(torch.randn(BATCH, INPUTS), state)
    assert torch.equal(state[1], c)


def decay(layer, time=41):
    """By which factor the gradient of the last output shrinks, a step of distance."""
    x = torch.randn(64, time, INPUTS, requires_grad=True)
    layer(x)[:, -1].square().sum().backward()
    norms = x.grad.norm(dim=(0, 2))
    return math.exp((norms[-1].log() - norms[0].log()).item() / (1 - time))


def test_gradients_fade_faster_in_an_rnn_than_in_an_lstm_that_does_not_forget():
    lstm = SequenceClassifier(
        SequenceClassifierConfig(2, 2, cell="lstm", n_embd=INPUTS, n_hidden=31, forget_bias=3.0)
    ).layers[0]
    rnn = decay(Recurrent("rnn", INPUTS, 31))
    assert rnn < 0.7
    assert decay(lstm.directions[0]) > 0.9
    assert decay(Recurrent("lstm", INPUTS, 31)) < 0.75  # the gates alone, half open, are no help


def test_forget_bias_is_added_to_the_forget_gates_alone():
    options = {"vocab_size": 11, "n_classes": 3, "n_embd": INPUTS, "n_hidden": WIDTH, "bidirectional": True}
    plain, shifted = [], []
    for models, bias in ((plain, 0.0), (shifted, 1.5)):
        torch.manual_seed(5)
        models.append(SequenceClassifier(SequenceClassifierConfig(forget_bias=bias, **options)))
    expected = torch.zeros(4, WIDTH)
    expected[1] = 1.5
    for (key, mine), yours in zip(shifted[0].named_parameters(), plain[0].parameters(), strict=True):
        difference = expected.flatten() if "bias_hh" in key else torch.zeros_like(mine)
        torch.testing.assert_close(mine - yours, difference, atol=1e-6, rtol=0)


CONFIG = SequenceClassifierConfig(vocab_size=23, n_classes=3, n_layer=2, n_embd=INPUTS, n_hidden=WIDTH, pad_id=4)
LENGTHS = (13, 1, 8, 5)


def classifier(**changes):
    return SequenceClassifier(SequenceClassifierConfig(**(vars(CONFIG) | changes))).double().eval()


def padded_tokens(pad_id=4):
    tokens = torch.randint(5, CONFIG.vocab_size, (len(LENGTHS), TIME))
    for row, length in zip(tokens, LENGTHS, strict=True):
        row[length:] = pad_id
    return tokens


def from_scratch(model, row):
    """The logits of one sequence without padding, by the cells."""
    x = model.embedding.weight[row][None]
    for layer in model.layers:
        outputs = []
        for turned, fused in enumerate(layer.directions):
            cell = CELLS[model.config.cell][0](x.shape[2], WIDTH).double()
            cell.load_state_dict({key.removesuffix("_l0"): value for key, value in fused.state_dict().items()})
            outputs.append(unroll(cell, x.flip(1)).flip(1) if turned else unroll(cell, x))
        x = torch.cat(outputs, dim=2)
    return model.head(torch.cat([x[0, -1, :WIDTH], x[0, 0, WIDTH:]]))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_padded_batch_equals_each_sequence_alone_by_the_cells(name, bidirectional):
    model, tokens = classifier(cell=name, bidirectional=bidirectional), padded_tokens()
    alone = [from_scratch(model, row[:length]) for row, length in zip(tokens, LENGTHS, strict=True)]
    torch.testing.assert_close(model(tokens), torch.stack(alone), atol=1e-12, rtol=0)


def test_padding_changes_nothing():
    model, tokens = classifier(bidirectional=True), padded_tokens()
    before = model(tokens)
    longer = torch.cat([tokens, torch.full((len(tokens), 3), CONFIG.pad_id)], dim=1)
    torch.testing.assert_close(model(longer), before, atol=1e-12, rtol=0)
    before.sum().backward()
    assert torch.equal(model.embedding.weight.grad[CONFIG.pad_id], torch.zeros(INPUTS, dtype=torch.float64))


def test_without_pad_id_every_token_counts():
    model, tokens = classifier(pad_id=None), padded_tokens()
    torch.testing.assert_close(model(tokens)[1], from_scratch(model, tokens[1]), atol=1e-12, rtol=0)


def test_operations_by_formula_are_those_of_the_cells(name):
    model, row = classifier(cell=name, bidirectional=True, pad_id=None), torch.randint(23, (TIME,))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        from_scratch(model, row)
    assert counter.get_total_flops() == forward_flops(model.config, batch=1, time=TIME)


def test_learns_which_token_came_first():
    """The label is the token that the network read longest ago, behind noise."""
    model = SequenceClassifier(SequenceClassifierConfig(11, 2, n_embd=8, n_hidden=16, forget_bias=2.0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
    for _ in range(80):
        tokens = torch.randint(11, (64, TIME))
        tokens[:, 0] %= 2
        loss = model.loss(tokens, tokens[:, 0])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.1


def test_dropout_acts_in_training_only():
    model, tokens = classifier(dropout=0.5).train(), padded_tokens()
    assert not torch.equal(model(tokens), model(tokens))
    model.eval()
    assert torch.equal(model(tokens), model(tokens))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": "elman"}, r"expected cell to be one of rnn, lstm, gru; got 'elman'"),
        ({"n_classes": 1}, "expected n_classes of at least 2, got 1"),
        ({"pad_id": 23}, "expected pad_id from 0 to vocab_size - 1 = 22, got 23"),
        ({"cell": "gru", "forget_bias": 1.0}, "expected forget_bias=0 with cell='gru', .* take cell='lstm'"),
        ({"n_hidden": 0}, "expected n_hidden to be a positive integer, got 0"),
        ({"dropout": 1.0}, r"expected dropout in \[0, 1\), got 1"),
    ],
)
def test_bad_configs_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        classifier(**changes)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.zeros(TIME, dtype=torch.long), r"expected tokens of shape \[batch, time\] .* got \[13\]"),
        (torch.zeros(2, 0, dtype=torch.long), "at least one element"),
        (torch.ones(2, 3), "got .* torch.float32"),
        (torch.tensor([[5, 23]]), "expected tokens from 0 to 22, got 5 to 23; vocab_size is 23"),
        (torch.tensor([[4, 4]]), "expected tokens with padding behind at least one token .* drop empty rows"),
        (torch.tensor([[5, 4, 5]]), "pad_id=4 or has a token behind it; move the padding to the end"),
    ],
)
def test_bad_tokens_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        classifier()(bad)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.zeros(3, dtype=torch.long), r"expected labels of shape \[4\] .* got \[3\]"),
        (torch.zeros(4, 1, dtype=torch.long), r"got \[4, 1\]"),
        (torch.zeros(4), "dtype torch.int64, got .* torch.float32"),
        (torch.full((4,), 3), "expected labels from 0 to 2, got 3 to 3; n_classes is 3"),
    ],
)
def test_bad_labels_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        classifier().loss(padded_tokens(), bad)


def test_a_cell_never_broadcasts(name):
    cell, x, h = CELLS[name][0](INPUTS, WIDTH), torch.ones(BATCH, INPUTS), torch.ones(BATCH, WIDTH)
    with pytest.raises(ValueError, match=r"expected h of shape \[3, 7\] .* got \[1, 7\]"):
        cell(x, (h[:1], h) if name == "lstm" else h[:1])
    with pytest.raises(ValueError, match=r"expected x of shape \[batch, 5\] .* got \[3, 4\]"):
        cell(x[:, :4], (h, h) if name == "lstm" else h)
    if name == "lstm":
        with pytest.raises(ValueError, match=r"expected c of shape \[3, 7\] .* got \[1, 7\]"):
            cell(x, (h, h[:1]))
