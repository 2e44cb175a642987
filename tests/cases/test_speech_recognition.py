"""Decoders held to all paths, word errors to jiwer, rates to Poisson, and the networks to what they are for."""

import itertools
import math

import jiwer
import numpy as np
import pytest
import torch
from scipy.stats import poisson
from torch import nn

from companion.cases.speech import (
    KEYWORDS,
    LABELS,
    SEEN_VOICES,
    SPOTTER_FRAMES,
    UNSEEN_ACCENTS,
    UNSEEN_VOICES,
    Recognizer,
    Spotter,
    ctc_beam,
    ctc_greedy,
    detections,
    false_accepts_per_hour,
    hear,
    load_recognizer,
    load_spotter,
    spot,
    spotted,
    wer,
    word_errors,
)
from companion.data import MEL_BANDS, SPEECH_RATE, log_mel, noise, speak

pytest.importorskip("espeakng_loader")


def all_paths(log_probs):
    """The probability of every label sequence, by the sum over every path."""
    frames, labels = log_probs.shape
    found = {}
    for path in itertools.product(range(labels), repeat=frames):
        kept = tuple(label for label, _ in itertools.groupby(path) if label)
        found[kept] = found.get(kept, 0.0) + math.exp(sum(log_probs[t, label].item() for t, label in enumerate(path)))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_beam_is_the_sum_over_all_paths(seed):
    torch.manual_seed(seed)
    log_probs = (2 * torch.randn(6, 3)).double().log_softmax(1)
    truth = all_paths(log_probs)
    found = ctc_beam(log_probs, width=1_000)
    assert {words: math.exp(value) for words, value in found} == pytest.approx(truth, rel=1e-9)
    assert found[0][0] == max(truth, key=truth.get)
    assert sum(truth.values()) == pytest.approx(1)


def test_the_sum_is_what_the_loss_of_torch_says():
    torch.manual_seed(1)
    log_probs = torch.randn(7, 4).double().log_softmax(1)
    found = dict(ctc_beam(log_probs, width=10_000))
    for words in [(1,), (2, 2), (1, 3, 1)]:
        loss = nn.functional.ctc_loss(
            log_probs[:, None], torch.tensor([words]), torch.tensor([7]), torch.tensor([len(words)]), reduction="sum"
        )
        assert -found[words] == pytest.approx(loss.item())


def test_a_narrow_beam_never_claims_more_than_the_truth():
    torch.manual_seed(2)
    log_probs = torch.randn(6, 3).double().log_softmax(1)
    truth = all_paths(log_probs)
    for width in (1, 2, 5):
        assert all(math.exp(value) <= truth[words] * (1 + 1e-12) for words, value in ctc_beam(log_probs, width=width))


def test_the_best_path_need_not_be_the_best_words():
    frames = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    assert ctc_greedy(frames) == ()
    assert ctc_beam(frames)[0][0] == (1,)


def test_repeats_merge_unless_a_blank_parts_them():
    sure = torch.eye(3)[[1, 1, 0, 1, 2, 2]].clamp(min=1e-6).log()
    assert ctc_greedy(sure) == (1, 1, 2)
    assert ctc_beam(sure)[0][0] == (1, 1, 2)
    with pytest.raises(ValueError, match="expected width"):
        ctc_beam(sure, width=0)


def test_word_errors_are_those_of_jiwer():
    draw, words = np.random.default_rng(0), ["turn", "on", "off", "the", "lamp", "lock", "unlock", "door"]
    said = [" ".join(draw.choice(words, draw.integers(1, 7))) for _ in range(200)]
    heard = [" ".join(draw.choice(words, draw.integers(1, 7))) for _ in range(200)]
    for one, other in zip(said, heard, strict=True):
        assert word_errors(one, other) / len(one.split()) == pytest.approx(jiwer.wer(one, other))
    assert wer(said, heard) == pytest.approx(jiwer.wer(said, heard))
    assert word_errors("lamp on", "") == 2
    with pytest.raises(ValueError, match="expected as many heard as said"):
        wer(["lamp"], [])


