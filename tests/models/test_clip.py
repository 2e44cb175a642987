"""companion.models.clip: its loss by hand, its symmetries, and pairs that it never saw."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from companion.data import CAPTION_LENGTH, CAPTION_WORDS, CaptionedShapes, all_captions, encode_captions
from companion.models import CLIP, CLIPConfig
from companion.training import TrainConfig, fit

CONFIG = CLIPConfig(
    vocab_size=31, block_size=11, image_size=13, channels=(5, 7), embed=17, n_embd=21, n_head=3, n_layer=2, n_hidden=19
)
BATCH = 5


@pytest.fixture
def model():
    return CLIP(CONFIG)


def batch(n=BATCH):
    tokens = torch.randint(1, 31, (n, 7))
    return torch.randn(n, 3, 13, 13), tokens * (torch.arange(7) < torch.randint(1, 8, (n, 1)))


def test_loss_is_the_mean_of_both_directions(model):
    images, tokens = batch()
    x, y = model.encode_image(images).detach().numpy(), model.encode_text(tokens).detach().numpy()
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), 1, rtol=1e-6)
    s = x @ y.T / 0.07
    of_image, of_text = (-np.diag(s - logsumexp(s, axis=axis, keepdims=True)).mean() for axis in (1, 0))
    assert abs(of_image - of_text) > 1e-4  # or one of them alone would do
    assert model.loss(images, tokens).item() == pytest.approx((of_image + of_text) / 2, rel=1e-5)
    np.testing.assert_allclose(model(images, tokens).detach(), s, rtol=1e-4, atol=1e-5)


def test_permuting_the_pairs_permutes_the_logits(model):
    images, tokens = batch()
    order = torch.randperm(BATCH)
    torch.testing.assert_close(model(images[order], tokens[order]), model(images, tokens)[order][:, order])
    torch.testing.assert_close(model.loss(images[order], tokens[order]), model.loss(images, tokens))
    assert model(images, tokens[:3]).shape == (BATCH, 3)


def test_an_untrained_model_guesses(model):
    """At scale 1. At the paper's, 14, random vectors of 17 numbers are far enough apart to be wrong with confidence."""
    with torch.no_grad():
        model.log_scale.zero_()
    assert model.loss(*batch(97)).item() == pytest.approx(np.log(97), abs=0.1)


def test_padding_changes_no_text(model):
    tokens = torch.randint(1, 31, (3, 5))
    padded = torch.cat([tokens, torch.zeros(3, 6, dtype=torch.int64)], dim=1)
    torch.testing.assert_close(model.encode_text(padded), model.encode_text(tokens))


def test_the_order_of_words_counts(model):
    tokens = torch.tensor([[2, 3, 5, 7]])
    assert (model.encode_text(tokens) - model.encode_text(tokens.flip(1))).abs().max() > 0.01


def test_the_scale_stops_at_100_and_can_come_back(model):
    with torch.no_grad():
        model.log_scale.fill_(6.0)
    assert model.scale.item() == pytest.approx(100)
    images, tokens = batch()
    model.loss(images, tokens).backward()  # random pairs: a lower scale would cost less
    assert model.log_scale.grad > 0


@pytest.fixture(scope="module")
def trained():
    """A second of training. Returns logits of images of held-out captions, their captions, and where these are."""
    torch.manual_seed(0)
    data = CaptionedShapes(size=16)
    config = CLIPConfig(
        vocab_size=len(CAPTION_WORDS), block_size=CAPTION_LENGTH, image_size=16, channels=(16, 32), embed=32,
        n_embd=32, n_head=2, n_layer=1, n_hidden=64,
    )  # fmt: skip
    model = CLIP(config)
    fit(model, data, TrainConfig(steps=120, batch_size=64, lr=6e-3, warmup_steps=12, precision="fp32", device="cpu"))
    [(images, _)] = data.validation(1_000)
    captions = all_captions()
    with torch.no_grad():
        return model(images, encode_captions(captions)), [captions.index(own) for own in data.validation_captions]


def test_pairs_with_new_captions_find_each_other(trained):
    """Captions and images of scenes never trained on; guessing would find one in 55."""
    logits, own = trained
    among_new, right = logits[:, own], torch.arange(len(own))
    assert len(own) == 55
    assert (among_new.argmax(dim=1) == right).float().mean() > 0.6
    assert (among_new.argmax(dim=0) == right).float().mean() > 0.6
    # Among all 276 the captions that were trained on stand in the way; guessing would find one in 276.
    assert (logits.argmax(dim=1) == torch.tensor(own)).float().mean() > 0.15


@pytest.mark.parametrize("words", [CAPTION_WORDS[2:6], ("above", "left of")], ids=["color", "relation"])
def test_captions_that_name_classes_classify(trained, words):
    """Zero-shot: classes are the captions that differ from an image's own, never trained on, in its first such word."""
    logits, own = trained
    captions, right = all_captions(), []
    for row, place in zip(logits, own, strict=True):
        found = [(captions[place].find(word), word) for word in words if word in captions[place]]
        options = [captions[place].replace(min(found)[1], word, 1) for word in words] if found else []
        places = [captions.index(option) for option in options if option in captions]
        right += [places[row[places].argmax()] == place] if places else []
    assert len(right) > 50
    assert np.mean(right) > 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embed": 0}, "expected embed to be a positive integer, got 0"),
        ({"vocab_size": 0}, "expected vocab_size"),
        ({"channels": ()}, r"channels to hold at least one size of at least 1, got \(\)"),
        ({"channels": (5, 0)}, r"channels .* got \(5, 0\)"),
        ({"n_head": 4}, "n_embd to be a multiple of n_head, got n_embd=21 and n_head=4"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_bad_sizes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        CLIPConfig(**(vars(CONFIG) | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, t: (x[:, :1], t), r"images of shape \[images, 3, 13, 13\] .* got \[5, 1, 13, 13\]"),
        (lambda x, t: (x[..., :12], t), r"got \[5, 3, 13, 12\]"),
        (lambda x, t: (x[0], t), r"tokens of shape \[3, time\] .* got \[5, 7\] .*; give each image one text"),
        (lambda x, t: (x.double(), t), r"images .* dtype torch.float32, got .* torch.float64"),
        (lambda x, t: (x[:0], t[:0]), r"with at least one element"),
        (lambda x, t: (x, t[:1]), r"tokens of shape \[5, time\] .* got \[1, 7\]"),
        (lambda x, t: (x, t.float()), r"dtype torch.int64, got \[5, 7\] and torch.float32"),
        (lambda x, t: (x, t.repeat(1, 2)), "at most block_size=11 tokens, got 14"),
        (lambda x, t: (x, t + 30), "tokens from 0 to 30, got"),
        (lambda x, t: (x, t * (torch.arange(5) != 2)[:, None]), r"got none in rows \[2\]"),
    ],
)
def test_bad_batches_are_refused(model, change, message):
    with pytest.raises(ValueError, match=message):
        model.loss(*change(*batch()))
