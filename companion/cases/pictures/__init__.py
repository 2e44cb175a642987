"""Pictures in two classes: made by people or not, with a calibrated probability and the nearest training pictures.

See the chapter *How many labeled pictures until 95%?*.
"""

from companion.cases.pictures.answer import (
    Neighbor,
    PictureAnswer,
    PictureCalibration,
    classify_picture,
    draw_answer,
    nearest,
    recorded_calibration,
)
from companion.cases.pictures.features import color_histogram, features, oriented_gradients
from companion.cases.pictures.network import (
    AugmentedBatches,
    as_images,
    descriptions,
    logits,
    picture_network,
    trained_network,
)
from companion.cases.pictures.photographs import CLASSES, PHOTOGRAPHS, Photograph, PictureSet, cut, pictures, scaled
from companion.cases.pictures.reading import Picture, read_picture
from companion.cases.pictures.wrong_labels import confident_class, confident_joint, suspected

__all__ = [
    "CLASSES",
    "PHOTOGRAPHS",
    "AugmentedBatches",
    "Neighbor",
    "Photograph",
    "Picture",
    "PictureAnswer",
    "PictureCalibration",
    "PictureSet",
    "as_images",
    "classify_picture",
    "color_histogram",
    "confident_class",
    "confident_joint",
    "cut",
    "descriptions",
    "draw_answer",
    "features",
    "logits",
    "nearest",
    "oriented_gradients",
    "picture_network",
    "pictures",
    "read_picture",
    "recorded_calibration",
    "scaled",
    "suspected",
    "trained_network",
]
