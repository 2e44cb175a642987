"""Checkpoints leave frozen weights out: they are small, resume bit for bit, and refuse another base."""

import shutil

import numpy as np
import pytest
import torch
from lines import Line, config, line_data
from safetensors.torch import load_file, save_file
from torch import nn

from companion.data import TokenBatches
from companion.finetune import LoRAConfig, add_lora
from companion.models import GPT, GPTConfig
from companion.training import checkpoint, fit, saving
from companion.training.ema import WeightAverage
from companion.training.frozen import FrozenWeights


def adapted(seed=5):
    """A GPT with adapters, whose base is drawn from a seed; the adapters always are the same."""
    torch.manual_seed(seed)
    model = GPT(GPTConfig(vocab_size=41, block_size=11, n_layer=2, n_head=2, n_embd=64, positions="rotary"))
    torch.manual_seed(0)
    return add_lora(model, LoRAConfig(r=2, lora_dropout=0.25))


def tokens(kind=TokenBatches):
    text = np.random.default_rng(0).integers(0, 41, 1_009).astype(np.uint16)
    return kind(text, text[:101], block_size=11)


class Stops(TokenBatches):
    def batch(self, step, batch_size, *, seed):
        if step == 13:
            raise OSError("the power went")
        return super().batch(step, batch_size, seed=seed)


def bits(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same(a, b):
    assert all(torch.equal(a[name], b[name]) for name in a)


def run(folder, **options):
    return config(folder, ema_decay=0.9, checkpoint_every=5, **options)


def test_only_what_moves_is_kept(tmp_path):
    model = adapted()
    fit(model, tokens(), run(tmp_path))
    kept = load_file(tmp_path / "step-00000023" / "model.safetensors")
    moving = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert kept.keys() == moving.keys()
    everything = sum(p.numel() * p.element_size() for p in model.parameters())
    written = sum(path.stat().st_size for path in (tmp_path / "step-00000023").iterdir())
    assert written < 0.25 * everything  # weights, their mean, two moments, and the states of generators


def test_a_run_that_stopped_goes_on_bit_for_bit(tmp_path):
    fit(whole := adapted(), tokens(), run(tmp_path / "whole"))
    with pytest.raises(OSError, match="power"):
        fit(adapted(), tokens(Stops), run(tmp_path / "stopped"))
    base = bits(resumed := adapted())
    fit(resumed, tokens(), run(tmp_path / "stopped"))
    assert_same(bits(whole), bits(resumed))
    assert_same({name: base[name] for name in base if "lora_" not in name}, bits(resumed))


def test_another_base_is_refused_in_words_and_nothing_changes(tmp_path):
    fit(adapted(), tokens(), run(tmp_path))
    other = adapted(seed=6)
    before = bits(other)
    with pytest.raises(
        ValueError, match="expected the frozen weights that the run in .* began with, got others: start"
    ):
        fit(other, tokens(), run(tmp_path, steps=25))
    assert_same(before, bits(other))
    assert not (tmp_path / "step-00000025").exists()


def older(folder, model):
    """Makes a checkpoint what it was before frozen weights were left out: all weights, and no sum of any."""
    found = checkpoint.newest(folder)
    state = checkpoint.read_state(found)
    del state["identity"]["frozen weights"]
    tensors = {name: load_file(found.folder / name) for name in (checkpoint.OPTIMIZER, checkpoint.AVERAGE)}
    weights = dict(model.state_dict()) | load_file(found.folder / checkpoint.MODEL)
    checkpoint.write(folder, found.step, {checkpoint.MODEL: weights, **tensors}, state)


def test_a_checkpoint_that_holds_all_weights_is_still_read(tmp_path):
    with pytest.raises(OSError, match="power"):
        fit(adapted(), tokens(Stops), run(tmp_path / "now"))
    shutil.copytree(tmp_path / "now", tmp_path / "before")
    older(tmp_path / "before", adapted())
    fit(now := adapted(), tokens(), run(tmp_path / "now"))
    fit(before := adapted(), tokens(), run(tmp_path / "before"))
    assert_same(bits(now), bits(before))


def test_weights_that_move_without_a_gradient_are_kept(tmp_path):
    class Follower(Line):
        def __init__(self):
            super().__init__()
            self.follows = nn.Parameter(torch.zeros(3, 1), requires_grad=False)
            self.stays = nn.Parameter(torch.ones(7), requires_grad=False)

        def loss(self, x, y):
            if self.training:
                with torch.no_grad():
                    self.follows.lerp_(self.weight, 0.1)
            return super().loss(x, y) + ((self.weight - self.follows) ** 2).mean()

    fit(model := Follower(), line_data(), config(tmp_path))
    assert load_file(tmp_path / "step-00000023" / "model.safetensors").keys() == {"weight", "bias", "follows"}
    fit(again := Follower(), line_data(), config(tmp_path))
    assert_same(bits(model), bits(again))


def test_buffers_are_kept():
    model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5)).requires_grad_(False)
    left_out = FrozenWeights(model).unchanged(model)
    assert left_out == {"0.weight", "0.bias", "1.weight", "1.bias"}


def test_a_checkpoint_that_lacks_what_moves_is_refused(tmp_path):
    fit(model := adapted(), tokens(), run(tmp_path))
    found = checkpoint.newest(tmp_path)
    kept = load_file(found.folder / checkpoint.MODEL)
    missing = kept.popitem()[0]
    save_file(kept, found.folder / checkpoint.MODEL)
    learner = saving.Learner(model, [], WeightAverage(model, 0), None)
    with pytest.raises(ValueError, match=f"missing .'{missing}'"):
        saving.restore(found, learner)
