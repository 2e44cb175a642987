"""Real processes: killed, restarted, many at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

WORKERS = Path(__file__).with_name("workers.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": ""}


def start(folder, *options, processes=None, restarts=0, check=True):
    """Runs the script to its end, in one process or under torchrun; returns what it learnt."""
    folder.mkdir(exist_ok=True)
    out = folder / "out.pt"
    launcher = [sys.executable]
    if processes:
        launcher += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        launcher += [f"--max-restarts={restarts}"]
    done = subprocess.run(
        [*launcher, str(WORKERS), str(folder), str(out), *options],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    if check:
        assert done.returncode == 0, done.stderr[-3_000:]
        return torch.load(out)
    return done


def close(a, b, **tolerance):
    for name, weight in a["weights"].items():
        torch.testing.assert_close(weight, b["weights"][name], **tolerance)
    assert a["losses"] == pytest.approx(b["losses"], rel=1e-5)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run of one process."""
    return start(tmp_path_factory.mktemp("alone") / "run")


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_learn_what_one_does(tmp_path, alone, parallel):
    found = start(tmp_path / "run", f"parallel={parallel}", processes=2)
    close(found, alone, atol=2e-5, rtol=1e-4)
