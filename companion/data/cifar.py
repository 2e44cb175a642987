"""CIFAR-10 (Krizhevsky 2009): 50,000 training and 10,000 test photographs of 32×32 pixels, ten classes. 162 MB.

The binary version: files of records, each one byte of label and then 3,072 bytes of pixels, the red, the green and the
blue channel, row by row. The other version is a Python pickle, which is never read here. Address and MD5 checksum are
published on https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from companion.data.download import download_archive
from companion.runtime import cache_dir

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
DIGEST = "md5:c32a1d4ab5d03f1284b67883e8d87530"
#: The names of the classes, by their numbers.
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_SHAPE = (3, 32, 32)

LabeledImages = tuple[Float[Tensor, "n channel height width"], Int[Tensor, " n"]]
TestImages = tuple[Float[Tensor, "test channel height width"], Int[Tensor, " test"]]


def cifar10(folder: str | Path | None = None) -> tuple[LabeledImages, TestImages]:
    """Training and test set, each images [n, 3, 32, 32] and int64 labels [n], in the order of the files.

    Pixels are float32 in [0, 1], the bytes divided by 255: 614 MB and 123 MB of memory. ``TensorBatches(*cifar10())``
    validates on the test set; to choose by validation, split the training set.

    Args:
        folder: where the archive is, or is downloaded to and unpacked; by default in the cache.

    Raises:
        ConnectionError: where the archive is not there and cannot be downloaded; it says what to fetch by hand.
        FileNotFoundError: where a file of the archive is missing.
        ValueError: where the archive has another checksum, or a file is damaged.

    Example:
        >>> train, test = cifar10()  # doctest: +SKIP
        >>> train[0].shape  # doctest: +SKIP
    """
    folder = cache_dir() / "cifar-10" if folder is None else folder
    files = download_archive(URL, folder, digest=DIGEST) / "cifar-10-batches-bin"
    train = [_read(files / f"data_batch_{number}.bin") for number in range(1, 6)]
    return _tensors(np.concatenate(train)), _tensors(_read(files / "test_batch.bin"))


def _read(path: Path) -> np.ndarray:
    """The records of one file, [n, 1 + 3072]."""
    if not path.is_file():
        raise FileNotFoundError(f"expected {path}, got no such file: delete its folder, and it is unpacked again")
    values, record = np.fromfile(path, dtype=np.uint8), 1 + int(np.prod(_SHAPE))
    if not len(values) or len(values) % record:
        raise ValueError(f"expected {path} to hold records of {record} bytes, got {len(values)} bytes: it is damaged")
    records = values.reshape(-1, record)
    if records[:, 0].max() >= len(CIFAR10_CLASSES):
        raise ValueError(f"expected labels from 0 to 9 in {path}, got {records[:, 0].max()}: it is damaged")
    return records


def _tensors(records: np.ndarray) -> LabeledImages:
    images = torch.from_numpy(records[:, 1:].reshape(-1, *_SHAPE)).float().div_(255)
    return images, torch.from_numpy(records[:, 0].astype(np.int64))
