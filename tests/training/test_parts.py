"""A batch divided into micro-batches or among processes: each family has the gradient of the whole, or is refused."""

import copy
import dataclasses
import functools
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from families import gradients, validation

import reference
from companion.data import TensorBatches, date_pairs, pair_batches
from companion.models import MLP, MLPConfig, ResNet, Seq2Seq, Seq2SeqConfig
from companion.training import TrainConfig, fit, validate

SCRIPT = Path(__file__).with_name("families.py")
#: Which tensor of a batch marks by -100 what does not count.
MARKED = {"bert": 1, "gpt": 1, "llama": 1, "transformer": 2, "unet": 1, "gcn": 2, "gat": 2, "graph_sage": 2}
GRAPHS = ("gcn", "gat", "graph_sage")
PAIRS = ("clip", "sentence_encoder")
NORMALIZED = ("dcgan", "mlp", "resnet", "unet")
#: MLP's case has batch normalization; without it the loss of each row is its own. And a batch that one row scores.
FAMILIES = [*reference.FAMILIES, "mlp_without_norm", "gpt_one_row"]


@functools.cache
def example(family):
    """A model and a batch of 7 rows, whose numbers of targets differ where the loss passes over some."""
    torch.manual_seed(3)
    if family == "mlp_without_norm":
        return MLP(MLPConfig(sizes=(5, 7, 3))), (torch.randn(7, 5), torch.randint(3, (7,)))
    if family == "gpt_one_row":
        model, (tokens, targets) = example("gpt")
        return model, (tokens, torch.where(torch.arange(7)[:, None] == 4, targets, -100))
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


def test_processes_whose_batches_differ_are_refused(two_processes):
    for found in two_processes:
        assert found["other data"].startswith("refused: expected the same batch in every process, got ")


def test_the_shipped_pairs_of_sequences_train_the_same_in_micro_batches():
    batches, vocabulary = pair_batches(date_pairs(60, seed=3))
    sizes = {"source_vocab": len(vocabulary), "target_vocab": len(vocabulary), "n_embd": 7, "n_hidden": 11}
    norms = []
    for rows in (None, 1, 5):
        torch.manual_seed(5)
        model = Seq2Seq(Seq2SeqConfig(**sizes))
        config = TrainConfig(steps=3, batch_size=13, micro_batch_size=rows, precision="fp32", device="cpu")
        norms.append([row["grad_norm"] for row in fit(model, batches, config).rows])
    assert norms[1] == pytest.approx(norms[0], rel=1e-5)
    assert norms[2] == pytest.approx(norms[0], rel=1e-5)


class Silent(torch.nn.Linear):
    """Does not say what counts."""

    def loss(self, x, y):
        return (self(x) - y).square().mean()


def test_a_model_that_does_not_say_what_counts_is_refused_where_it_would_matter():
    config = TrainConfig(steps=1, batch_size=7, precision="fp32", device="cpu")
    rows = torch.randn(7, 3), torch.randn(7, 1)
    fit(Silent(3, 1), TensorBatches(rows, rows), config)  # whole, and validated whole
    message = r"n_targets\(\*batch\), the number that the mean .* got Silent, which has none: add it, or take the whole"
    with pytest.raises(TypeError, match=message):
        fit(Silent(3, 1), TensorBatches(rows), dataclasses.replace(config, micro_batch_size=3))
    untouched = Silent(3, 1)
    before = untouched.weight.clone()
    with pytest.raises(TypeError, match=message):
        fit(untouched, TensorBatches(rows, [part.repeat(2, 1) for part in rows]), config)
    assert torch.equal(untouched.weight, before)  # refused before the run, not at its first validation
    with pytest.raises(TypeError, match=message):
        validate(Silent(3, 1), TensorBatches(rows, rows), 3)


@pytest.mark.parametrize("family", ["clip", "resnet"])
def test_a_batch_that_cannot_be_divided_is_not_halved_when_memory_runs_out(family, caplog):
    model, batch = example(family)
    model = copy.deepcopy(model)
    model.loss = lambda *batch: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory (simulated)"))
    config = TrainConfig(steps=1, batch_size=7, precision="fp32", device="cpu")
    message = "expected memory for 7 examples at once, got too little, and the batch cannot be divided, for .*lower"
    with pytest.raises(torch.OutOfMemoryError, match=message):
        fit(model, TensorBatches(batch), config)
    assert not caplog.records


class Frozen(ResNet):
    """Its batch normalization stays as it is."""

    def train(self, mode=True):
        super().train(mode)
        for module in self.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        return self


def test_a_frozen_batch_norm_does_not_join_examples():
    like, batch = example("resnet")
    model = Frozen(like.config)
    found = difference(gradients(model, batch, micro_batch_size=3), gradients(model, batch))
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
