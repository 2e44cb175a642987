"""What all tests share."""

import os
import signal

import pytest
import torch
from chromium import browser  # noqa: F401  a fixture
from jaxtyping import config, install_import_hook

# Before anything of these packages is imported: what their annotations say of arrays is checked at every call.
CHECKED = ["companion.models", "companion.data", "companion.training", "companion.compress"]
install_import_hook(CHECKED, "annotations.checked_on_return")

# Our own tests never ask a model hub for anything; transformers must not try either.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed():
    torch.set_num_threads(1)  # the tensors are small: more threads only wait for each other
    torch.manual_seed(0)


@pytest.fixture(
    params=[
        "cpu",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU, and there is none"),
        ),
    ]
)
def device(request):
    return torch.device(request.param)


@pytest.fixture
def annotations_unchecked():
    """For tests that compile: the checks, seen by the compiler, would become a part of the graph."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    monkeypatch.setenv("COMPANION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def interruptible():
    """For tests that interrupt: a shell's background jobs, and what they start, ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def assistant():
    """The real assistant and its tokenizer; converted where the cache does not have it. Tests do not change it."""
    from companion.models import smollm2  # not above: its annotations are to be checked

    return smollm2()
