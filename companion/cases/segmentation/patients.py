"""Synthetic patients: the averaged brain, bent and lit anew for each, with lesions planted in its texture.

Nobody's scan is in here. What is real is the texture into which the lesions are planted; their forms, their contrasts
and how often they occur are ours, so a score on these patients says how measures behave, and nothing of a clinic.

Axes: slice; height and width in pixels of 1.5 mm; slices lie 3 mm apart.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Float32, UInt8
from scipy import ndimage

from companion.data import brain_slices

#: The kinds of planted lesion; their numbers in ``Patient.types`` count from 1.
LESION_TYPES = ("dark", "bright", "ring")

#: Millimeters from one slice, row and column to the next.
SPACING = (3.0, 1.5, 1.5)

Volume = Float[np.ndarray, "slice height width"]


@dataclass(frozen=True)
class Patient:
    """One synthetic patient.

    Attributes:
        images: brightness from 0 to 1.
        types: 0 where nothing was planted, else the number of the kind in ``LESION_TYPES``, from 1.
    """

    images: Float32[np.ndarray, "slice height width"]
    types: UInt8[np.ndarray, "slice height width"]


def synthetic_patient(seed: int, *, n_slices: int = 6, lesion_probability: float = 0.5) -> Patient:
    """A patient with lesions with this probability, seen in slices that follow each other.

    Args:
        seed: who it is; the same seed gives the same patient.
        n_slices: 1 to 36.
        lesion_probability: of one lesion or more; there are then 1 to 4, of one kind.

    Raises:
        ValueError: for another number of slices, or what is no probability.

    Example:
        >>> patient = synthetic_patient(1)
        >>> patient.images.shape
        (6, 124, 104)
    """
    brightness, inside = _brain()
    if not 1 <= n_slices <= len(brightness):
        raise ValueError(f"expected n_slices from 1 to {len(brightness)}, got {n_slices}")
    if not 0 <= lesion_probability <= 1:
        raise ValueError(f"expected lesion_probability from 0 to 1, got {lesion_probability}")
    rng = np.random.default_rng(seed)
    start = rng.integers(len(brightness) - n_slices + 1)
    bend = _bend(rng, brightness.shape[1:])
    here = slice(start, start + n_slices)
    images = np.stack([ndimage.map_coordinates(each, bend, order=1) for each in brightness[here]])
    brain = np.stack([ndimage.map_coordinates(each, bend, order=1) for each in inside[here]]) > 0.5
    images = _lit(rng, images)
    types = np.zeros(images.shape, dtype=np.uint8)
    kind = int(rng.integers(len(LESION_TYPES)))
    if rng.random() < lesion_probability:
        for _ in range(min(1 + rng.poisson(0.8), 4)):
            _plant(rng, images, types, brain, kind)
    images += rng.normal(0, 0.025, images.shape)
    return Patient(np.clip(images, 0, 1).astype(np.float32), types)


@cache
def _brain() -> tuple[Volume, Volume]:
    """Brightness from 0 to 1, and 1 where there is gray or white matter well inside."""
    slices = brain_slices()
    inside = np.stack([ndimage.binary_erosion(each, iterations=2) for each in slices.tissue >= 2])
    return slices.images / 255.0, inside.astype(float)


def _bend(rng: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "2 height width"]:
    """Where in the averaged head each pixel of this one comes from: stretched, and bent smoothly."""
    rows, columns = np.indices(shape, dtype=float)
    center = (np.array(shape) - 1) / 2
    stretch = rng.uniform(0.95, 1.08, 2)
    field = [_smooth(rng, shape, 9.0) * 2.0 for _ in range(2)]
    return np.stack([(x - c) * s + c + f for x, c, s, f in zip((rows, columns), center, stretch, field, strict=True)])


def _lit(rng: np.random.Generator, images: Volume) -> Volume:
    """Another contrast, a coil that is nearer to one side, and fine texture that belongs to the patient."""
    shape = images.shape[1:]
    gain = 1 + 0.06 * _smooth(rng, shape, 30.0)
    texture = 0.02 * _smooth(rng, shape, 1.5)
    return images ** rng.uniform(0.85, 1.2) * gain * (1 + texture) * rng.uniform(0.85, 0.95)


def _smooth(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Float[np.ndarray, "height width"]:
    """Noise of standard deviation 1 that varies over about ``sigma`` pixels."""
    noise = ndimage.gaussian_filter(rng.normal(size=shape), sigma, mode="wrap")
    return noise / noise.std()


def _plant(
    rng: np.random.Generator,
    images: Volume,
    types: UInt8[np.ndarray, "slice height width"],
    brain: np.ndarray,
    kind: int,
) -> None:
    """Changes brightness within an uneven ellipsoid; the mask is what lies within, wherever there is brain."""
    places = np.argwhere(brain)
    center = places[rng.integers(len(places))]
    radius = np.exp(rng.uniform(np.log(1.0), np.log(9.0)))  # pixels
    axes = radius * np.exp(rng.normal(0, 0.15, 3)) * np.array([0.5, 1, 1])  # slices are twice as far apart
    z, y, x = (np.arange(n) for n in images.shape)
    steps = np.meshgrid(z - center[0], y - center[1], x - center[2], indexing="ij")
    distance = np.sqrt(sum((step / max(axis, 0.6)) ** 2 for step, axis in zip(steps, axes, strict=True)))
    distance = distance + 0.08 * _smooth(rng, images.shape[1:], 2.0)  # no lesion is an ellipse
    within = (distance <= 1) & (brain | ndimage.binary_dilation(brain, iterations=2))
    profile = np.clip(1.5 * (1.15 - distance), 0, 1)
    rim = np.clip(1 - np.abs(distance - 0.75) / 0.35, 0, 1) - 0.6 * np.clip(1 - distance / 0.5, 0, 1)
    shape = {"dark": -profile, "bright": profile, "ring": rim}[LESION_TYPES[kind]]
    images += rng.uniform(0.2, 0.45) * shape * (distance <= 1.15) * (images > 0.1)
    types[within] = kind + 1
