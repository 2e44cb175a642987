"""Medical images: regions and their kinds in a slice, measured as a clinic would ask, with a doctor where it is unsure.

It is no medical device. See the chapter *Second reader, triage, or not at all?*.
"""

from companion.cases.segmentation.calibration import Calibration, recorded_calibration
from companion.cases.segmentation.decision import DecisionCurve, deferral_threshold, net_benefit, predictive_value
from companion.cases.segmentation.finding import lesion_probability, normalize, propose, trained_networks, type_logits
from companion.cases.segmentation.lesions import LesionSensitivity, lesion_sensitivity
from companion.cases.segmentation.overlap import dice, hausdorff95, pooled_dice
from companion.cases.segmentation.patients import LESION_TYPES, SPACING, Patient, synthetic_patient
from companion.cases.segmentation.pictures import draw_reading, write_sample
from companion.cases.segmentation.reading import ANSWERS, NOTICE, ImageReading, Region, read_image
from companion.cases.segmentation.scans import Scan, read_scan, windowed

__all__ = [
    "ANSWERS",
    "LESION_TYPES",
    "NOTICE",
    "SPACING",
    "Calibration",
    "DecisionCurve",
    "ImageReading",
    "LesionSensitivity",
    "Patient",
    "Region",
    "Scan",
    "deferral_threshold",
    "dice",
    "draw_reading",
    "hausdorff95",
    "lesion_probability",
    "lesion_sensitivity",
    "net_benefit",
    "normalize",
    "pooled_dice",
    "predictive_value",
    "propose",
    "read_image",
    "read_scan",
    "recorded_calibration",
    "synthetic_patient",
    "trained_networks",
    "type_logits",
    "windowed",
    "write_sample",
]
