"""Many processes at once, and what they read of each other's checkpoints."""

import json
import shutil

import pytest
from launches import assert_close, start


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


def test_many_processes_that_are_terminated_save_together(tmp_path):
    """One of two is told, both stop after the same step."""
    options = ("parallel=ddp", "steps=12")
    assert start(tmp_path / "run", *options, "terminate=1:5", processes=2) is None
    assert [path.name for path in (tmp_path / "run").glob("step-*")] == ["step-00000006"]
