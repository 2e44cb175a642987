"""Small image data sets that scikit-learn carries: handwritten digits, crops of two photographs, scenes of digits.

Every set is a pair of tensors, images [n, channel, height, width] in [0, 1] and integer labels or masks, as
:class:`TensorBatches` takes them: ``TensorBatches(train, validation)``.

Axes: n (images); channel; height and width in pixels.
"""

from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from companion.checks import check_one_of

Images = Float[Tensor, "n channel height width"]
Labels = Int[Tensor, " n"]
TrainImages = tuple[Float[Tensor, "train channel height width"], Int[Tensor, " train"]]
HeldOutImages = tuple[Float[Tensor, "validation channel height width"], Int[Tensor, " validation"]]
Scenes = tuple[Float[Tensor, "scene 1 size size"], Int[Tensor, "scene size size"]]
Part = Literal["train", "validation"]

_VALIDATION_COLUMNS = slice(
    240, 400
)  # of 640: both photographs show their object and its surroundings here, and beside
_PAPER = 0.3  # the strongest background of a scene
_INK = 0.5  # from here on a pixel belongs to its digit


def digits() -> tuple[Images, Labels]:
    """1,797 real scans of handwritten digits, in the order of the file: images [1797, 1, 8, 8] and labels 0 to 9.

    The test set of the UCI optical recognition data (Alpaydin & Kaynak 1998), as ``sklearn.datasets.load_digits``
    carries it: in each 4×4 block of a 32×32 bitmap the dark pixels were counted, here divided by 16. Thirteen people
    wrote them. Who wrote which is not recorded, so a random split puts the same hands on both sides: its score says
    nothing of the hand of a stranger.

    Example:
        >>> images, labels = digits()
        >>> images.shape, labels[:5].tolist()
        (torch.Size([1797, 1, 8, 8]), [0, 1, 2, 3, 4])
    """
    from sklearn.datasets import load_digits  # takes a second: whoever reads text shall not wait for it

    scans = load_digits()
    return torch.from_numpy(scans.images / 16).float()[:, None], torch.from_numpy(scans.target).long()


def stratified_split(
    images: Images, labels: Labels, *, validation_fraction: float = 0.2, seed: int = 0
) -> tuple[TrainImages, HeldOutImages]:
    """Training and validation images with the same proportion of each class, but for rounding; the order stays.

    Args:
        images: all images.
        labels: their classes.
        validation_fraction: share of each class that goes to validation.
        seed: of the draw; the same seed gives the same split.

    Raises:
        ValueError: for lengths that differ, or a class that would be missing on one side.

    Example:
        >>> train, validation = stratified_split(*digits(), validation_fraction=0.2)
        >>> len(train[0]), len(validation[0])
        (1438, 359)
    """
    if len(images) != len(labels):
        raise ValueError(f"expected one label an image, got {len(images)} images and {len(labels)} labels")
    generator = np.random.default_rng(seed)
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        rows = generator.permutation(torch.nonzero(labels == label)[:, 0].numpy())
        count = round(validation_fraction * len(rows))
        if not 0 < count < len(rows):
            raise ValueError(
                f"expected every class on both sides, got {count} of {len(rows)} images of class {label} for "
                f"validation_fraction={validation_fraction}: choose another fraction, or give more images"
            )
        held_out[rows[:count]] = True
    return (images[~held_out], labels[~held_out]), (images[held_out], labels[held_out])


