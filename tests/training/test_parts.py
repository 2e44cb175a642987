"""A batch divided into micro-batches or among processes: each family has the gradient of the whole, or is refused."""

import functools
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import reference
from companion.models import MLP, MLPConfig
from tests.training.families import gradients, validation

SCRIPT = Path(__file__).with_name("families.py")
#: Which tensor of a batch marks by -100 what does not count.
MARKED = {"bert": 1, "gpt": 1, "llama": 1, "transformer": 2, "unet": 1, "gcn": 2, "gat": 2, "graph_sage": 2}
GRAPHS = ("gcn", "gat", "graph_sage")
PAIRS = ("clip", "sentence_encoder")
NORMALIZED = ("dcgan", "mlp", "resnet", "unet")
#: MLP's case has batch normalization; without it the loss of each row is its own.
FAMILIES = [*reference.FAMILIES, "mlp_without_norm"]


@functools.cache
def example(family):
    """A model and a batch of 7 rows, whose numbers of targets differ where the loss passes over some."""
    torch.manual_seed(3)
    if family == "mlp_without_norm":
        return MLP(MLPConfig(sizes=(5, 7, 3))), (torch.randn(7, 5), torch.randint(3, (7,)))
    case = reference.make(family)
    batch = list(case.batch)
    if family not in GRAPHS:
        more = [case.batch] + [reference.make(family).batch for _ in range(-(-7 // len(batch[0])) - 1)]
        batch = [torch.cat(parts)[:7] for parts in zip(*more, strict=True)]
    if family in MARKED:
        target = batch[MARKED[family]] = batch[MARKED[family]].clone()
        for row, values in enumerate(target):
            if target.ndim == 1:
                target[row] = -100 if row % 3 else values
            else:
                values[1 + row :] = -100  # the first row has the fewest, and rows differ
    return case.model, tuple(batch)


def difference(found, expected):
    """Of two gradients, relative to the second; words stay words."""
    if isinstance(found, str):
        return found
    assert found[1] == pytest.approx(expected[1], rel=1e-5)
    return ((found[0] - expected[0]).norm() / expected[0].norm()).item()


@functools.cache
def alone(family):
    return gradients(*example(family))


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """What two processes found for all families."""
    folder = tmp_path_factory.mktemp("families")
    torch.save({family: example(family) for family in FAMILIES}, folder / "given")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ, "PYTHONPATH": str(SCRIPT.parents[2]), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "",
        "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port),
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, SCRIPT, folder / "given", folder / f"found.{rank}"],
            env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    return [torch.load(folder / f"found.{rank}", weights_only=False) for rank in range(2)]


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_micro_batches_have_the_gradient_of_the_whole_or_are_refused(family, rows):
    found = difference(gradients(*example(family), micro_batch_size=rows), alone(family))
    if family in GRAPHS:
        assert found.startswith("refused: expected tensors of as many rows as there are examples, to divide a batch")
    elif family in (*PAIRS, *NORMALIZED):
        assert found.startswith("refused: expected the whole batch at once, for ")
        assert f"got micro-batches of {rows} of 7 examples: leave micro_batch_size out" in found
    else:
        assert found < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_two_processes_have_the_gradient_of_one_or_are_refused(family, two_processes):
    for found in two_processes:
        found = difference(found[family][0], alone(family))
        if family in GRAPHS:
            assert found.startswith("refused: expected tensors of as many rows as there are examples")
        elif family in NORMALIZED:
            assert found.endswith("normalizes by the mean and variance of the batch, got 2 processes: take one")
        else:
            assert found < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_validation_does_not_depend_on_the_batch_size_or_is_refused(family, two_processes):
    model, batch = example(family)
    expected = validation(model, batch, 100)
    for rows in (1, 3):
        found = validation(model, batch, rows)
        if family in (*PAIRS, "dcgan"):  # its discriminator normalizes by the batch in evaluation too
            assert found.startswith("refused: expected a validation set of one batch, for ")
        else:
            assert found == pytest.approx(expected, rel=1e-5)
    if family not in (*GRAPHS, *NORMALIZED):
        assert [found[family][1] for found in two_processes] == pytest.approx([expected] * 2, rel=1e-5)
