"""Pictures cut from photographs, features held to scikit-image, wrong labels held to counts, recorded weights."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.feature import hog

from companion.cases import pictures as cases
from companion.cases.pictures import answer

RECORDED = Path(__file__).parents[2] / "book" / "recorded" / "image_classification"
PACKAGE = Path(answer.__file__).parent
PARTS = ("train", "calibration", "test")


def rows(name):
    with (RECORDED / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def shown():
    return cases.pictures("test", 7)


def test_parts_share_no_pixel_and_keep_to_their_rectangle():
    for photograph in cases.PHOTOGRAPHS:
        covered = np.zeros((1_500, 1_500), dtype=int)
        for part in PARTS:
            left, top, right, bottom = photograph.region(part)
            covered[top:bottom, left:right] += 1
        left, top, right, bottom = photograph.box
        assert covered.max() == 1
        assert covered.sum() == covered[top:bottom, left:right].sum() == (right - left) * (bottom - top)


@pytest.mark.parametrize("part", PARTS)
def test_squares_lie_in_their_part(part):
    some = cases.pictures(part, 11, seed=3)
    for number, (x, y, edge) in zip(some.photographs, some.squares, strict=True):
        left, top, right, bottom = cases.PHOTOGRAPHS[number].region(part)
        assert left <= x <= x + edge <= right
        assert top <= y <= y + edge <= bottom
        assert edge <= 96
    assert np.bincount(some.labels).tolist() == [88, 88]


def test_a_square_is_its_mean_over_places():
    number = next(i for i, each in enumerate(cases.PHOTOGRAPHS) if each.name == "tissue")
    from skimage.data import immunohistochemistry

    block = immunohistochemistry()[16:80, 32:96].astype(float)
    mean = block.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert (
        np.abs(cases.cut(number, np.array([32, 16, 64])) - mean).max() <= 1
    )  # Pillow rounds down the columns, then again


def test_the_same_seed_cuts_the_same_pictures(shown):
    again, other = cases.pictures("test", 7), cases.pictures("test", 7, seed=1)
    assert (again.pixels == shown.pixels).all()
    assert (other.squares != shown.squares).any()


def test_gradients_are_those_of_scikit_image(shown):
    ours = cases.oriented_gradients(shown.pixels)
    for pixels, row in zip(shown.pixels[::5], ours[::5], strict=True):
        gray = pixels.mean(axis=2, dtype=np.float32) / 255
        assert row == pytest.approx(hog(gray, 9, (8, 8), (2, 2)), abs=1e-5)


def test_colors_are_counted(shown):
    found = cases.color_histogram(shown.pixels[:3]) ** 2
    for pixels, row in zip(shown.pixels, found, strict=False):
        edges = [np.arange(0, 257, 64)] * 3
        counts, _ = np.histogramdd(pixels.reshape(-1, 3).astype(float), edges)
        assert row == pytest.approx(counts.ravel() / 1_024, abs=1e-6)
    assert cases.features(shown.pixels[:3]).shape == (3, 64 + 324)


def test_gradients_refuse_an_odd_size():
    with pytest.raises(ValueError, match="expected pictures of multiples of 8 pixels"):
        cases.oriented_gradients(np.zeros((1, 20, 32, 3), np.uint8))


def test_augmentation_keeps_labels_and_depends_on_seed_and_step_alone(shown):
    images, labels = cases.as_images(shown.pixels), torch.from_numpy(shown.labels)
    batches = cases.AugmentedBatches(images, labels, tint=0.2)
    first, second, later = batches.batch(0, 16, seed=5), batches.batch(0, 16, seed=5), batches.batch(1, 16, seed=5)
    plain = batches.plain.batch(0, 16, seed=5)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], plain[1])
    assert not torch.equal(first[0], plain[0])
    assert not torch.equal(first[0], later[0])
    assert list(batches.validation(8)) == []


def test_without_tint_a_batch_is_moved_or_mirrored_whole_pixels(shown):
    images, labels = cases.as_images(shown.pixels), torch.from_numpy(shown.labels)
    batches = cases.AugmentedBatches(images, labels, tint=0.0)
    changed, _ = batches.batch(0, 4, seed=0)
    plain, _ = batches.plain.batch(0, 4, seed=0)
    for one, other in zip(changed, plain, strict=True):
        middle = one[:, 4:28, 4:28]
        windows = [
            flipped[:, y : y + 24, x : x + 24] for flipped in (other, other.flip(2)) for y in range(9) for x in range(9)
        ]
        assert any(torch.equal(middle, window) for window in windows)


def test_confident_learning_counts_what_a_hand_counts():
    rng = np.random.default_rng(0)
    labels, p = rng.integers(0, 3, 41), rng.dirichlet([1, 1, 1], 41)
    thresholds = [np.mean([p[i, j] for i in range(41) if labels[i] == j]) for j in range(3)]
    joint = np.zeros((3, 3), dtype=int)
    for i in range(41):
        above = [(p[i, j], j) for j in range(3) if p[i, j] >= thresholds[j]]
        if above:
            joint[labels[i], max(above)[1]] += 1
    assert cases.confident_joint(labels, p).tolist() == joint.tolist()
    assert cases.suspected(labels, p).sum() == joint.sum() - np.trace(joint)


def test_planted_labels_are_found_where_classes_are_told_apart():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 2_000)
    p = np.where(truth == 1, rng.beta(30, 1, 2_000), rng.beta(1, 30, 2_000))
    planted = rng.random(2_000) < 0.1
    found = cases.suspected(np.where(planted, 1 - truth, truth), np.column_stack([1 - p, p]))
    assert found[planted].mean() > 0.9
    assert planted[found].mean() > 0.9


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 1], [[0.5, 0.5]], "one row an example in each, got other lengths"),
        ([0, 1], [[0.5, 0.5], [1.5, -0.5]], "expected probabilities between 0 and 1"),
        ([0, 0], [[0.5, 0.5], [0.5, 0.5]], "expected labels of each class from 0 to 1"),
    ],
)
def test_confident_learning_refuses(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        cases.suspected(labels, probabilities)


def test_the_files_in_the_package_are_those_that_were_recorded():
    for row in rows("answers.files.csv"):
        assert hashlib.sha256((PACKAGE / row["file"]).read_bytes()).hexdigest() == row["sha256"]
    assert sum(path.stat().st_size for path in PACKAGE.glob("*.safetensors")) < 700_000


def test_the_network_says_what_was_recorded():
    recorded = [row for row in rows("answers.csv") if row["part"] == "test"]
    shown = cases.pictures("test", 125)
    z = cases.logits(cases.trained_network(), shown.pixels)
    assert [int(row["photograph"]) for row in recorded] == shown.photographs.tolist()
    assert z[:, 1] - z[:, 0] == pytest.approx([float(row["z1"]) - float(row["z0"]) for row in recorded], abs=0.02)
    distances = [
        cases.nearest(each, 1)[0].distance for each in cases.descriptions(cases.trained_network(), shown.pixels)
    ]
    assert distances == pytest.approx([float(row["distance"]) for row in recorded], abs=0.01)


def test_a_stored_training_picture_is_its_own_nearest():
    train = cases.pictures("train", 625)
    here = cases.descriptions(cases.trained_network(), train.pixels[600:601])
    first, second = cases.nearest(here[0], 2)
    assert first.distance < 0.01
    assert first.distance <= second.distance
    assert first.square == tuple(train.squares[600])
    assert first.photograph == train.photographs[600]
