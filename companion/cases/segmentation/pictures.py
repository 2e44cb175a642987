"""A reading as a picture, and a synthetic slice as a DICOM file to try the command on."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from companion.cases.segmentation.patients import SPACING, synthetic_patient
from companion.cases.segmentation.reading import NOTICE, ImageReading


def draw_reading(reading: ImageReading, path: str | Path) -> None:
    """Writes a PNG: the picture, and beside it the outlines of its regions with their numbers.

    Raises:
        ValueError: for a name that does not end in ``.png``.
        FileNotFoundError: where the folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"expected a file that ends in .png for the picture, got {path}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"expected a folder that exists for the picture, got {path.parent}")
    figure = Figure(figsize=(7, 4.4))
    for column, axes in enumerate(figure.subplots(1, 2)):
        axes.imshow(reading.image, cmap="gray", vmin=0, vmax=1.2)
        axes.set_axis_off()
        if column:
            for region in reading.regions:
                axes.contour(reading.regions_map == region.number, [0.5], colors="#e6550d", linewidths=1)
                y, x = np.argwhere(reading.regions_map == region.number)[0]
                axes.annotate(str(region.number), (x, y - 3), color="#e6550d", fontsize=10, ha="center")
    answer = f"answer: {reading.answer}" if reading.answer else "send to a doctor"
    figure.suptitle(answer, fontsize=12)
    figure.text(0.5, 0.02, NOTICE, ha="center", fontsize=8)
    figure.savefig(path, dpi=100)


def write_sample(path: str | Path, *, seed: int = 1) -> None:
    """Writes the slice of a synthetic patient as a DICOM file; seed and synthesis stand in its description.

    Raises:
        ImportError: without pydicom, naming the extra.
        ValueError: for a name that does not end in ``.dcm``.
        FileNotFoundError: where the folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() != ".dcm":
        raise ValueError(f"expected a file that ends in .dcm for the sample, got {path}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"expected a folder that exists for the sample, got {path.parent}")
    try:
        from pydicom import FileDataset
        from pydicom.dataset import FileMetaDataset
        from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
    except ImportError:
        raise ImportError('expected pydicom for DICOM files: pip install "large-models-companion[imaging]"') from None
    image = synthetic_patient(seed, n_slices=1).images[0]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = MRImageStorage, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["sample", str(seed)])
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality, data.SeriesDescription = "MR", f"synthetic, seed {seed}: no person's scan"
    data.Rows, data.Columns = image.shape
    data.PixelSpacing, data.SliceThickness = list(SPACING[1:]), SPACING[0]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.RescaleSlope, data.RescaleIntercept = 1, 0
    data.WindowCenter, data.WindowWidth = 2_048, 4_096
    data.PixelData = np.minimum(np.round(image * 4_096), 4_095).astype("<u2").tobytes()
    data.save_as(path)
