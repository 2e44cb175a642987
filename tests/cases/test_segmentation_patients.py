"""Synthetic patients: who they are, what is planted, and that it can be seen."""

import numpy as np
import pytest

from companion.cases.segmentation import LESION_TYPES, synthetic_patient
from companion.data import brain_slices, nuclei


def test_a_seed_is_a_patient():
    one, again, other = (synthetic_patient(seed, n_slices=3) for seed in (5, 5, 6))
    assert (one.images == again.images).all()
    assert (one.images != other.images).any()


def test_lesions_come_as_often_as_asked_and_of_one_kind():
    patients = [synthetic_patient(seed, n_slices=2, lesion_probability=1) for seed in range(40)]
    kinds = [set(np.unique(patient.types)) - {0} for patient in patients]
    assert all(len(kind) <= 1 for kind in kinds)
    assert set().union(*kinds) == set(range(1, len(LESION_TYPES) + 1))
    assert not any(synthetic_patient(seed, n_slices=2, lesion_probability=0).types.any() for seed in range(20))


@pytest.mark.parametrize(("kind", "sign"), [("dark", -1), ("bright", 1)])
def test_a_dark_lesion_is_dark_and_a_bright_one_bright(kind, sign):
    """Against the same patient without it: the draws before the lesion are the same."""
    found = []
    for seed in range(60):
        sick, well = (synthetic_patient(seed, n_slices=1, lesion_probability=p) for p in (1, 0))
        planted = sick.types == LESION_TYPES.index(kind) + 1
        if planted.sum() > 20:
            found.append((sick.images - well.images)[planted].mean())
    assert len(found) > 5
    assert (sign * np.array(found) > 0.02).mean() > 0.9


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="n_slices from 1 to 36"):
        synthetic_patient(0, n_slices=37)
    with pytest.raises(ValueError, match="lesion_probability from 0 to 1"):
        synthetic_patient(0, lesion_probability=1.5)


def test_the_extracts_are_what_they_say():
    image, labels = nuclei()
    assert (image.shape, image.max()) == ((512, 512), 235)
    assert np.unique(labels).tolist() == list(range(126))
    assert image[labels > 0].mean() > 2 * image[labels == 0].mean()
    brain = brain_slices()
    means = [brain.images[brain.tissue == tissue].mean() for tissue in range(4)]
    assert means[0] < means[1] < means[2] < means[3]  # T1: white matter is brightest
    assert brain.images.shape == brain.tissue.shape == (36, 124, 104)
