import numpy as np
import pytest
import torch

from companion.data import CAPTION_WORDS, CaptionedShapes, all_captions, draw_captions, encode_captions
from companion.data.captions import COLORS


def draw(*captions, seed=0, size=97):
    return draw_captions(captions, np.random.default_rng(seed), size=size)


def pixels(image, color):
    """The places of a color's pixels, [pixel, 2], from the top and from the left."""
    return np.argwhere((image == np.array(COLORS[color])[:, None, None]).all(axis=0))


def test_there_are_as_many_captions_as_scenes():
    captions = all_captions()
    assert len(set(captions)) == len(captions) == 12 + 12 * 11 * 2
    assert not any(first == second for first, _, second in (caption.partition(" above ") for caption in captions))


@pytest.mark.parametrize("seed", range(7))
def test_shapes_stand_as_the_caption_says(seed):
    above, left = draw("a red circle above a blue square", "a green triangle left of a yellow circle", seed=seed)
    assert pixels(above, "red")[:, 0].max() < pixels(above, "blue")[:, 0].min()
    assert pixels(left, "green")[:, 1].max() < pixels(left, "yellow")[:, 1].min()


@pytest.mark.parametrize(
    ("shape", "share"),
    [("circle", np.pi / 4), ("square", 1.0), ("triangle", 0.5)],
    ids=["circle", "square", "triangle"],
)
def test_shapes_fill_their_box_as_they_should(shape, share):
    """The share of the smallest box around it: π/4 of a circle, all of a square, half of a triangle."""
    [image] = draw(f"a red {shape}", size=997)
    where = pixels(image, "red")
    assert len(where) / np.prod(np.ptp(where, axis=0) + 1) == pytest.approx(share, abs=0.01)


def test_a_lone_shape_is_drawn_alone_and_wherever():
    images = draw(*["a blue circle"] * 53)
    assert np.unique(images).tolist() == [0, 1]
    assert not images[:, :2].any()
    middles = np.array([pixels(image, "blue").mean(axis=0) / 97 for image in images])
    assert (np.ptp(middles, axis=0) > 0.4).all()
    assert middles.min() > 0.24
    assert middles.max() < 0.76


def test_captions_as_numbers_are_their_words():
    tokens = encode_captions(["a red circle", "a red circle left of a blue square"])
    assert tokens.shape == (2, 8)
    assert tokens.dtype == torch.int64
    assert [[CAPTION_WORDS[word] for word in row] for row in tokens.tolist()] == [
        ["a", "red", "circle", "", "", "", "", ""],
        ["a", "red", "circle", "left", "of", "a", "blue", "square"],
    ]


def test_a_batch_is_a_function_of_its_step():
    data = CaptionedShapes(size=13)
    images, tokens = data.batch(2, 17, seed=3)
    data.batch(3, 17, seed=3)
    again = CaptionedShapes(size=13).batch(2, 17, seed=3)
    assert images.shape == (17, 3, 13, 13)
    assert images.equal(again[0])
    assert tokens.equal(again[1])
    assert not images.equal(data.batch(2 + 221, 17, seed=3)[0])  # 17 epochs later, the same place in another order
    assert len(set(map(tuple, tokens.tolist()))) == 17


def test_validation_has_captions_that_are_never_trained_on():
    data = CaptionedShapes(size=13, held_out=0.25)
    assert sorted(data.train_captions + data.validation_captions) == sorted(all_captions())
    assert len(data.validation_captions) == 69
    batches, again = list(data.validation(11)), list(data.validation(69))
    assert [len(images) for images, _ in batches] == [11] * 6 + [3]
    assert torch.cat([images for images, _ in batches]).equal(again[0][0])
    assert again[0][1].equal(encode_captions(data.validation_captions))
    seen = {tuple(row) for step in range(13) for row in data.batch(step, 17, seed=0)[1].tolist()}
    assert len(seen) == 207  # 13 × 17 pairs: each training caption at least once
    assert not seen & set(map(tuple, again[0][1].tolist()))


@pytest.mark.parametrize("held_out", [0, 1, 1.5, -0.1])
def test_a_bad_share_is_refused(held_out):
    with pytest.raises(ValueError, match=f"held_out between 0 and 1, .* got {held_out}"):
        CaptionedShapes(held_out=held_out)


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        (["a purple circle"], "unknown words \\['purple'\\]"),
        ([], "lengths \\[\\]"),
        (["a red circle", ""], "lengths \\[0, 3\\]"),
        (["a a a a a a a a a"], "of 1 to 8 words .* lengths \\[9\\]"),
    ],
)
def test_bad_captions_are_refused(captions, message):
    with pytest.raises(ValueError, match=message):
        encode_captions(captions)


def test_only_captions_are_drawn():
    with pytest.raises(ValueError, match="such as 'a red circle' and .* got \\['a circle red'\\]"):
        draw("a circle red")
    with pytest.raises(ValueError, match="such as .* got \\[\\]"):
        draw()
