"""Concepts, looks, towers and batches: whole concepts on one side, closed forms, CLIP's loss, the same batch again."""

import math

import numpy as np
import pytest
import torch

from companion.cases.multimodal import (
    PictogramPairs,
    TwoTowers,
    as_pictures,
    chinese_characters,
    color_histograms,
    concept_groups,
    contrastive_loss,
    look_vectors,
    misspell,
    outline_histograms,
    photograph,
    split_concepts,
    thumbnails,
)
from companion.data import draw_pictograms, pictograms
from companion.models import CLIP, CLIPConfig
from companion.training import TrainConfig, fit


def named(*names):
    return [each for each in pictograms() if each.english in names]


@pytest.fixture(scope="module")
def groups():
    return concept_groups(pictograms())


def test_variants_are_one_concept(groups):
    of = {each.english: group for each, group in zip(pictograms(), groups, strict=True)}
    assert of["one o'clock"] == of["eleven-thirty"]
    assert of["red heart"] == of["green heart"] == of["black heart"]
    assert of["blue book"] == of["green book"]
    assert len({of[name] for name in ("pear", "automobile", "tiger face", "red heart", "one o'clock")}) == 5
    assert np.bincount(groups).max() < 100


def test_a_split_keeps_concepts_whole_and_its_part(groups):
    for seed in range(5):
        held = split_concepts(groups, seed=seed)
        assert 0.19 < held.mean() <= 0.2
        assert not set(groups[held]) & set(groups[~held])
    assert (split_concepts(groups) == split_concepts(groups, seed=0)).all()
    assert (split_concepts(groups) != split_concepts(groups, seed=1)).any()


@pytest.mark.parametrize("part", [0, 1, -0.1])
def test_a_part_is_between_0_and_1(part):
    with pytest.raises(ValueError, match="expected held_out between 0 and 1"):
        split_concepts(np.arange(7), held_out=part)


def test_color_histograms_forget_places_and_outlines_forget_colors():
    rng = np.random.default_rng(0)
    pictures = draw_pictograms(["🚗", "🐈"], size=32)
    shuffled = pictures.reshape(2, 3, -1)[:, :, rng.permutation(32 * 32)].reshape(pictures.shape)
    np.testing.assert_allclose(color_histograms(shuffled), color_histograms(pictures))
    assert not np.allclose(thumbnails(shuffled), thumbnails(pictures))
    np.testing.assert_allclose(outline_histograms(pictures[:, ::-1]), outline_histograms(pictures))
    assert not np.allclose(color_histograms(pictures[:, ::-1]), color_histograms(pictures))


def test_a_color_histogram_by_hand():
    picture = np.zeros((1, 3, 2, 2), dtype=np.uint8)
    picture[0, :, 0, 0] = (255, 64, 0)  # boxes 3, 1, 0
    expected = np.zeros(64)
    expected[[0, 3 * 16 + 1 * 4]] = np.sqrt([3 / 4, 1 / 4])
    np.testing.assert_allclose(color_histograms(picture)[0], expected)


def test_looks_have_length_one():
    looks = look_vectors(draw_pictograms(["🚗", "🐈", "🍐"], size=32))
    np.testing.assert_allclose(np.linalg.norm(looks, axis=1), 1)


def test_the_loss_is_clips():
    model = CLIP(CLIPConfig(vocab_size=19, block_size=8))
    torch.manual_seed(0)
    pictures, texts = (torch.nn.functional.normalize(torch.randn(7, 64), dim=1) for _ in range(2))
    ours = contrastive_loss(model.scale * pictures @ texts.T)
    torch.testing.assert_close(ours, model.joined_loss(pictures, texts))
    assert float(contrastive_loss(1e3 * torch.eye(7))) == 0
    assert float(contrastive_loss(torch.zeros(7, 7))) == pytest.approx(math.log(7))


def towers_and_pairs():
    items = named("pear", "automobile", "tiger face", "laptop", "coconut")
    torch.manual_seed(0)
    towers = TwoTowers(chinese_characters([each.chinese for each in items]), channels=(4, 8, 16), embed=16)
    names = sorted({name for each in items for name in (each.english, *each.aliases)})
    vectors = dict(zip(names, torch.nn.functional.normalize(torch.randn(len(names), 384), dim=1), strict=True))
    return towers, PictogramPairs(items, vectors, towers)


def test_the_loss_is_the_mean_of_both_languages():
    towers, pairs = towers_and_pairs()
    pictures, english, chinese = pairs.batch(0, 5, seed=0)
    seen = towers.encode_pictures(pictures)
    losses = [
        contrastive_loss(towers.scale * seen @ each.T)
        for each in (towers.encode_english(english), towers.encode_chinese(chinese))
    ]
    torch.testing.assert_close(towers.loss(pictures, english, chinese), sum(losses) / 2)


def test_a_batch_comes_again_and_has_each_pictogram_once():
    _, pairs = towers_and_pairs()
    first, again, other = pairs.batch(3, 5, seed=0), pairs.batch(3, 5, seed=0), pairs.batch(4, 5, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert len({tuple(row.tolist()) for row in first[2]}) == 5


def test_towers_learn_five_pictograms():
    towers, pairs = towers_and_pairs()
    config = TrainConfig(steps=60, batch_size=5, lr=5e-3, warmup_steps=5, precision="fp32", device="cpu")
    history = fit(towers, pairs, config)
    assert history.frame["loss"].iloc[0] > 1
    assert history.frame["loss"].tail(10).mean() < 0.5


def test_characters_are_numbered_and_unknown_ones_passed_over():
    towers = TwoTowers("梨汽车", channels=(4,), embed=7)
    assert towers.number_characters(["汽车", "梨", "狗"]).tolist() == [[2, 3], [1, 0], [0, 0]]
    own = torch.nn.functional.normalize(towers.chinese.weight[2] + towers.chinese.weight[3], dim=0)
    torch.testing.assert_close(towers.encode_chinese(towers.number_characters(["车汽"]))[0], own)


def test_a_photograph_differs_and_stays_a_picture():
    drawn = as_pictures(draw_pictograms(["🚗", "🐈"], size=32))
    taken = photograph(drawn, seed=0)
    assert taken.shape == drawn.shape
    assert 0 <= float(taken.min()) <= float(taken.max()) <= 1
    assert torch.equal(taken, photograph(drawn, seed=0))
    assert 0.02 < float((taken - drawn).abs().mean()) < 0.3
    assert float(photograph(torch.ones(1, 3, 16, 16), seed=1).mean()) > 0.8  # white stays white, a tint aside


@pytest.mark.parametrize("n_errors", [0, 1, 2, 5])
def test_a_misspelled_word_is_so_far_away(n_errors):
    rng = np.random.default_rng(0)
    for _ in range(50):
        typed = misspell("automobile", n_errors, rng)
        assert abs(len(typed) - 10) <= n_errors
        assert (typed == "automobile") or n_errors > 0
    assert misspell("a", 3, rng) == "a"
