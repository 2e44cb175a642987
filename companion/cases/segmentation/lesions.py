"""Lesions counted as lesions: which were found, by size, and how many regions are false.

Axes: slice, or case; height and width in pixels.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from scipy import ndimage

from companion.stats import Interval, clustered_proportion_ci, proportion_ci


@dataclass(frozen=True)
class LesionSensitivity:
    """What became of each lesion, and of each predicted region.

    Attributes:
        sizes: pixels of each lesion.
        found: whether a predicted region shares a pixel with it.
        cases: the case of each lesion, counted from 0.
        false_regions: regions of each case that touch no lesion.
    """

    sizes: Int[np.ndarray, " lesion"]
    found: Bool[np.ndarray, " lesion"]
    cases: Int[np.ndarray, " lesion"]
    false_regions: Int[np.ndarray, " case"]

    def of_sizes(self, least: int, most: int, *, clusters: Int[np.ndarray, " case"] | None = None) -> Interval:
        """The sensitivity among lesions of ``least`` to ``most`` pixels, with its interval.

        Args:
            least: smallest size that counts, in pixels.
            most: largest.
            clusters: the patient of each case; lesions of a patient are then not taken for independent.

        Raises:
            ValueError: where there is no lesion of these sizes.
        """
        among = (self.sizes >= least) & (self.sizes <= most)
        if not among.any():
            raise ValueError(f"expected lesions of {least} to {most} pixels, got none: widen the range")
        if clusters is None:
            return proportion_ci(int(self.found[among].sum()), int(among.sum()))
        return clustered_proportion_ci(self.found[among], clusters[self.cases[among]])


def lesion_sensitivity(
    truth: Bool[np.ndarray, "case height width"], predicted: Bool[np.ndarray, "case height width"]
) -> LesionSensitivity:
    """Takes the regions of both masks apart, slice by slice; pixels that touch at a corner belong together.

    One shared pixel finds a lesion: the mildest rule there is, so that what it misses is missed by any other.

    Raises:
        ValueError: for masks of different shapes.

    Example:
        >>> truth, predicted = np.zeros((2, 1, 5, 5), dtype=bool)
        >>> truth[0, :1], truth[0, 3:, 3:], predicted[0, 3, 3], predicted[0, 3, 0] = True, True, True, True
        >>> result = lesion_sensitivity(truth, predicted)
        >>> result.sizes.tolist(), result.found.tolist(), result.false_regions.tolist()
        ([5, 4], [False, True], [1])
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"expected two masks of one shape, got {truth.shape} and {predicted.shape}")
    sizes, found, cases, false_regions = [], [], [], []
    for case, (one, other) in enumerate(zip(truth, predicted, strict=True)):
        of_case, hit = _regions(one, other)
        sizes.append(of_case)
        found.append(hit)
        cases.append(np.full(len(of_case), case))
        false_regions.append(int((~_regions(other, one)[1]).sum()))
    return LesionSensitivity(
        np.concatenate(sizes).astype(int),
        np.concatenate(found).astype(bool),
        np.concatenate(cases).astype(int),
        np.array(false_regions, dtype=int),
    )


def _regions(
    mask: Bool[np.ndarray, "height width"], other: Bool[np.ndarray, "height width"]
) -> tuple[Int[np.ndarray, " region"], Bool[np.ndarray, " region"]]:
    """The size of each region of a mask, and whether the other mask touches it."""
    numbers, count = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)[1:]
    touched = np.isin(np.arange(1, count + 1), numbers[other])
    return sizes, touched
