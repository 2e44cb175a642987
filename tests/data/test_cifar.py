"""companion.data.cifar on files of its format that the test writes."""

import numpy as np
import pytest
import torch

from companion.data import CIFAR10_CLASSES, TensorBatches, cifar10

COUNTS = {
    "data_batch_1": 3,
    "data_batch_2": 2,
    "data_batch_3": 5,
    "data_batch_4": 1,
    "data_batch_5": 7,
    "test_batch": 11,
}


@pytest.fixture
def files(tmp_path):
    """The folder as it is after unpacking; nothing is downloaded."""
    files = tmp_path / "unpacked" / "cifar-10-batches-bin"
    files.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name, count in COUNTS.items():
        records = generator.integers(256, size=(count, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        records.tofile(files / f"{name}.bin")
    return files


def test_records_come_in_order(files, tmp_path):
    (images, labels), (test_images, test_labels) = cifar10(tmp_path)
    assert images.shape == (18, 3, 32, 32)
    assert test_images.shape == (11, 3, 32, 32)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    data = (files / "data_batch_3.bin").read_bytes()
    row = COUNTS["data_batch_1"] + COUNTS["data_batch_2"] + 4  # the fifth record of the third file
    record = data[4 * 3073 :]
    assert labels[row].item() == record[0]
    for channel, y, x in [(0, 0, 0), (0, 0, 31), (0, 31, 0), (1, 2, 3), (2, 31, 31)]:
        assert images[row, channel, y, x].item() == pytest.approx(record[1 + 1024 * channel + 32 * y + x] / 255)
    assert test_labels[0].item() == (files / "test_batch.bin").read_bytes()[0]
    assert 0 <= images.min() < 0.01
    assert 0.99 < images.max() <= 1
    assert len(CIFAR10_CLASSES) == 10


def test_it_fits_tensor_batches(files, tmp_path):
    batches = TensorBatches(*cifar10(tmp_path))
    images, labels = batches.batch(0, 5, seed=0)
    assert images.shape == (5, 3, 32, 32)
    assert labels.shape == (5,)
    assert sum(len(labels) for _, labels in batches.validation(4)) == 11


@pytest.mark.parametrize("length", [0, 3072, 2 * 3073 - 1])
def test_a_file_of_another_length_is_refused(files, tmp_path, length):
    (files / "data_batch_2.bin").write_bytes(bytes(length))
    with pytest.raises(ValueError, match=f"data_batch_2.bin to hold records of 3073 bytes, got {length} bytes"):
        cifar10(tmp_path)


def test_a_label_out_of_range_is_refused(files, tmp_path):
    (files / "test_batch.bin").write_bytes(bytes([10]) + bytes(3072))
    with pytest.raises(ValueError, match="expected labels from 0 to 9 in .*test_batch.bin, got 10"):
        cifar10(tmp_path)


def test_a_missing_file_is_named(files, tmp_path):
    (files / "data_batch_5.bin").unlink()
    with pytest.raises(FileNotFoundError, match="data_batch_5.bin, got no such file"):
        cifar10(tmp_path)


def test_the_archive_is_looked_for_in_the_cache(cache):
    folder = cache / "cifar-10"
    folder.mkdir(parents=True)
    (folder / "cifar-10-binary.tar.gz").write_bytes(b"not the archive")
    with pytest.raises(
        ValueError, match="cifar-10-binary.tar.gz to have md5:c32a1d4ab5d03f1284b67883e8d87530, got md5:"
    ):
        cifar10()
