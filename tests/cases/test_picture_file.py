"""One reader of pictures for all cases: whatever a camera, a scanner or a stranger made of a file."""

import numpy as np
import pytest
from picture_bomb import bomb
from PIL import Image

from companion.cases import multimodal, pictures, segmentation
from companion.cases.picture_file import MOST_BYTES, open_picture

HALF = np.zeros((48, 48), np.uint8)
HALF[:24] = 200  # the upper half is light


def looked_at(path):
    """What each of the three cases sees: gray from 0 to 255, 24 by 24 or more."""
    return {
        "pictures": pictures.read_picture(path).pixels.mean(axis=2),
        "multimodal": multimodal.read_picture(path).mean(axis=0),
        "segmentation": 255 * segmentation.read_scan(path).values,
    }


def assert_light_above(path):
    for case, gray in looked_at(path).items():
        n = len(gray) // 4
        assert (gray[:n].mean(), gray[-n:].mean()) == pytest.approx((200, 0), abs=4), case


def deep(path):
    Image.fromarray(HALF.astype(np.uint16) * 257).save(path, format="PNG")


def deep_and_dark(path):
    """Values up to 255 of 65,535, which are as good as black."""
    Image.fromarray(np.full((48, 48), 255, np.uint16)).save(path, format="PNG")


def turned(path, format="JPEG", orientation=3):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(HALF[::-1].repeat(3).reshape(48, 48, 3)).save(path, format=format, exif=exif, quality=95)


def four_inks(path):
    Image.fromarray(HALF).convert("RGB").convert("CMYK").save(path, format="JPEG", quality=95)


def with_preview(path):
    """As telephones write photographs: a second, smaller picture in the same JPEG file."""
    photograph, preview = Image.fromarray(HALF).convert("RGB"), Image.new("RGB", (16, 16), "red")
    photograph.save(path, format="MPO", save_all=True, append_images=[preview], quality=95)


def palette(path):
    Image.fromarray(HALF).convert("P").save(path, format="PNG")


@pytest.mark.parametrize("write", [deep, turned, four_inks, with_preview, palette])
def test_every_case_sees_the_same_picture(tmp_path, write):
    write(tmp_path / "picture")
    assert_light_above(tmp_path / "picture")


def test_sixteen_bits_are_scaled_and_not_cut(tmp_path):
    deep_and_dark(tmp_path / "dark.png")
    assert {round(float(gray.max())) for gray in looked_at(tmp_path / "dark.png").values()} <= {0, 1}


def test_what_is_transparent_does_not_show_the_color_beneath(tmp_path):
    pixels = np.full((48, 48, 4), 120, np.uint8)
    pixels[..., 3] = 0
    for name, stored in (("rgba", Image.fromarray(pixels)), ("la", Image.fromarray(pixels[..., 2:]))):
        stored.save(tmp_path / f"{name}.png")
        seen = looked_at(tmp_path / f"{name}.png")
        assert (seen["pictures"] == 255).all()
        assert (seen["multimodal"] == 255).all()
        assert (seen["segmentation"] == 0).all()  # around a head there is nothing, which is black


def moving(path, format):
    frames = [Image.new("RGB", (32, 32), (shade, 0, 0)) for shade in (0, 100, 200)]
    frames[0].save(path, format=format, save_all=True, append_images=frames[1:])


def cut_off(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)).save(path, format="PNG")
    path.write_bytes(path.read_bytes()[:1_500])


def as_long_as_a_film(path):
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.truncate(MOST_BYTES + 2**20)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: moving(path, "PNG"), "expected one still picture, got 3 frames"),
        (bomb, "expected at most .* pixels, got far more"),
        (lambda path: Image.new("1", (8_000, 6_000)).save(path, format="PNG"), "pixels, got 8,000×6,000"),
        (cut_off, "expected a whole picture"),
        (as_long_as_a_film, "expected a file of at most 32 MB, got 33 MB"),
        (lambda path: Image.new("L", (200, 7)).save(path, format="PNG"), "expected edges of .* got 200×7"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"junk" * 99), "expected a whole picture"),
    ],
)
@pytest.mark.parametrize("read", [pictures.read_picture, multimodal.read_picture, segmentation.read_scan])
def test_every_case_refuses_in_one_line(tmp_path, read, spoil, message):
    spoil(tmp_path / "picture")
    with pytest.raises(ValueError, match=f"^expected .*{message.removeprefix('expected ')}") as refusal:
        read(tmp_path / "picture")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_what_moves_is_refused(tmp_path, format):
    moving(tmp_path / "picture", format)
    with pytest.raises(ValueError, match="expected one still picture, got 3 frames"):
        open_picture(tmp_path / "picture")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_file_with_a_wrong_byte_is_read_or_refused_in_one_line(tmp_path, format):
    path, rng = tmp_path / "picture", np.random.default_rng(0)
    turned(path, format) if format != "GIF" else Image.fromarray(HALF).save(path, format=format)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    refusals = []
    for _ in range(100):
        spoiled = whole.copy()
        spoiled[rng.integers(0, min(400, len(whole)), size=3)] = rng.integers(0, 256, size=3)
        path.write_bytes(spoiled.tobytes())
        try:
            assert open_picture(path).size[0] >= 16
        except ValueError as error:
            refusals.append(str(error))
    assert all(text.startswith("expected ") and "\n" not in text for text in refusals)
