"""The weights in the package are those of the recorded run, and say of its patients what was recorded."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from companion.cases import segmentation as cases
from companion.cases.segmentation import finding

RECORDED = Path(__file__).parents[2] / "book" / "recorded" / "medical_imaging"
PACKAGE = Path(finding.__file__).parent


def rows(name):
    with (RECORDED / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_files_are_those_that_were_recorded():
    for row in rows("calibration.csv"):
        assert hashlib.sha256((PACKAGE / row["file"]).read_bytes()).hexdigest() == row["sha256"]
    assert sum((PACKAGE / row["file"]).stat().st_size for row in rows("calibration.csv")) < 700_000


def test_calibration_is_complete():
    calibration = cases.recorded_calibration()
    assert sum(calibration.no_region) == pytest.approx(1, abs=1e-3)
    assert calibration.slice_probabilities(np.empty((0, 4))) == pytest.approx(calibration.no_region)
    assert 0.5 <= calibration.answer_from < 1
    logits = np.array([[3.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]])
    assert calibration.slice_probabilities(logits) == pytest.approx(calibration.region_probabilities(logits)[1])


def test_a_region_is_cut_out_around_its_center():
    image, probability = np.zeros((2, 31, 37), dtype=np.float32)
    image[2, 3], probability[1:4, 2:5], probability[20, 30] = 0.7, 0.9, 0.3
    proposed = cases.propose(image, probability)
    assert proposed.numbers.max() == 2
    assert proposed.patches.shape == (2, 2, 24, 24)
    assert float(proposed.patches[0, 0, 12, 12]) == pytest.approx(0.7)
    assert float(proposed.patches[1, 1, 12, 12]) == pytest.approx(0.3)


def test_the_first_single_slices_come_out_again():
    network, classifier = cases.trained_networks()
    for row in rows("single.csv")[:12]:
        patient = cases.synthetic_patient(int(row["seed"]), n_slices=1, lesion_probability=1 / 3)
        assert ((patient.types > 0).sum(), patient.types.max()) == (int(row["pixels"]), int(row["type"]))
        image = cases.normalize(patient.images[0])
        proposed = cases.propose(image, cases.lesion_probability(network, image[None])[0])
        logits = cases.type_logits(classifier, proposed.patches)
        assert len(logits) == pytest.approx(int(row["regions"]), abs=1)  # one more or less at the threshold
        if len(logits) == int(row["regions"]) > 0:
            worst = logits[finding.most_suspicious(logits)]
            assert worst == pytest.approx([float(row[f"z{i}"]) for i in range(4)], abs=0.05)
