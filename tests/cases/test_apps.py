"""The page of the cases: its answers are those of the cases, in a browser too; nobody else may ask, nothing is kept."""

import base64
import json
import tempfile
import urllib.error
import urllib.request

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, expect

from companion.cases import multimodal, pictures, recommend, retrieval, scorecard, segmentation
from companion.cases.apps import APPS, AppServer
from companion.cases.apps.server import MAX_BODY
from companion.data import draw_pictograms, german_credit, r_table

QUESTION = "Why must stacking use out-of-fold predictions?"


@pytest.fixture(scope="module")
def address():
    with AppServer().in_thread() as where:
        yield where


def post(address, name, body, *, file=None, **headers):
    kind = "text/plain" if file is None else "application/octet-stream"
    query = "" if file is None else f"?name={file}"
    request = urllib.request.Request(f"{address}/apps/{name}{query}", body, {"content-type": kind, **headers})
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_a_question_is_answered_as_the_case_does(address):
    status, said = post(address, "ask", QUESTION.encode())
    expected = retrieval.Library.of_book().ask(QUESTION)
    assert status == 200
    assert said["answer"] == f"“{expected.quote}”"
    assert any(f"{expected.fit:.2f}" in text for _, text in said["rows"])
    assert post(address, "ask", b"Who won the football match in Turin?")[1]["answer"] == "I do not know."


def test_an_order_is_heard_and_obeyed(address):
    status, said = post(address, "voice", b"turn on the kitchen light")
    assert status == 200
    rows = dict(said["rows"])
    assert "probability" in rows["heard"]
    assert "lights on" in rows["home"]


def test_a_slice_gets_regions_and_a_picture(address, tmp_path):
    segmentation.write_sample(tmp_path / "scan.dcm", seed=1)
    status, said = post(address, "imaging", (tmp_path / "scan.dcm").read_bytes(), file="scan.dcm")
    reading = segmentation.read_image(tmp_path / "scan.dcm")
    assert status == 200
    assert said["answer"] == (f"answer: {reading.answer}" if reading.answer else "send to a doctor")
    assert base64.b64decode(said["picture"]).startswith(b"\x89PNG")
    assert len([label for label, _ in said["rows"] if label.startswith("region")]) == min(5, len(reading.regions))


def test_a_picture_gets_a_class_and_neighbors(address, tmp_path):
    gravel = next(number for number, each in enumerate(pictures.PHOTOGRAPHS) if each.name == "gravel")
    Image.fromarray(pictures.cut(gravel, np.array([8, 8, 64]))).save(tmp_path / "photo.png")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    for name in ("photo.png", "noise.png"):
        found = pictures.classify_picture(tmp_path / name)
        status, said = post(address, "picture", (tmp_path / name).read_bytes(), file=name)
        assert status == 200
        assert said["answer"] == {"photo.png": "natural", "noise.png": "I do not know."}[name]
        assert [text for label, text in said["rows"] if label.startswith("near")] == [str(n) for n in found.neighbors]
        assert any(f"made {found.probabilities['made']:.2f}" in text for _, text in said["rows"])
        assert base64.b64decode(said["picture"]).startswith(b"\x89PNG")


def test_applicants_get_points_and_reasons(address, tmp_path):
    german_credit().drop(columns="bad").head(25).to_csv(tmp_path / "applicants.csv", index=False)
    status, said = post(address, "score", (tmp_path / "applicants.csv").read_bytes(), file="applicants.csv")
    expected = scorecard.score_applicants(german_credit().head(25), scorecard.load_card(), cost_bad=5, cost_good=1)
    assert status == 200
    assert (
        said["answer"]
        == f"accept {sum(not e.refuse for e in expected)}, refuse {sum(e.refuse for e in expected)} of 25"
    )
    assert [label for label, _ in said["rows"]] == [f"applicant {k}" for k in range(1, 6)]
    assert all(f"{each.score} points" in text for each, (_, text) in zip(expected[:5], said["rows"], strict=True))


@pytest.mark.parametrize("with_time", [True, False])
def test_users_get_lists_and_the_test_by_time(address, tmp_path, with_time):
    path = tmp_path / "ratings.csv"
    columns = ["userId", "movieId", "rating", *["timestamp"] * with_time]
    r_table("dslabs", "movielens").query("userId <= 120")[columns].to_csv(path, index=False)
    status, said = post(address, "recommend", path.read_bytes(), file="ratings.csv")
    assert status == 200
    rows, ratings = dict(said["rows"]), recommend.read_ratings(path)
    for each in recommend.recommend(ratings, k=3)[:5]:
        assert all(place.item in rows[f"user {each.user}"] for place in each.list)
        assert rows[f"user {each.user}"].endswith("; ".join(each.popular))
    if not with_time:
        assert said["answer"] == "not tested by time: show the most popular"
        assert len(rows) == 5
        return
    expected = recommend.time_test(ratings)
    assert expected is not None
    assert said["answer"].startswith("the model wins" if expected.wins else "the model is not shown to win")
    assert f"{expected.over_recent.estimate:+.3f}" in rows["over the most popular lately"]