def photo_crops(n: int, size: int, *, part: Part = "train", seed: int = 0) -> tuple[Images, Labels]:
    """Square crops of two photographs, a task with two classes: images [n, 3, size, size], labels 0 and 1 in turn.

    The photographs are scikit-learn's ``china.jpg`` (label 0, a pagoda) and ``flower.jpg`` (label 1, a dahlia), both of
    640×427 pixels and under CC BY 2.0; ``sklearn.datasets.load_sample_images().DESCR`` credits them. Validation crops
    lie within columns 240 to 399, training crops left or right of them, so that no pixel is in both sets. Within a set
    crops overlap: they are no independent samples, and an interval that takes them for such is too narrow.

    Args:
        n: number of crops.
        size: edge of a crop in pixels, at most 160.
        part: which region to crop from.
        seed: of the places.

    Raises:
        ValueError: for ``n`` or ``size`` out of range, or an unknown part.

    Example:
        >>> images, labels = photo_crops(4, 32)
        >>> images.shape, labels.tolist()
        (torch.Size([4, 3, 32, 32]), [0, 1, 0, 1])
    """
    limit = _VALIDATION_COLUMNS.stop - _VALIDATION_COLUMNS.start
    if n < 1 or not 1 <= size <= limit:
        raise ValueError(f"expected n of at least 1 and size from 1 to {limit}, got n={n} and size={size}")
    check_one_of("part", part, get_args(Part))
    photographs = _photographs()
    generator = np.random.default_rng([seed, get_args(Part).index(part)])
    labels = np.arange(n) % 2
    lefts = generator.choice(_lefts(photographs.shape[2], size, part), n)
    tops = generator.integers(photographs.shape[1] - size + 1, size=n)
    windows = np.lib.stride_tricks.sliding_window_view(photographs, (size, size), axis=(1, 2))
    crops = windows[labels, tops, lefts]  # [n, channel, size, size]: copies these windows alone
    return torch.from_numpy(crops).float() / 255, torch.from_numpy(labels)


def _photographs() -> UInt8[np.ndarray, "photograph height width channel"]:
    from sklearn.datasets import load_sample_images  # see digits

    return np.stack(load_sample_images().images)


def _lefts(width: int, size: int, part: Part) -> Int[np.ndarray, " left"]:
    """The left columns that keep a crop within its part."""
    lefts = np.arange(width - size + 1)
    start, stop = _VALIDATION_COLUMNS.start, _VALIDATION_COLUMNS.stop
    if part == "validation":
        return lefts[(lefts >= start) & (lefts + size <= stop)]
    return lefts[(lefts + size <= start) | (lefts >= stop)]


def digit_scenes(images: Images, labels: Labels, n: int, *, size: int = 32, count: int = 3, seed: int = 0) -> Scenes:
    """Synthetic scenes of real scans, for segmentation: images [n, 1, size, size] and masks [n, size, size].

    Each scene is uniform noise in [0, 0.3) with ``count`` scans pasted anywhere, the brighter value kept. A pixel of
    the mask is 0 on the background and 1 + label where its scan has ink of at least 0.5; where scans overlap, the last
    one counts. So ink is told from background by a threshold, and only which digit it is needs more. Take training and
    validation scenes from scans on different sides of :func:`stratified_split`.

    Args:
        images: scans of one channel, such as those of :func:`digits`.
        labels: their classes.
        n: number of scenes.
        size: edge of a scene in pixels.
        count: scans a scene.
        seed: of the noise, the scans and the places.

    Raises:
        ValueError: for images that are not [n, 1, height, width], lengths that differ, scans that are larger than the
            scene, or ``n`` or ``count`` below 1.

    Example:
        >>> scenes, masks = digit_scenes(*digits(), n=5)
        >>> scenes.shape, int(masks.max()) <= 10
        (torch.Size([5, 1, 32, 32]), True)
    """
    if images.ndim != 4 or images.shape[1] != 1 or not len(images) or len(labels) != len(images):
        got = f"{list(images.shape)} and {list(labels.shape)}"
        raise ValueError(f"expected images [n, 1, height, width] with one label each, got {got}")
    height, width = images.shape[2:]
    if n < 1 or count < 1 or size < max(height, width):
        raise ValueError(
            f"expected n and count of at least 1 and size of at least {max(height, width)}, the scans' own, "
            f"got n={n}, count={count} and size={size}"
        )
    generator = np.random.default_rng(seed)
    scenes = torch.from_numpy(generator.random((n, 1, size, size), dtype=np.float32)) * _PAPER
    masks = torch.zeros(n, size, size, dtype=torch.int64)
    rows = generator.integers(len(images), size=(n, count))
    tops, lefts = (generator.integers(size - edge + 1, size=(n, count)) for edge in (height, width))
    for scene, paste in np.ndindex(n, count):
        row, top, left = rows[scene, paste], tops[scene, paste], lefts[scene, paste]
        scan, place = images[row, 0], np.s_[top : top + height, left : left + width]
        scenes[scene, 0][place] = scenes[scene, 0][place].maximum(scan)
        masks[scene][place][scan >= _INK] = labels[row] + 1
    return scenes, masks
