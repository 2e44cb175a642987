"""Starts the training script of :mod:`workers` in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

WORKERS = Path(__file__).with_name("workers.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": ""}


def command(folder, *options, processes=None, restarts=0):
    launcher = [sys.executable]
    if processes:
        launcher += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        launcher += [f"--max-restarts={restarts}"]
    return [*launcher, str(WORKERS), str(folder), str(folder / "out.pt"), *options]


def start(folder, *options, **launch):
    """Runs the script to its end, in one process or under torchrun; returns what it learned, None where it failed."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        command(folder, *options, **launch), env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
    (folder / "stderr").write_text(done.stderr)
    return torch.load(folder / "out.pt") if done.returncode == 0 else None


def assert_close(found, expected, folder):
    assert found is not None, (folder / "stderr").read_text()[-5_000:]
    for name, weight in expected["weights"].items():
        torch.testing.assert_close(found["weights"][name], weight, atol=2e-5, rtol=1e-4)
    assert found["losses"] == pytest.approx(expected["losses"], rel=1e-5)
