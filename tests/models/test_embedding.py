"""companion.models.embedding against its gradient by hand, its optimum in closed form, and planted analogies."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from companion.data import SkipGramBatches, planted_corpus
from companion.models import SkipGram, SkipGramConfig
from companion.training import TrainConfig, fit

VOCAB, WIDTH, BATCH, NOISE = 11, 7, 13, 3


@pytest.fixture
def model():
    model = SkipGram(SkipGramConfig(VOCAB, WIDTH)).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return model


def batch():
    return torch.randint(VOCAB, (BATCH,)), torch.randint(VOCAB, (BATCH,)), torch.randint(VOCAB, (BATCH, NOISE))


def test_loss_and_gradients_equal_the_formulas(model):
    """Each pair's formulas by loops: words repeat within the batch, so that gradients must add up."""
    centers, contexts, negatives = batch()
    v, u = (table.weight.detach().numpy() for table in (model.center, model.context))
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    loss, dv, du = 0.0, np.zeros_like(v), np.zeros_like(u)
    for c, o, noise in zip(centers.tolist(), contexts.tolist(), negatives.tolist(), strict=True):
        loss -= np.log(sigmoid(u[o] @ v[c])) + sum(np.log(sigmoid(-u[n] @ v[c])) for n in noise)
        dv[c] += (sigmoid(u[o] @ v[c]) - 1) * u[o]
        du[o] += (sigmoid(u[o] @ v[c]) - 1) * v[c]
        for n in noise:
            dv[c] += sigmoid(u[n] @ v[c]) * u[n]
            du[n] += sigmoid(u[n] @ v[c]) * v[c]
    found = model.loss(centers, contexts, negatives)
    found.backward()
    assert found.item() == pytest.approx(loss / BATCH, rel=1e-13)
    np.testing.assert_allclose(model.center.weight.grad, dv / BATCH, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(model.context.weight.grad, du / BATCH, rtol=1e-11, atol=1e-14)


class Loss(nn.Module):
    """functional_call calls forward; this makes the loss the forward."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *words):
        return self.model.loss(*words)


def test_gradcheck(model):
    wrapped, words = Loss(model), batch()
    names, values = zip(*wrapped.named_parameters(), strict=True)
    assert torch.autograd.gradcheck(
        lambda *p: functional_call(wrapped, dict(zip(names, p, strict=True)), words), values
    )


def test_the_optimum_is_pmi_less_log_k():
    """Levy & Goldberg 2014: every count seen, noise from the unigrams exactly, and a width that does not limit."""
    counts = torch.tensor([[5, 2, 1, 3], [1, 4, 3, 2], [2, 1, 6, 1], [3, 2, 1, 4]])
    total, k = int(counts.sum()), 2
    pairs = counts.nonzero().repeat_interleave(counts.flatten(), dim=0)
    contexts = pairs[:, 1]
    # Each pair as often as there are words of text, and each time another of these as noise: their mean is exact.
    centers, true = pairs.repeat_interleave(total, dim=0).unbind(dim=1)
    noise = torch.stack([contexts.repeat(total), contexts.flip(0).repeat(total)], dim=1)
    model = SkipGram(SkipGramConfig(vocab_size=4, n_embd=4)).double()
    nn.init.normal_(model.context.weight)
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=300, line_search_fn="strong_wolfe", tolerance_grad=1e-10, tolerance_change=0
    )

    def closure():
        optimizer.zero_grad()
        loss = model.loss(centers, true, noise)
        loss.backward()
        return loss

    optimizer.step(closure)
    p = counts / total
    pmi = (p / (p.sum(dim=1, keepdim=True) * p.sum(dim=0))).log()
    scores = model.center.weight @ model.context.weight.T
    torch.testing.assert_close(scores.detach(), (pmi - np.log(k)).double(), atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    corpus = planted_corpus(sentences=3_000)
    model = SkipGram(SkipGramConfig(len(corpus.vocabulary), n_embd=16))
    data = SkipGramBatches(corpus.tokens, window=2, subsample=1)
    fit(model, data, TrainConfig(steps=200, batch_size=512, lr=0.05, weight_decay=0, precision="fp32", device="cpu"))
    return model, corpus


def test_planted_analogies_are_solved(trained):
    """By chance one in 119 would be right: the words less the three of the question."""
    model, corpus = trained
    questions = torch.from_numpy(corpus.analogies)
    words, cosines = model.analogy(*questions[:, :3].unbind(dim=1))
    right = words[:, 0] == questions[:, 3]
    chance = 1 / (len(corpus.vocabulary) - 3)
    assert right.float().mean() > 0.9 > 100 * chance
    assert cosines[right].min() > 0.5


def test_nearest_words_by_hand():
    """Vectors in a plane: b - a + c points straight at word 3; word 1, b itself, is nearer still and left out."""
    model = SkipGram(SkipGramConfig(vocab_size=5, n_embd=2))
    angles = torch.tensor([0.0, 80.0, 20.0, 110.0, 200.0]).deg2rad()
    with torch.no_grad():
        model.center.weight.copy_(torch.stack([angles.cos(), angles.sin()], dim=1) * torch.arange(1, 6)[:, None])
    words, cosines = model.most_similar(torch.tensor([1, 4]), 2)
    assert words.tolist() == [[3, 2], [3, 1]]
    degrees = torch.tensor([[30.0, 60.0], [90.0, 120.0]])
    torch.testing.assert_close(cosines, degrees.deg2rad().cos())
    a, b, c = torch.tensor([[0], [1], [2]])
    words, cosines = model.analogy(a, b, c, 2)
    unit = lambda degrees: np.exp(1j * np.deg2rad(degrees))  # noqa: E731
    point = np.angle(unit(80) - unit(0) + unit(20), deg=True)
    assert words.tolist() == [[3, 4]]
    np.testing.assert_allclose(cosines[0], np.cos(np.deg2rad(np.array([110, 200]) - point)), rtol=1e-5)


@pytest.mark.parametrize("field", ["vocab_size", "n_embd"])
def test_sizes_below_one_are_refused(field):
    with pytest.raises(ValueError, match=f"expected {field} to be a positive integer, got 0"):
        SkipGramConfig(**{"vocab_size": 11, field: 0})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, o, n: (c[:, None], o, n), r"centers of shape \[batch\] .* got \[13, 1\]"),
        (lambda c, o, n: (c[:0], o[:0], n[:0]), r"centers of .* with at least one element"),
        (lambda c, o, n: (c.int(), o, n), r"centers .* dtype torch.int64, got \[13\] and torch.int32"),
        (lambda c, o, n: (c + 1, o, n), r"centers from 0 to 10, got 1 to 11; .*enlarge vocab_size"),
        (lambda c, o, n: (c, o[:1], n), r"contexts of shape \[13\] .* got \[1\]"),
        (lambda c, o, n: (c, o - 1, n), r"contexts from 0 to 10, got -1"),
        (lambda c, o, n: (c, o, n[:1]), r"negatives of shape \[13, noise\] .* got \[1, 3\]"),
        (lambda c, o, n: (c, o, n[:, :0]), r"negatives .* with at least one element"),
        (lambda c, o, n: (c, o, n + 1), r"negatives from 0 to 10"),
    ],
)
def test_bad_batches_are_refused(model, change, message):
    words = [torch.arange(BATCH) % VOCAB, torch.arange(BATCH) % VOCAB, (torch.arange(3 * BATCH) % VOCAB).view(BATCH, 3)]
    with pytest.raises(ValueError, match=message):
        model.loss(*change(*words))


def test_bad_questions_are_refused(model):
    a, b = torch.tensor([1, 2]), torch.tensor([3])
    with pytest.raises(ValueError, match=r"expected b of shape \[2\]"):
        model.analogy(a, b, a)
    with pytest.raises(ValueError, match="expected count from 1 to 8, the words that may be answers, got 9"):
        model.analogy(a, a, a, 9)
    with pytest.raises(ValueError, match="expected count from 1 to 10, .* got 0"):
        model.most_similar(b, 0)
