"""Runs that are killed, told to end, or out of disk, and go on bit for bit."""

import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from launches import ENVIRONMENT, command, start

LONG = ("steps=60", "dropout=0.25", "ema_decay=0.9", "eval_every=7")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The long run that nothing stops."""
    return start(tmp_path_factory.mktemp("whole") / "run", *LONG)


def assert_same_bits(found, expected):
    assert found["losses"] == expected["losses"]
    for name, weight in expected["weights"].items():
        assert torch.equal(found["weights"][name], weight), name


def signal_at(folder, step, number, *options):
    """Starts the script and signals it from outside once its log has ``step`` rows: anywhere in the step after."""
    folder.mkdir()
    log = folder / "log.jsonl"
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(command(folder, *options), env=ENVIRONMENT, stderr=errors)
    while process.poll() is None and (not log.exists() or log.read_bytes().count(b"\n") < step):
        time.sleep(0.0005)
    assert process.poll() is None, "it finished before it could be signaled"
    process.send_signal(number)
    return process.wait()


def test_a_process_that_is_terminated_saves_and_goes_on_with_the_same_bits(tmp_path, whole):
    """SIGTERM comes from outside, as from a machine that is about to be taken away."""
    folder = tmp_path / "run"
    assert signal_at(folder, 5, signal.SIGTERM, *LONG) == 143
    [message] = (folder / "stderr").read_text().splitlines()
    [checkpoint] = folder.glob("step-*")
    assert message == f"SIGTERM: stopped after step {int(checkpoint.name[5:])}; {checkpoint} is where it goes on"
    assert (folder / "log.jsonl").read_bytes().count(b"\n") == int(checkpoint.name[5:])
    assert_same_bits(start(folder, *LONG), whole)


def killed_and_resumed(folder, step, options):
    assert signal_at(folder, step, signal.SIGKILL, *options) == -9
    return start(folder, *options)


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_killed_anywhere_ends_with_the_bits_of_the_run_never_killed(tmp_path, whole, kills):
    options = (*LONG, "checkpoint_every=3")
    steps = random.Random(7).sample(range(1, 55), kills)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(killed_and_resumed, tmp_path / f"killed-{step}", step, options) for step in steps]
    for run in runs:
        assert_same_bits(run.result(), whole)


def test_a_full_disk_leaves_the_checkpoint_before_whole(tmp_path, whole):
    """The limit stands for the disk: a write past it fails as a write to a full disk does."""
    options = (*LONG, "checkpoint_every=4")
    full = tmp_path / "full"
    assert start(full, *options, "full=6") is None
    message = (full / "stderr").read_text().strip().splitlines()[-1]
    assert message.startswith(f"OSError: expected to write a checkpoint to {full / 'step-00000007'}, got")
    assert sorted(path.name for path in full.iterdir() if path.is_dir()) == ["step-00000004"]
    assert_same_bits(start(full, *options), whole)