def test_the_interval_holds_the_rates_that_the_count_does_not_refuse():
    found = false_accepts_per_hour(7, 10)
    assert found.estimate == 0.7
    assert poisson.sf(6, 10 * found.low) == pytest.approx(0.025)
    assert poisson.cdf(7, 10 * found.high) == pytest.approx(0.025)
    none = false_accepts_per_hour(0, 10, one_sided=True)
    assert (none.low, round(none.high, 4)) == (0, round(-math.log(0.05) / 10, 4))
    assert false_accepts_per_hour(0, 1).high == pytest.approx(-math.log(0.025))
    assert poisson.cdf(3, 5 * false_accepts_per_hour(3, 5, one_sided=True, level=0.9).high) == pytest.approx(0.1)


def test_the_interval_covers():
    draws, rate, hours = np.random.default_rng(0).poisson(0.4 * 10, 2_000), 0.4, 10
    inside = [(i := false_accepts_per_hour(int(k), hours)).low <= rate <= i.high for k in draws]
    assert 0.945 < np.mean(inside) < 0.99


@pytest.mark.parametrize(("events", "hours", "level"), [(-1, 1, 0.95), (1, 0, 0.95), (1, 1, 1.0), (1.5, 1, 0.95)])
def test_counts_that_are_none(events, hours, level):
    with pytest.raises(ValueError, match="expected "):
        false_accepts_per_hour(events, hours, level=level)


def test_a_stream_gives_what_each_of_its_windows_gives_alone():
    torch.manual_seed(0)
    model = Spotter(width=7).eval()
    stream = torch.randn(1, 131, MEL_BANDS)
    windows = torch.cat([stream[:, i : i + SPOTTER_FRAMES] for i in range(0, 131 - SPOTTER_FRAMES + 1, 4)])
    assert torch.allclose(model(stream)[0], model(windows)[:, 0], atol=1e-5)
    assert len(windows) == 9


def test_both_networks_learn():
    mels = torch.randn(4, SPOTTER_FRAMES, MEL_BANDS)
    spotter, recognizer = Spotter(width=5), Recognizer(width=5, dilations=(1, 2))
    labels, words = torch.tensor([[2, 3], [4, 0], [5, 6], [0, 0]]), torch.tensor([2, 1, 2, 0])
    for model, batch in ((spotter, (mels, torch.tensor([0, 1, 2, 4]))), (recognizer, (mels, labels, words))):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        losses = []
        for _ in range(30):
            optimizer.zero_grad()
            loss = model.loss(*batch)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.7 * losses[0]


def test_peaks_are_counted_once_and_the_highest_is_kept():
    scores = torch.zeros(100)
    scores[[10, 12, 20, 60]] = torch.tensor([0.6, 0.9, 0.7, 0.8])
    assert detections(scores, threshold=0.5) == [(0.48, 0.9), (2.4, 0.8)]
    assert detections(scores, threshold=0.85) == [(0.48, 0.9)]


def test_voices_of_tests_are_not_those_of_training():
    assert not set(UNSEEN_VOICES) & set(SEEN_VOICES)
    assert len(UNSEEN_VOICES) == 18
    assert len(UNSEEN_ACCENTS) == 4
    assert LABELS[:2] == ("", "<other>")


def test_the_trained_spotter_knows_its_words_from_unseen_voices():
    quiet = torch.zeros(SPEECH_RATE)
    right = 0
    for keyword in KEYWORDS[1:]:
        for voice in ("m4", "f3", "Annie", "ian"):
            scores = spotted(torch.cat([quiet, speak(keyword, voice=voice), quiet]) + 0.001 * noise(4)[:1])
            right += max(scores, key=scores.get) == keyword
    assert right >= 14
    assert spot(0.1 * noise(5))[:, 1:].max() < 0.5


def test_the_trained_recognizer_hears_orders_of_unseen_voices_and_scales():
    orders = ("turn on the kitchen light", "unlock the front door", "set the air conditioning to twenty two degrees")
    heard = [hear(speak(order, voice=voice)) for order in orders for voice in ("m4", "f3", "linda")]
    said = [order for order in orders for _ in range(3)]
    assert wer(said, [each.text for each in heard]) < 0.15
    sound = speak("lamp on", voice="m7")
    assert hear(sound / 50).text == hear(sound).text
    with pytest.raises(ValueError, match="got silence"):
        hear(torch.zeros(16_000))


def test_the_files_in_the_package_are_small_and_whole():
    for model, n in ((load_spotter(), 42_405), (load_recognizer(), 123_178)):
        assert sum(each.numel() for each in model.parameters()) == n
        assert not model.training
    with torch.inference_mode():
        assert load_recognizer()(log_mel(torch.zeros(16_000))[None]).exp().sum(2).allclose(torch.ones(1, 25))
