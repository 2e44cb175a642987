"""A training script for tests that start processes: ``python workers.py FOLDER OUT key=value …``.

It trains a small model on random tokens and writes its weights to OUT; options are fields of ``TrainConfig``, or
``die=RANK:STEP`` to have that process killed at that step, once, ``full=STEP`` for a disk that is full from then on, or
``terminate=RANK:STEP`` to have that process told to end, or ``probe=1`` to note what each process holds of the weights
and how much of a checkpoint it reads.
"""

import ast
import json
import os
import resource
import signal
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from safetensors import safe_open

from companion.data import TokenBatches
from companion.models import GPT, GPTConfig
from companion.models.hub.weights import named_weights
from companion.training import TrainConfig, fit, split_tensors, whole_weights
from companion.training.split_tensors import own_part, whole


class Data(TokenBatches):
    """Batches, one of which may kill its reader or fill the disk."""

    def __init__(self, folder, die, full, terminate):
        tokens = np.random.default_rng(0).integers(0, 41, 1_009).astype(np.uint16)
        super().__init__(tokens, tokens[:101], block_size=11)
        self.folder, (self.rank, self.step), self.full, self.terminate = folder, die, full, terminate

    def batch(self, step, batch_size, *, seed):
        mark = self.folder / "died"
        if step == self.step and os.environ.get("RANK", "0") == str(self.rank) and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if (int(os.environ.get("RANK", "0")), step) == self.terminate:
            os.kill(os.getpid(), signal.SIGTERM)
        if step == self.full:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # less than the model's weights
        return super().batch(step, batch_size, seed=seed)


class Counted:
    """A safetensors file that notes how many numbers are read from it."""

    numbers = 0

    def __init__(self, path, framework):
        self.file = safe_open(path, framework)

    def __enter__(self):
        self.file.__enter__()
        return self

    def __exit__(self, *error):
        self.file.__exit__(*error)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def get_tensor(self, name):
        return self.noted(self.file.get_tensor(name))

    def get_slice(self, name):
        return CountedSlice(self.file.get_slice(name))

    @staticmethod
    def noted(tensor):
        Counted.numbers += tensor.numel()
        return tensor


class CountedSlice:
    """One tensor of such a file, which is read by rows."""

    def __init__(self, stored):
        self.get_shape, self.stored = stored.get_shape, stored

    def __getitem__(self, rows):
        return Counted.noted(self.stored[rows])


def probe(model, folder):
    """Notes how many numbers of the weights there are, and how many this process is given, holds and reads."""
    weights = named_weights(model)
    numbers = {
        "gathered": sum(tensor.numel() for tensor in whole_weights(model).values()),
        "held": sum(own_part(tensor).numel() for tensor in weights.values()),
        "all": sum(tensor.numel() for tensor in weights.values()),
    }
    before = {name: whole(tensor).clone() for name, tensor in weights.items()}
    [checkpoint] = folder.glob("step-*")
    with mock.patch.object(split_tensors, "safe_open", Counted):
        for name, tensor in split_tensors.read_like(checkpoint / "model.safetensors", weights):
            assert torch.equal(whole(tensor), before[name]), name
    numbers["read"] = Counted.numbers
    (folder / f"probed-{os.environ['RANK']}").write_text(json.dumps(numbers))


def main():
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    options = dict(argument.split("=", 1) for argument in sys.argv[3:])
    die, terminate = (tuple(map(int, options.pop(name, "-1:-1").split(":"))) for name in ("die", "terminate"))
    full, probed = int(options.pop("full", -1)), options.pop("probe", None)
    model_options = {"dropout": float(options.pop("dropout", 0))}
    config = {"steps": 12, "batch_size": 6, "lr": 1e-2, "precision": "fp32", "device": "cpu", "checkpoint_dir": folder}
    for name, value in options.items():
        config[name] = value if value.isalpha() or value in {"fp32", "bf16"} else ast.literal_eval(value)
    torch.set_num_threads(1)
    torch.manual_seed(5)
    model = GPT(GPTConfig(vocab_size=41, block_size=11, n_layer=2, n_head=2, n_embd=16, **model_options))
    history = fit(model, Data(folder, die, full, terminate), TrainConfig(**config))
    if probed:
        probe(model, folder)
    weights = {name: whole(tensor) for name, tensor in named_weights(model).items()}
    if os.environ.get("RANK", "0") == "0":
        torch.save({"weights": weights, "losses": [row["loss"] for row in history.rows]}, out)


if __name__ == "__main__":
    main()
