r"""Overlap and distance of masks: Dice, case by case and pooled, and the 95th percentile of the Hausdorff distance.

For a true mask :math:`A` and a predicted one :math:`B`, as sets of pixels,

.. math:: D = \frac{2|A \cap B|}{|A| + |B|} = \frac{2J}{1 + J}, \qquad J = \frac{|A \cap B|}{|A \cup B|},

so Dice :math:`D` and Jaccard :math:`J` (intersection over union) put any two masks in the same order.

Axes: case; any number of axes of space.
"""

from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

Empty = Literal["one", "skip", "zero"]

Masks = Bool[np.ndarray, "case *space"]
Mask = Bool[np.ndarray, "*space"]


def dice(truth: Masks, predicted: Masks, *, empty: Empty) -> Float[np.ndarray, " case"]:
    """Dice of each case; where the true mask is empty the formula does not decide, and ``empty`` does.

    ``"one"``: 1 where the prediction is empty, too, else 0. That is MONAI's ``ignore_empty=False``. ``"skip"``: NaN, to
    be left out by ``np.nanmean``, also where the prediction is *not* empty, so that a false alarm costs nothing. That
    is MONAI's default, ``ignore_empty=True``. ``"zero"``: 0, also where nothing was found and nothing was there.

    Raises:
        ValueError: for masks of different shapes or of other values than True and False, without a case, or another
            word for ``empty``.

    Example:
        >>> truth = np.array([[True, True, False], [False, False, False]])
        >>> predicted = np.array([[True, False, False], [False, False, False]])
        >>> dice(truth, predicted, empty="one").round(3).tolist()
        [0.667, 1.0]
    """
    if empty not in get_args(Empty):
        raise ValueError(f"expected empty to be one of {', '.join(get_args(Empty))}, got {empty!r}")
    _check_alike(truth, predicted)
    if truth.ndim < 2 or not len(truth):
        raise ValueError(f"expected masks [case, ...] of at least one case, got shape {truth.shape}")
    flat_truth, flat = (masks.reshape(len(masks), -1) for masks in (truth, predicted))
    shared, sizes = (flat_truth & flat).sum(axis=1), flat_truth.sum(axis=1) + flat.sum(axis=1)
    values = 2 * shared / np.maximum(sizes, 1)
    if empty == "one":
        return np.where(sizes == 0, 1.0, values)
    return np.where(flat_truth.any(axis=1), values, np.nan if empty == "skip" else 0.0)


def pooled_dice(truth: Masks, predicted: Masks) -> float:
    """Dice of all pixels of all cases as if they were one case; NaN where neither mask has any.

    Raises:
        ValueError: for masks of different shapes or of other values than True and False.

    Example:
        >>> round(pooled_dice(np.array([[True, True], [False, False]]), np.array([[True, True], [True, False]])), 2)
        0.8
    """
    _check_alike(truth, predicted)
    total = int(truth.sum()) + int(predicted.sum())
    return 2 * int((truth & predicted).sum()) / total if total else float("nan")


def hausdorff95(truth: Mask, predicted: Mask, *, spacing: tuple[float, ...] | None = None) -> float:
    r"""How far the outlines lie apart, the furthest 5% of the way left out.

    With outlines :math:`\partial A` and :math:`\partial B`, the pixels of a mask that touch its outside by a side,

    .. math::

        \max\bigl(q_{95}\{d(a, \partial B): a \in \partial A\},\ q_{95}\{d(b, \partial A): b \in \partial B\}\bigr).

    It is MONAI's ``compute_hausdorff_distance(percentile=95)``. The edge of the picture counts as outside.

    Args:
        truth: one mask.
        predicted: another of its shape.
        spacing: millimeters from pixel to pixel along each axis; None counts pixels.

    Returns:
        Millimeters, or pixels without ``spacing``; NaN where one mask is empty: there is no distance to nothing.

    Raises:
        ValueError: for masks of different shapes or of other values than True and False, or a spacing that is not one
            positive number an axis.

    Example:
        >>> near, far = np.zeros((2, 9, 9), dtype=bool)
        >>> near[2:5, 2:5], far[2:5, 4:7] = True, True
        >>> hausdorff95(near, far), hausdorff95(near, far, spacing=(1.0, 0.5))
        (2.0, 1.0)
    """
    _check_alike(truth, predicted)
    spacing = (1.0,) * truth.ndim if spacing is None else spacing
    if len(spacing) != truth.ndim or not all(0 < each < np.inf for each in spacing):
        raise ValueError(f"expected {truth.ndim} positive numbers of spacing, one an axis, got {spacing}")
    if not (truth.any() and predicted.any()):
        return float("nan")
    outlines = [mask & ~ndimage.binary_erosion(mask) for mask in (truth, predicted)]
    one, other = outlines
    return float(max(_directed(one, other, spacing), _directed(other, one, spacing)))


def _directed(outline: Mask, other: Mask, spacing: tuple[float, ...]) -> float:
    """The 95th percentile, over the pixels of an outline, of the distance to the nearest pixel of the other."""
    distance = ndimage.distance_transform_edt(~other, sampling=spacing)
    return float(np.percentile(distance[outline], 95))


def _check_alike(truth: np.ndarray, predicted: np.ndarray) -> None:
    for mask in (truth, predicted):  # of 1 and 2, or 0 and 255, the operations below would make other numbers
        if mask.dtype != bool:
            raise ValueError(
                f"expected masks of True and False, got {mask.dtype}: write masks == 1 for one label, or > 0"
            )
    if truth.shape != predicted.shape:
        raise ValueError(f"expected two masks of one shape, got {truth.shape} and {predicted.shape}")