def test_words_and_pictures_find_pictograms(address, tmp_path):
    drawn = draw_pictograms(["🐯"], size=64)[0].transpose(1, 2, 0)
    Image.fromarray(drawn).save(tmp_path / "photo.png")
    by_words = post(address, "match", "老虎头".encode())
    by_picture = post(address, "match", (tmp_path / "photo.png").read_bytes(), file="photo.png")
    for status, said in (by_words, by_picture):
        assert status == 200
        assert said["answer"] == "tiger face"
        assert base64.b64decode(said["picture"]).startswith(b"\x89PNG")
        assert len(said["rows"]) == 6
    expected = multimodal.matcher().match("老虎头")
    assert by_words[1]["rows"][0][1] == multimodal.describe_tests(expected)
    assert by_words[1]["rows"][1] == [f"{expected.matches[0].score:.2f}", "tiger face; 老虎头; tiger"]


@pytest.mark.parametrize(
    ("name", "body", "file", "message"),
    [
        ("nothing", b"x", None, "expected one of ask, voice"),
        ("ask", b"", None, "expected a text of at most 2,000 letters"),
        ("ask", b"x" * 2_001, None, "expected a text of at most 2,000 letters"),
        ("ask", b"\xff\xfe", None, "codec can't decode"),
        ("imaging", b"x", None, "expected a file"),
        ("ask", b"x", "x.txt", "expected a file of none: type a text"),
        ("voice", b"RIFF", "order.wav", "expected a WAV file in order.wav"),
        ("voice", b"x", "order.exe", "expected a file of .wav, got 'order.exe' of 1 bytes"),
        ("voice", b"", "order.wav", "of 0 bytes"),
        ("imaging", b"no picture", "scan.dcm", "expected"),
        ("score", b"a,b\n1,2\n", "applicants.csv", "expected"),
        ("match", b"?!", None, "expected words"),
        ("match", b"no picture", "photo.png", "expected a PNG, JPEG, GIF or WebP picture"),
        ("recommend", b"a,b\n1,2\n", "ratings.csv", "expected one column user and one column item"),
        ("picture", b"no picture", "photo.png", "expected a PNG, JPEG, GIF or WebP picture"),
    ],
)
def test_what_is_wrong_is_one_line(address, name, body, file, message):
    status, said = post(address, name, body, file=file)
    assert status == 400
    assert message in said["error"]
    assert "\n" not in said["error"]
    assert "Traceback" not in said["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://example.com"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "example.com"}, 403),
        ({"content-length": str(MAX_BODY + 1)}, 413),
    ],
)
def test_nobody_else_may_ask(address, headers, status):
    assert post(address, "ask", b"x", **headers)[0] == status


def test_nothing_is_kept(address, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    post(address, "voice", b"RIFF", file="order.wav")
    segmentation.write_sample(tmp_path.parent / "scan.dcm", seed=2)
    post(address, "imaging", (tmp_path.parent / "scan.dcm").read_bytes(), file="scan.dcm")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(address, browser: Browser, scheme: str, width: int, tmp_path) -> None:
    segmentation.write_sample(tmp_path / "scan.dcm", seed=1)
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    foreign: list[str] = []
    page.on("request", lambda r: foreign.append(r.url) if not r.url.startswith((address, "data:")) else None)
    page.goto(address)
    expect(page.locator("section")).to_have_count(len(APPS))
    page.get_by_label("Type for Ask the book").fill(QUESTION)
    page.locator("section").nth(0).get_by_role("button", name="Answer").click()
    expect(page.locator("section").nth(0).locator(".answer")).to_contain_text("“", timeout=60_000)
    imaging = page.locator("section", has=page.get_by_role("heading", name="Imaging"))
    imaging.locator("input[type=file]").set_input_files(tmp_path / "scan.dcm")
    imaging.get_by_role("button", name="Read file").click()
    expect(imaging.locator("img")).to_be_visible(timeout=60_000)
    imaging.locator("input[type=file]").set_input_files({"name": "x.dcm", "mimeType": "", "buffer": b"<b>bad</b>"})
    imaging.get_by_role("button", name="Read file").click()
    expect(imaging.locator(".error")).to_contain_text("expected", timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert Axe().run(page).response["violations"] == []
    assert foreign == []
    page.close()
