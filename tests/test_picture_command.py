"""``python -m companion picture``: a class with its probability and neighbors; one line for what cannot be read."""

import re

import numpy as np
import pytest
from picture_bomb import bomb
from PIL import Image

from companion.__main__ import main
from companion.cases import pictures as cases
from companion.cases.picture_file import MOST_PIXELS


@pytest.fixture
def photo(tmp_path, monkeypatch):
    """Part of a test region, as a file: gravel, or a motorcycle."""
    monkeypatch.chdir(tmp_path)

    def written(name="photo.png", *, of="gravel", part="test", mode="RGB"):
        photograph = next(each for each in cases.PHOTOGRAPHS if each.name == of)
        left, top, _, _ = photograph.region(part)
        with Image.open(photograph.path()) as whole:
            whole.convert("RGB").crop((left + 8, top + 8, left + 88, top + 88)).convert(mode).save(name)
        return name

    return written


@pytest.mark.parametrize(("of", "expected"), [("gravel", "natural"), ("print", "made"), ("grass", "natural")])
def test_a_familiar_picture_gets_its_class(photo, capsys, of, expected):
    assert main(["picture", photo(of=of, part="train"), "--out", "near.png", "--neighbors", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = cases.classify_picture("photo.png")
    assert found.answer == expected
    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert lines[0].startswith(f"answer: {expected} ")
    shown = [float(value) for value in re.findall(r"\d\.\d\d", lines[0])]
    assert shown == pytest.approx(list(found.probabilities.values()), abs=0.006)
    assert lines[1].startswith(f"  right: {found.checked.estimate:.2f} ")
    assert found.elsewhere.high < found.checked.low
    near = [line for line in lines if line.startswith("near ")]
    assert len(near) == 3
    assert near[0].startswith(f"near 1: {of} ({expected})")
    assert lines[-1] == "picture: near.png"
    with Image.open("near.png") as picture:
        assert np.asarray(picture).std() > 20


def test_an_unfamiliar_picture_gets_no_class(tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    assert main(["picture", str(tmp_path / "noise.png")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("I do not know")
    assert "unlike every picture that it learned from" in printed
    assert cases.classify_picture(tmp_path / "noise.png").answer is None


def test_the_same_picture_in_other_files_is_the_same(photo):
    plain = cases.classify_picture(photo())
    assert cases.read_picture("photo.png").notes == ()
    gray = np.asarray(Image.open("photo.png").convert("L"))
    Image.fromarray(gray.astype(np.uint16) * 257).save("deep.png")
    Image.fromarray(gray).save("gray.png")
    clear = Image.open("photo.png").convert("RGBA")
    clear.save("alpha.png")
    for name, note in (("deep.png", "16 bits a pixel"), ("gray.png", "gray: no colors"), ("alpha.png", "transparent")):
        found = cases.classify_picture(name)
        assert found.probabilities == pytest.approx(plain.probabilities, abs=0.02)
        assert any(note in each for each in found.picture.notes)
    assert (cases.read_picture("deep.png").pixels == cases.read_picture("gray.png").pixels).all()


def test_what_is_transparent_is_white_and_what_lies_beside_is_left_out(tmp_path):
    wide = np.zeros((40, 120, 4), np.uint8)
    wide[:, 40:80, 3] = 255  # black in the middle, clear beside
    Image.fromarray(wide).save(tmp_path / "wide.png")
    found = cases.read_picture(tmp_path / "wide.png")
    assert found.pixels.max() == 0
    assert "only the 40×40 in the middle" in found.notes[-1]
    Image.fromarray(np.zeros((40, 40, 4), np.uint8)).save(tmp_path / "clear.png")
    assert cases.read_picture(tmp_path / "clear.png").pixels.min() == 255


def test_a_palette_with_a_clear_color_and_a_turned_photograph(tmp_path):
    palette = Image.new("P", (32, 32), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "clear.gif", transparency=1)
    assert cases.read_picture(tmp_path / "clear.gif").pixels.min() == 255
    half = np.zeros((64, 64, 3), np.uint8)
    half[:32] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(half).save(tmp_path / "turned.png", exif=exif)
    pixels = cases.read_picture(tmp_path / "turned.png").pixels
    assert pixels[:16].max() == 0
    assert pixels[16:].min() == 255


def large(path):
    Image.new("1", (8_000, 6_000)).save(path)


def huge(path):
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.truncate(3 * 2**30)


def animated(path):
    frames = [Image.new("L", (32, 32), shade) for shade in (0, 100, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("spoil", "more", "message"),
    [
        (lambda path: path.unlink(), [], "expected a file with a picture"),
        (lambda path: path.write_bytes(b""), [], "expected a PNG, JPEG, GIF or WebP picture"),
        (lambda path: path.write_text("#!/bin/sh\nrm -rf /\n"), [], "expected a PNG, JPEG, GIF or WebP picture"),
        (lambda path: path.write_bytes(path.read_bytes()[:2_000]), [], "expected a whole picture"),
        (bomb, [], "expected at most 40,000,000 pixels"),
        (large, [], "got 8,000×6,000"),
        (huge, [], "expected a file of at most 32 MB, got 3,072 MB"),
        (animated, [], "expected one still picture, got 3 frames"),
        (lambda path: Image.new("L", (200, 9)).save(path), [], "expected edges of 16 pixels at least, got 200×9"),
        (lambda path: None, ["--neighbors", "0"], "expected 1 to 20 neighbors"),
        (lambda path: None, ["--out", "near.jpg"], "expected a file that ends in .png"),
        (lambda path: None, ["--out", "no/such/near.png"], "expected a folder that exists"),
    ],
)
def test_what_a_user_can_put_right_is_one_line(photo, tmp_path, capsys, spoil, more, message):
    photo()
    spoil(tmp_path / "photo.png")
    assert main(["picture", "photo.png", *more]) == 2
    errors = capsys.readouterr().err
    assert re.fullmatch("error: expected .*\n", errors)
    assert message in errors


def test_a_large_picture_is_refused_before_its_pixels_are_read(tmp_path, monkeypatch):
    large(tmp_path / "large.png")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("pixels were read"))
    with pytest.raises(ValueError, match=f"expected at most {MOST_PIXELS:,} pixels"):
        cases.read_picture(tmp_path / "large.png")
