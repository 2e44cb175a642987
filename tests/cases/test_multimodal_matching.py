"""Words and pictures among the pictograms: found, refused in one line, and as good as the record says."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity

from companion.cases import multimodal
from companion.cases.multimodal import (
    LetterIndex,
    concept_groups,
    describe_tests,
    draw_matches,
    matcher,
    read_picture,
    split_concepts,
)
from companion.cases.picture_file import MOST_BYTES
from companion.data import draw_pictograms, pictograms

FOLDER = Path(multimodal.__file__).parent


def save(path, character="🚗", size=200):
    Image.fromarray(draw_pictograms([character], size=size)[0].transpose(1, 2, 0)).save(path)
    return path


def first(*args, **options):
    return matcher().match(*args, **options).matches[0].pictogram.english


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("a red car", "automobile"),
        ("tigr face", "tiger face"),
        ("梨", "pear"),
        ("汽车", "automobile"),
        ("蘑菇", "mushroom"),
    ],
)
def test_words_find_pictograms(words, name):
    assert first(words) == name


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_picture_finds_its_pictogram(tmp_path, suffix):
    assert first(picture=save(tmp_path / f"photo{suffix}")) == "automobile"


def test_words_and_picture_add_up(tmp_path):
    path = save(tmp_path / "photo.png", "🐯")
    pictures = matcher().picture_scores(multimodal.as_pictures(read_picture(path)[None]))
    expected = matcher().name_scores(["tigre"]) + 2 * pictures
    answer = matcher().match("tigre", path, k=7)
    assert len(answer.matches) == 7
    assert answer.matches[0].score == pytest.approx(float(expected.max()), abs=1e-5)
    assert answer.matches[0].pictogram.english == "tiger face"


def test_letters_are_scikit_learns_cosines():
    texts = ["red car", "automobile", "pear"]
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit(texts)
    cosines = cosine_similarity(vectorizer.transform(["a red caar"]), vectorizer.transform(texts))[0]
    found = LetterIndex([["red car", "automobile"], ["pear"]]).scores(["a red caar"])[0]
    np.testing.assert_allclose(found, [cosines[:2].max(), cosines[2]])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "expected words, 1 to 200 letters"),
        ("  ", "expected words, 1 to 200 letters"),
        ("?!", "expected words, 1 to 200 letters"),
        ("x" * 201, "expected words, 1 to 200 letters, got .* of 201"),
        ("красная машина", "expected English or Chinese words, got letters of another script"),
        ("龘", "expected Chinese with a character of some name"),
    ],
)
def test_words_that_cannot_be_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        matcher().match(words)


def test_neither_words_nor_picture_is_refused():
    with pytest.raises(ValueError, match="expected words, a picture or both, got neither"):
        matcher().match()


def test_files_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a file with a picture"):
        read_picture(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match="expected a PNG, JPEG, GIF or WebP picture"):
        read_picture(tmp_path / "text.png")
    whole = save(tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="expected a whole picture"):
        read_picture(tmp_path / "half.png")
    Image.new("RGB", (7, 30)).save(tmp_path / "tiny.png")
    with pytest.raises(ValueError, match="expected edges of 8 pixels"):
        read_picture(tmp_path / "tiny.png")
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ValueError, match="expected a file of at most 32 MB"):
        read_picture(tmp_path / "huge.png")


@pytest.mark.parametrize("side", [6_325, 20_000])
def test_a_small_file_with_too_many_pixels_is_refused_unread(tmp_path, side):
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    with pytest.raises(ValueError, match="expected at most 40,000,000 pixels, got"):
        read_picture(tmp_path / "bomb.png")


def test_transparent_is_white_and_a_rectangle_becomes_a_square(tmp_path):
    Image.new("RGBA", (64, 16), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (read_picture(tmp_path / "clear.png") == 255).all()
    Image.new("RGB", (64, 32), (255, 0, 0)).save(tmp_path / "wide.png")
    pixels = read_picture(tmp_path / "wide.png")
    assert pixels.shape == (3, 32, 32)
    assert (pixels[:, 0] == 255).all()
    assert (pixels[1:, 16] == 0).all()


def test_matches_are_drawn_and_their_promise_is_said(tmp_path):
    answer = matcher().match("a red car")
    assert draw_matches(answer, size=32).size == (5 * 32, 32)
    right = answer.right
    assert 0 <= right.low <= right.estimate <= right.high <= 1
    assert f"{right.low:.0%} to {right.high:.0%}" in describe_tests(answer)


def test_the_promise_is_that_of_its_third():
    tests = json.loads((FOLDER / "tests.json").read_text(encoding="utf-8"))
    assert set(tests) == {"words", "picture", "both"}
    for kind, each in tests.items():
        for third, score in enumerate((each["edges"][0] - 0.1, sum(each["edges"]) / 2, each["edges"][1] + 0.1)):
            right = multimodal.matching._tested(kind, score)
            assert right.estimate == pytest.approx(each["right"][third] / each["n"][third])


def test_weights_are_small_and_were_recorded():
    recorded = Path(__file__).parents[2] / "book" / "recorded" / "multimodal" / "run.json"
    digests = str(json.loads(recorded.read_text(encoding="utf-8")))
    files = [FOLDER / "towers.safetensors", FOLDER / "names.safetensors"]
    assert sum(file.stat().st_size for file in files) <= 700_000
    assert all(f"cases/multimodal/{file.name}" in digests for file in files)


def test_pictures_of_names_never_trained_on_are_found_more_often_than_by_chance():
    held = np.flatnonzero(split_concepts(concept_groups(pictograms())))
    scores = matcher().names[held] @ matcher().looks[held].T
    ranks = (scores > scores.diagonal()[:, None]).sum(dim=1)
    assert 0.1 < float((ranks < 10).float().mean()) < 0.4  # chance: 0.036


def test_the_stored_names_are_the_towers():
    some = [each.english for each in pictograms()[::200]]
    again = multimodal.text_vectors(matcher().towers, some)
    torch.testing.assert_close(again, matcher().names[::200], atol=2e-3, rtol=0)
