"""Reading scans: DICOM's numbers as pydicom has them, window, spacing, and what is refused in one line."""

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from companion.cases.segmentation import SPACING, read_scan, synthetic_patient, windowed, write_sample


def dicom(name):
    return get_testdata_file(name, download=False)


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "sample.dcm"
    write_sample(path, seed=3)
    return path


def changed(path, **elements):
    """The file with some elements set, or removed where they are None."""
    data = pydicom.dcmread(path)
    for name, value in elements.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    data.save_as(path)
    return path


def test_hounsfield_units_are_stored_numbers_with_the_intercept():
    scan = read_scan(dicom("CT_small.dcm"))
    stored = pydicom.dcmread(dicom("CT_small.dcm"))
    assert (scan.values == stored.pixel_array.astype(float) - 1024).all()
    assert (scan.modality, scan.spacing) == ("CT", (0.661468, 0.661468))


def test_a_window_is_center_and_width():
    scan = read_scan(dicom("MR_small.dcm"))
    stored = pydicom.dcmread(dicom("MR_small.dcm"))
    center, width = float(stored.WindowCenter), float(stored.WindowWidth)
    assert scan.window == (center - width / 2, center + width / 2)
    assert scan.spacing == (0.3125, 0.3125)
    inside = (scan.values > scan.window[0]) & (scan.values < scan.window[1])
    assert scan.shown()[inside] == pytest.approx(((scan.values - scan.window[0]) / width)[inside], abs=1e-6)
    assert set(np.unique(scan.shown()[~inside])) <= {0, 1}


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm"])
def test_another_encoding_is_the_same_picture(name):
    assert (read_scan(dicom(name)).values == read_scan(dicom("MR_small.dcm")).values).all()


def test_a_sample_comes_back(sample):
    scan = read_scan(sample)
    image = synthetic_patient(3, n_slices=1).images[0]
    assert scan.shown() == pytest.approx(image, abs=1 / 4_000)
    assert (scan.modality, scan.spacing) == ("MR", SPACING[1:])
    assert "no person's scan" in pydicom.dcmread(sample).SeriesDescription


def test_the_first_of_several_windows_counts_and_slopes_scale(sample):
    changed(sample, WindowCenter=[100, 5], WindowWidth=[50, 5], RescaleSlope=2, RescaleIntercept=-7)
    scan = read_scan(sample)
    assert scan.window == (75, 125)
    assert (scan.values == 2 * pydicom.dcmread(sample).pixel_array.astype(float) - 7).all()


def test_without_a_window_the_percentiles_are_one(sample):
    scan = read_scan(changed(sample, WindowCenter=None, WindowWidth=None))
    assert scan.window == pytest.approx(np.percentile(scan.values, [1, 99]))


def test_where_large_is_dark_it_is_turned_round(sample):
    before = read_scan(sample).shown()
    after = read_scan(changed(sample, PhotometricInterpretation="MONOCHROME1")).shown()
    assert after == pytest.approx(1 - before, abs=1e-6)


def test_spacing_is_none_where_it_is_missing_or_cannot_be(sample):
    assert read_scan(changed(sample, PixelSpacing=[0, 1])).spacing is None
    assert read_scan(changed(sample, PixelSpacing=None)).spacing is None
    assert read_scan(changed(sample, ImagerPixelSpacing=[0.2, 0.3])).spacing == (0.2, 0.3)


@pytest.mark.parametrize(("mode", "most"), [("L", 255), ("RGB", 255), ("I;16", 65_535)])
def test_pictures_are_brightness_without_spacing(tmp_path, mode, most):
    values = np.linspace(0, most, 17 * 19).reshape(17, 19).round().astype(np.uint16 if most > 255 else np.uint8)
    Image.fromarray(np.stack([values] * 3, axis=2) if mode == "RGB" else values).save(tmp_path / "picture.png")
    scan = read_scan(tmp_path / "picture.png")
    assert scan.values == pytest.approx(values / most, abs=1e-6)
    assert (scan.spacing, scan.modality) == (None, "picture")


def huge(path):
    with path.open("wb") as file:
        file.write(b"\0" * 128 + b"DICM")
        file.truncate(3 * 2**30)  # no disk is taken: the rest is a hole


def truncated(path):
    path.write_bytes(path.read_bytes()[:-900])


def cut_picture(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)).save(path, format="PNG")
    path.write_bytes(path.read_bytes()[:1500])


def enormous_picture(path):
    Image.new("1", (20_000, 20_000)).save(path, format="PNG")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "expected a file with a scan"),
        (huge, "expected a file of at most 64 MB, one slice, got 3,072 MB"),
        (lambda path: path.write_bytes(b""), "expected a DICOM file with a picture"),
        (lambda path: path.write_bytes(b"\0" * 128 + b"DICM" + b"\x12" * 500), "expected"),
        (truncated, "expected a whole DICOM file"),
        (cut_picture, "expected a whole picture"),
        (enormous_picture, "expected at most 16,777,216 pixels, got far more"),
        (lambda path: changed(path, NumberOfFrames=5), "expected one gray slice, got 5 frames"),
        (lambda path: changed(path, SamplesPerPixel=3), "expected one gray slice, got 1 frames of 3"),
        (lambda path: changed(path, Rows=60_000, Columns=60_000), "expected 16×16 to 16,777,216 pixels"),
        (lambda path: changed(path, PixelData=None), "expected a DICOM file with a picture"),
    ],
)
def test_what_is_no_slice_is_one_line(sample, spoil, message):
    spoil(sample)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as refusal:
        read_scan(sample)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "rtplan.dcm", "SC_rgb_rle.dcm", "rtdose.dcm", "waveform_ecg.dcm"])
def test_pydicoms_odd_files_are_refused(name):
    with pytest.raises(ValueError, match="^expected .*"):
        read_scan(dicom(name))


def test_text_is_no_picture(tmp_path):
    (tmp_path / "notes.txt").write_text("import os; os.remove('x')" * 9)
    with pytest.raises(ValueError, match="expected DICOM, PNG or JPEG"):
        read_scan(tmp_path / "notes.txt")


def test_a_window_has_a_width():
    with pytest.raises(ValueError, match="ends above its start"):
        windowed(np.zeros((2, 2)), 5.0, 5.0)
