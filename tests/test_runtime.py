import random

import numpy as np
import pytest
import torch

from companion import runtime

CUDA = torch.device("cuda")


def test_auto_takes_what_is_there():
    assert runtime.pick_device().type in {"cpu", "cuda", "mps"}
    assert runtime.pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "tpu"])
def test_a_device_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match=f"got '{name}'"):
        runtime.pick_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_an_absent_device_is_refused_naming_those_present():
    with pytest.raises(ValueError, match="of this machine.*cpu.*got 'cuda:0'"):
        runtime.pick_device("cuda:0")


def test_precision_says_why():
    cpu = torch.device("cpu")
    assert runtime.pick_precision("fp32", cpu).dtype is torch.float32
    assert runtime.pick_precision("bf16", cpu).dtype is torch.bfloat16
    auto = runtime.pick_precision("auto", cpu)
    assert (auto.dtype is torch.bfloat16) == ("processor multiplies" in auto.why)
    with pytest.raises(ValueError, match="got 'fp8'"):
        runtime.pick_precision("fp8", cpu)


def test_autocast_changes_matrix_products_in_bf16_only(device):
    x = torch.ones(3, 5, device=device)
    with runtime.pick_precision("fp32", device).autocast(device):
        assert (x @ x.T).dtype is torch.float32
    with runtime.pick_precision("bf16", device).autocast(device):
        assert (x @ x.T).dtype is torch.bfloat16


def test_one_seed_seeds_all_generators():
    def draw():
        return random.random(), np.random.rand(), torch.rand(3).tolist()  # noqa: NPY002

    runtime.seed_everything(7)
    first = draw()
    runtime.seed_everything(7)
    assert draw() == first
    runtime.seed_everything(8)
    assert draw() != first


def test_a_cache_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COMPANION_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match="^expected a cache in .*file, got .*: name another folder in COMPANION_CACHE$"):
        runtime.cache_dir()


def test_cache_dir_is_made(cache):
    assert runtime.cache_dir() == cache
    assert cache.is_dir()


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA H200", 989),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA L40S", 362),
        ("NVIDIA L4", 121),
    ],
)
def test_the_peak_is_that_of_the_device(monkeypatch, name, tflops):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert runtime.dense_peak(CUDA, torch.bfloat16) == tflops * 1e12
    assert runtime.dense_peak(CUDA, torch.float32) is None


def test_an_unknown_device_has_no_peak(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA Abacus")
    assert runtime.dense_peak(CUDA, torch.bfloat16) is None
    assert runtime.dense_peak(torch.device("cpu"), torch.bfloat16) is None
