"""The image sets: shapes, ranges, and that nothing of the validation set is in the training set."""

import numpy as np
import pytest
import torch
from sklearn import datasets

from companion import data
from companion.data import images as module


def test_digits_are_the_scans_of_scikit_learn():
    images, labels = data.digits()
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == torch.float32
    assert (labels.shape, labels.dtype) == ((1797,), torch.int64)
    theirs = datasets.load_digits()
    assert np.array_equal(images.numpy().reshape(1797, 64) * 16, theirs.data)
    assert np.array_equal(labels, theirs.target)
    assert (images.min(), images.max()) == (0, 1)


def test_a_split_keeps_shares_and_loses_nothing():
    images = torch.arange(101)[:, None, None, None].float()
    labels = torch.tensor([0] * 61 + [1] * 29 + [2] * 11)[torch.randperm(101)]
    (x, y), (held_x, held_y) = data.stratified_split(images, labels, validation_fraction=0.3, seed=5)
    assert held_y.bincount().tolist() == [18, 9, 3]  # 0.3 of 61, 29 and 11
    assert sorted(torch.cat([x, held_x]).flatten().tolist()) == list(range(101))
    assert torch.equal(labels[x.flatten().long()], y)
    assert torch.equal(labels[held_x.flatten().long()], held_y)
    again = data.stratified_split(images, labels, validation_fraction=0.3, seed=5)
    assert torch.equal(again[1][0], held_x)
    other = data.stratified_split(images, labels, validation_fraction=0.3, seed=6)
    assert not torch.equal(other[1][0], held_x)


@pytest.mark.parametrize("part", ["train", "validation"])
def test_crops_are_pieces_of_the_photographs(part):
    crops, labels = data.photo_crops(6, 31, part=part, seed=1)
    assert crops.shape == (6, 3, 31, 31)
    assert crops.dtype == torch.float32
    assert labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert labels.dtype == torch.int64
    for crop, label in zip(crops, labels, strict=True):
        photograph = datasets.load_sample_images().images[label]
        corners = (photograph[:397, :610] == np.round(crop[:, 0, 0].numpy() * 255)).all(axis=2)
        found = [photograph[y : y + 31, x : x + 31] for y, x in np.argwhere(corners)]
        assert any(np.array_equal(window, np.round(crop.permute(1, 2, 0).numpy() * 255)) for window in found)


@pytest.mark.parametrize("size", [1, 7, 32, 160])
def test_no_pixel_is_in_crops_of_both_parts(monkeypatch, size):
    """Photographs whose colors are their own coordinates: the crops tell where they come from."""
    y, x = np.mgrid[:427, :640]
    coordinates = np.stack([y // 2, x // 256, x % 256], axis=2).astype(np.uint8)
    monkeypatch.setattr(module, "_photographs", lambda: np.stack([coordinates, coordinates]))

    def columns(part):
        crops = (data.photo_crops(60, size, part=part)[0].numpy() * 255).round().astype(int)
        columns = crops[:, 1] * 256 + crops[:, 2]
        assert (np.diff(columns, axis=2) == 1).all()  # each crop lies in one piece, and is not mirrored
        return columns

    assert set(np.unique(columns("validation"))) <= set(range(240, 400))
    assert not set(np.unique(columns("train"))) & set(range(240, 400))
    assert {columns("train").min() < 240, columns("train").max() > 400} == {True}  # both sides are used


def test_a_seed_repeats_crops_and_scenes():
    scans = data.digits()
    for make in (lambda seed: data.photo_crops(7, 13, seed=seed), lambda seed: data.digit_scenes(*scans, 7, seed=seed)):
        first, second, other = make(3), make(3), make(4)
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        assert not torch.equal(first[0], other[0])


def test_scenes_show_what_their_masks_say():
    scans, labels = data.digits()
    scenes, masks = data.digit_scenes(scans, labels, 53, size=23, count=2)
    assert (scenes.shape, scenes.dtype) == ((53, 1, 23, 23), torch.float32)
    assert (masks.shape, masks.dtype) == ((53, 23, 23), torch.int64)
    assert scenes.min() >= 0
    assert scenes.max() == 1
    assert torch.equal(masks > 0, scenes[:, 0] >= 0.5)
    assert set(masks.unique().tolist()) == set(range(11))
    assert max(len(mask[mask > 0].unique()) for mask in masks) == 2


def test_one_scan_lies_whole_in_its_scene():
    scans, labels = data.digits()
    scans, labels = scans[:1] * (scans[:1] >= 0.5), labels[:1] + 4
    scenes, masks = data.digit_scenes(scans, labels, 31, size=11, count=1)
    places = set()
    for scene, mask in zip(scenes[:, 0], masks, strict=True):
        assert sorted(scene[mask > 0].tolist()) == sorted(scans[scans > 0].tolist())
        assert set(mask.unique().tolist()) == {0, 5}
        places.add(tuple(torch.nonzero(mask)[0].tolist()))
    assert len({y for y, _ in places}) == len({x for _, x in places}) == 4  # 11 - 8 + 1


def test_sets_go_into_batches():
    train, validation = data.stratified_split(*data.digits())
    batches = data.TensorBatches(train, validation)
    images, labels = batches.batch(0, 11, seed=0)
    assert (images.shape, labels.shape) == ((11, 1, 8, 8), (11,))
    assert sum(len(y) for _, y in batches.validation(100)) == len(validation[1]) == 359


def crops(**changes):
    return lambda: data.photo_crops(**({"n": 5, "size": 7} | changes))


def scenes(images=(3, 1, 8, 8), labels=3, n=5, **options):
    return lambda: data.digit_scenes(torch.zeros(images), torch.zeros(labels).long(), n, **options)


def split(images=10, labels=10, **options):
    return lambda: data.stratified_split(torch.zeros(images, 1, 2, 2), torch.zeros(labels).long(), **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (crops(n=0), "n of at least 1 .* got n=0 and size=7"),
        (crops(size=161), "size from 1 to 160, got n=5 and size=161"),
        (crops(size=0), "got n=5 and size=0"),
        (crops(part="test"), "part to be one of .* got 'test'"),
        (scenes(images=(3, 8, 8)), r"images \[n, 1, height, width\] .* got \[3, 8, 8\]"),
        (scenes(images=(3, 2, 8, 8)), r"got \[3, 2, 8, 8\]"),
        (scenes(images=(0, 1, 8, 8), labels=0), r"got \[0, 1, 8, 8\]"),
        (scenes(labels=2), r"one label each, got \[3, 1, 8, 8\] and \[2\]"),
        (scenes(size=7), "size of at least 8, the scans' own, got n=5, count=3 and size=7"),
        (scenes(n=0), "got n=0, count=3 and size=32"),
        (scenes(count=0), "got n=5, count=0"),
        (split(labels=9), "one label an image, got 10 images and 9 labels"),
        (split(validation_fraction=0.01), "on both sides, got 0 of 10 images of class 0 .* choose another fraction"),
        (split(validation_fraction=1), "got 10 of 10 images of class 0"),
        (split(images=1, labels=1), "got 0 of 1 images of class 0"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
