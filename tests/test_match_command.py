"""``python -m companion match``: words, a picture, both, and one line for what cannot be."""

import re

import pytest
from PIL import Image

from companion.__main__ import main
from companion.cases.multimodal import NOTICE
from companion.data import draw_pictograms


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.PNG"
    Image.fromarray(draw_pictograms(["🚗"], size=64)[0].transpose(1, 2, 0)).save(path)
    return str(path)


@pytest.mark.parametrize("query", ["a red car", "汽车", "photo", "both"])
def test_five_matches_a_promise_and_the_credit_are_printed(photo, capsys, query):
    arguments = {"photo": [photo], "both": ["red caar", "--picture", photo]}.get(query, [query])
    assert main(["match", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"🚗  \d\.\d\d  automobile; 汽车; car; red car", lines[0])
    scores = [float(line.split("  ")[1]) for line in lines[:5]]
    assert scores == sorted(scores, reverse=True)
    assert re.fullmatch(r"the first is right in \d+% of tests with such a score \(\d+% to \d+%\)", lines[5])
    assert lines[6:] == [NOTICE]
    assert "CC BY-SA 4.0" in NOTICE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "expected words, 1 to 200 letters"),
        (["красный"], "expected English or Chinese words"),
        (["龘"], "expected Chinese with a character of some name"),
        (["nothing.png"], "expected a file with a picture, got nothing.png"),
        (["car", "--picture", "nothing.jpg"], "expected a file with a picture, got nothing.jpg"),
        (["a.png", "--picture", "b.png"], "expected words beside --picture, got a second picture, a.png"),
    ],
)
def test_what_cannot_be_is_one_line(capsys, arguments, message):
    assert main(["match", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"error: {message}")
    assert output.err.count("\n") == 1


def test_a_broken_picture_is_one_line(tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    assert main(["match", str(tmp_path / "broken.png")]) == 2
    assert re.fullmatch(r"error: expected a PNG, JPEG, GIF or WebP picture, got .*\n", capsys.readouterr().err)
