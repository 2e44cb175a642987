"""``python -m companion imaging``: an answer or a doctor, a picture, and one line for what cannot be read."""

import re

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from companion.__main__ import main
from companion.cases.segmentation import ANSWERS, NOTICE, read_image, synthetic_patient, write_sample


def planted_seed(pixels, kind):
    """A synthetic patient whose single slice holds a lesion of this kind, of at least so many pixels."""
    for seed in range(200):
        types = synthetic_patient(seed, n_slices=1).types
        if (types == kind).sum() >= pixels:
            return seed
    raise AssertionError("expected such a patient among 200")


def test_a_sample_is_written_and_read(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["imaging", "--sample", "scan.dcm", "--seed", "5"]) == 0
    assert capsys.readouterr().out == "scan.dcm: a synthetic slice, seed 5; no person's scan\n"
    assert main(["imaging", "scan.dcm"]) == 0
    lines = capsys.readouterr().out.splitlines()
    reading = read_image("scan.dcm")
    assert lines[0] == NOTICE
    assert lines[1].startswith(f"answer: {reading.answer} " if reading.answer else "send to a doctor ")
    assert lines[-1] == "picture: scan-regions.png"
    assert sum(reading.probabilities.values()) == pytest.approx(1)
    shown = [float(value) for value in re.findall(r"\d\.\d\d", lines[1])]
    assert shown == pytest.approx(list(reading.probabilities.values()), abs=0.006)
    with Image.open("scan-regions.png") as picture:
        assert np.asarray(picture).std() > 20


def test_a_large_lesion_is_found_where_it_is(tmp_path):
    seed = planted_seed(80, kind=2)
    write_sample(tmp_path / "scan.dcm", seed=seed)
    reading = read_image(tmp_path / "scan.dcm")
    y, x = np.argwhere(synthetic_patient(seed, n_slices=1).types[0] > 0).mean(axis=0)
    worst = reading.regions[0]
    assert np.hypot(worst.row - y, worst.column - x) < 8
    assert worst.probabilities["nothing"] < 0.1
    assert worst.area == pytest.approx((reading.regions_map == worst.number).sum() * 1.5**2)


def test_what_it_did_not_learn_from_goes_to_a_doctor(tmp_path, capsys):
    reading = read_image(get_testdata_file("CT_small.dcm", download=False))
    assert reading.answer is None
    assert "it learned from MR slices, and this is CT" in reading.reasons
    image = (synthetic_patient(1, n_slices=1).images[0] * 255).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "photo.png")
    assert main(["imaging", str(tmp_path / "photo.png"), "--out", str(tmp_path / "out.png")]) == 0
    printed = capsys.readouterr().out
    assert "send to a doctor" in printed
    assert "the file does not say how large a pixel is" in printed
    noise = np.random.default_rng(0).integers(0, 255, (124, 104)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    assert any("unlike those it learned from" in reason for reason in read_image(tmp_path / "noise.png").reasons)


def test_an_unsure_answer_is_none(tmp_path):
    reasons = []
    for seed in range(60):
        write_sample(tmp_path / "scan.dcm", seed=seed)
        reading = read_image(tmp_path / "scan.dcm")
        sure = max(reading.probabilities.values())
        assert (reading.answer is None) == bool(reading.reasons)
        if reading.answer is not None:
            assert reading.answer == max(ANSWERS, key=reading.probabilities.__getitem__)
        reasons += [(sure, reason) for reason in reading.reasons if reason.startswith("unsure")]
    assert reasons
    assert all(sure < float(reason.split()[-1]) for sure, reason in reasons)


def huge(path):
    with path.open("wb") as file:
        file.write(b"\0" * 128 + b"DICM")
        file.truncate(3 * 2**30)


@pytest.mark.parametrize(
    ("spoil", "more", "message"),
    [
        (huge, [], "expected a file of at most 64 MB, one slice, got 3,072 MB"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), [], "expected a whole DICOM file"),
        (lambda path: path.unlink(), [], "expected a file with a scan"),
        (lambda path: path.write_text("#!/bin/sh\nrm -rf /\n"), [], "expected a DICOM file with a picture"),
        (lambda path: None, ["--out", "no/such/folder.png"], "expected a folder that exists for the picture"),
        (lambda path: None, ["--out", "scan.exe"], "expected a file that ends in .png"),
        (lambda path: None, ["--sample", "other.dcm"], "expected a file to read, or --sample"),
    ],
)
def test_what_a_user_can_put_right_is_one_line(tmp_path, monkeypatch, capsys, spoil, more, message):
    monkeypatch.chdir(tmp_path)
    write_sample("scan.dcm")
    spoil(tmp_path / "scan.dcm")
    assert main(["imaging", "scan.dcm", *more]) == 2
    errors = capsys.readouterr().err
    assert re.fullmatch("error: expected .*\n", errors)
    assert message in errors


@pytest.mark.parametrize("name", ["sample.txt", "no/folder/sample.dcm"])
def test_a_sample_needs_a_place(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    assert main(["imaging", "--sample", name]) == 2
    assert capsys.readouterr().err.startswith("error: expected a f")
