"""Real processes: killed, restarted, many at once, on a full disk."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
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


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run of one process that nothing stops."""
    return start(tmp_path_factory.mktemp("alone") / "run")


@pytest.mark.parametrize("parallel", ["ddp", pytest.param("fsdp", marks=pytest.mark.slow)])
def test_two_processes_learn_what_one_does(tmp_path, alone, parallel):
    found = start(tmp_path / "run", f"parallel={parallel}", "micro_batch_size=2", processes=2)
    assert_close(found, alone, tmp_path / "run")


def test_a_split_model_is_whole_in_the_first_process_only_and_read_in_parts(tmp_path):
    """Of a checkpoint, the other processes write nothing; and each of them reads the rows that it holds."""
    done = start(tmp_path / "run", "parallel=fsdp", "steps=2", "probe=1", processes=2)
    assert done is not None, (tmp_path / "run" / "stderr").read_text()[-5_000:]
    probed = [json.loads((tmp_path / "run" / f"probed-{rank}").read_text()) for rank in (0, 1)]
    assert [numbers["gathered"] for numbers in probed] == [probed[0]["all"], 0]
    assert [numbers["read"] for numbers in probed] == [numbers["held"] for numbers in probed]
    assert sum(numbers["read"] for numbers in probed) == probed[0]["all"]
    assert all(0.4 * numbers["all"] < numbers["held"] < 0.6 * numbers["all"] for numbers in probed)


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_a_killed_worker_is_started_again_and_the_job_finishes(tmp_path, alone, parallel):
    options = (f"parallel={parallel}", "checkpoint_every=2", "die=1:7")
    found = start(tmp_path / "run", *options, processes=2, restarts=3)  # as our recipe says
    assert (tmp_path / "run" / "died").exists()
    assert_close(found, alone, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_what_two_processes_wrote_one_and_four_read(tmp_path, alone, parallel):
    two = tmp_path / "two"
    assert start(two, f"parallel={parallel}", "checkpoint_every=2", "die=0:7", processes=2) is None
    assert [path.name for path in sorted(two.glob("step-*"))] == ["step-00000004", "step-00000006"]
    shutil.copytree(two, tmp_path / "four")
    assert_close(start(two), alone, two)
    assert_close(start(tmp_path / "four", f"parallel={parallel}", processes=4), alone, tmp_path / "four")


def test_many_processes_need_to_be_asked_for(tmp_path):
    assert start(tmp_path / "run", processes=2) is None
    assert "expected parallel='ddp' or 'fsdp' under torchrun" in (tmp_path / "run" / "stderr").read_text()
    assert start(tmp_path / "run", "parallel=ddp") is None
    assert "start with `torchrun" in (tmp_path / "run" / "stderr").read_text()


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


def test_a_process_that_is_terminated_saves_and_goes_on_with_the_same_bits(tmp_path):
    """SIGTERM comes from outside, as from a machine that is about to be taken away."""
    options = ("steps=60", "dropout=0.25", "ema_decay=0.9", "eval_every=7")
    expected, folder = start(tmp_path / "whole", *options), tmp_path / "run"
    assert signal_at(folder, 5, signal.SIGTERM, *options) == 143
    [message] = (folder / "stderr").read_text().splitlines()
    [checkpoint] = folder.glob("step-*")
    assert message == f"SIGTERM: stopped after step {int(checkpoint.name[5:])}; {checkpoint} is where it goes on"
    assert (folder / "log.jsonl").read_bytes().count(b"\n") == int(checkpoint.name[5:])
    found = start(folder, *options)
    assert found["losses"] == expected["losses"]
    assert all(torch.equal(found["weights"][name], weight) for name, weight in expected["weights"].items())


def test_many_processes_that_are_terminated_save_together(tmp_path):
    """One of two is told, both stop after the same step."""
    options = ("parallel=ddp", "steps=12")
    assert start(tmp_path / "run", *options, "terminate=1:5", processes=2) is None
    assert [path.name for path in (tmp_path / "run").glob("step-*")] == ["step-00000006"]


def killed_and_resumed(folder, step, options):
    assert signal_at(folder, step, signal.SIGKILL, *options) == -9
    return start(folder, *options)


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_killed_anywhere_ends_with_the_bits_of_the_run_never_killed(tmp_path, kills):
    options = ("steps=60", "dropout=0.25", "checkpoint_every=3", "ema_decay=0.9", "eval_every=7")
    expected = start(tmp_path / "whole", *options)
    steps = random.Random(7).sample(range(1, 55), kills)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(killed_and_resumed, tmp_path / f"killed-{step}", step, options) for step in steps]
    for step, run in zip(steps, runs, strict=True):
        found = run.result()
        assert found["losses"] == expected["losses"], step
        for name, weight in expected["weights"].items():
            assert torch.equal(found["weights"][name], weight), (step, name)


def test_a_full_disk_leaves_the_checkpoint_before_whole(tmp_path):
    """The limit stands for the disk: a write past it fails as a write to a full disk does."""
    options = ("checkpoint_every=4",)
    expected = start(tmp_path / "whole", *options)
    full = tmp_path / "full"
    assert start(full, *options, "full=6") is None
    message = (full / "stderr").read_text().strip().splitlines()[-1]
    assert message.startswith(f"OSError: expected to write a checkpoint to {full / 'step-00000008'}, got")
    assert sorted(path.name for path in full.iterdir() if path.is_dir()) == ["step-00000004"]
    found = start(full, *options)
    for name, weight in expected["weights"].items():
        assert torch.equal(found["weights"][name], weight), name
